package toolchain

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
)

// withoutUses is an edit that drops imports, by path, and every case of a
// switch and every if statement that mentions one of the names. What they did
// is then not there: a switch takes its default, an if its way past.
//
// It fails when there is no such import, when a name is mentioned nowhere, or
// elsewhere too, and when an if that would go has an else.
func withoutUses(imports, names []string) func([]byte) ([]byte, error) {
	return func(source []byte) ([]byte, error) {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, "", source, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		if err := dropImports(file, imports); err != nil {
			return nil, err
		}
		mentions := func(node ast.Node) bool { return slices.ContainsFunc(names, mentionedIn(node)) }
		for _, name := range names {
			if !mentionedIn(file)(name) {
				return nil, fmt.Errorf("%s is not mentioned", name)
			}
		}
		var alternative bool
		ast.Inspect(file, func(node ast.Node) bool {
			block, ok := node.(*ast.BlockStmt)
			if !ok {
				return true
			}
			block.List = slices.DeleteFunc(block.List, func(statement ast.Stmt) bool {
				switch s := statement.(type) {
				case *ast.CaseClause:
					return s.List != nil && mentions(s)
				case *ast.IfStmt:
					// One that only holds the mention is looked into.
					goes := mentions(s.Cond) || s.Init != nil && mentions(s.Init)
					alternative = alternative || goes && s.Else != nil
					return goes
				default:
					return false
				}
			})
			return true
		})
		if alternative {
			return nil, errors.New("what would go has an else")
		}
		for _, name := range names {
			if mentionedIn(file)(name) {
				return nil, fmt.Errorf("%s is used elsewhere too", name)
			}
		}
		file.Comments = nil // their places are gone
		var out bytes.Buffer
		if err := format.Node(&out, files, file); err != nil {
			return nil, err
		}
		return out.Bytes(), nil
	}
}

// dropImports removes imports by path, and fails when one is not there.
func dropImports(file *ast.File, paths []string) error {
	missing := slices.Clone(paths)
	for _, declared := range file.Decls {
		imports, ok := declared.(*ast.GenDecl)
		if !ok || imports.Tok != token.IMPORT {
			continue
		}
		imports.Specs = slices.DeleteFunc(imports.Specs, func(spec ast.Spec) bool {
			path, _ := strconv.Unquote(spec.(*ast.ImportSpec).Path.Value)
			at := slices.Index(missing, path)
			if at >= 0 {
				missing = slices.Delete(missing, at, at+1)
			}
			return at >= 0
		})
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s is not imported", missing[0])
	}
	return nil
}

// mentionedIn reports whether an identifier stands anywhere below a node.
func mentionedIn(node ast.Node) func(name string) bool {
	return func(name string) bool {
		var found bool
		ast.Inspect(node, func(below ast.Node) bool {
			identifier, ok := below.(*ast.Ident)
			found = found || ok && identifier.Name == name
			return !found
		})
		return found
	}
}
