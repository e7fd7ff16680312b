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
	"strings"
)

// registerUntyped edits the function of the Kubernetes SDK by which the
// plugin's own components (ConfigGroup, Chart, Directory) register objects. Its
// 150 cases differ in the Go type that holds the answer, which the plugin
// hands on as an interface, and in nothing else; yet they compile the whole
// SDK, 35 MB of source, into the plugin, a fifth of all that is compiled on a
// new machine. What is left is the default case, with the one rule the others
// embody: the group of v1 is called core.
//
// It fails when any case does something else.
func registerUntyped(source []byte) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "kinds.go", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	function := functionOf(file, "RegisterResource")
	if function == nil || len(function.Body.List) != 2 {
		return nil, errors.New("RegisterResource is not what is known")
	}
	choice, ok := function.Body.List[1].(*ast.SwitchStmt)
	if !ok {
		return nil, errors.New("RegisterResource does not end in a switch")
	}
	var fallback *ast.CaseClause
	for _, statement := range choice.Body.List {
		clause := statement.(*ast.CaseClause)
		if clause.List == nil {
			fallback = clause
			continue
		}
		if err := regular(clause); err != nil {
			return nil, err
		}
	}
	if fallback == nil {
		return nil, errors.New("RegisterResource has no default")
	}
	core, err := parser.ParseExpr(`func() { if !strings.Contains(apiVersion, "/") { apiVersion = "core/" + apiVersion } }`)
	if err != nil {
		return nil, err
	}
	function.Body.List = append(slices.Clone(core.(*ast.FuncLit).Body.List), fallback.Body...)
	return printed(files, file, "strings")
}

// regular checks that a case registers its kind under the name that the rule
// gives it, and does nothing else.
func regular(clause *ast.CaseClause) error {
	const steps = 4 // declare, register, check, return
	kind, token, calls := "", "", 0
	if literal, ok := clause.List[0].(*ast.BasicLit); ok && len(clause.List) == 1 {
		kind, _ = strconv.Unquote(literal.Value)
	}
	for _, statement := range clause.Body {
		ast.Inspect(statement, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			calls++
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "RegisterResource" && len(call.Args) == 5 {
				if literal, ok := call.Args[0].(*ast.BasicLit); ok {
					token, _ = strconv.Unquote(literal.Value)
				}
			}
			return true
		})
	}
	at := strings.LastIndex(kind, "/")
	if at < 0 || len(clause.Body) != steps || calls != 1 || token != tokenOf(kind[:at], kind[at+1:]) {
		return fmt.Errorf("RegisterResource treats %q specially, as %q", kind, token)
	}
	return nil
}

// tokenOf is the Pulumi type of a Kubernetes kind.
func tokenOf(apiVersion, kind string) string {
	if !strings.Contains(apiVersion, "/") {
		apiVersion = "core/" + apiVersion
	}
	return "kubernetes:" + apiVersion + ":" + kind
}

// withoutProviders edits the function by which lego, Traefik's ACME client,
// finds one of its 180 providers of DNS challenges by name. They bring the
// clients of as many clouds, two fifths of what is compiled for Traefik alone.
// Certificates here come from cert-manager. The provider that asks a person
// stays; every other name is answered as an unknown one.
//
// It fails when a case does anything but make a provider.
func withoutProviders(source []byte) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "providers.go", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	function := functionOf(file, "NewDNSChallengeProviderByName")
	if function == nil || len(function.Body.List) != 1 {
		return nil, errors.New("NewDNSChallengeProviderByName is not what is known")
	}
	choice, ok := function.Body.List[0].(*ast.SwitchStmt)
	if !ok {
		return nil, errors.New("NewDNSChallengeProviderByName is no switch")
	}
	var kept []ast.Stmt
	for _, statement := range choice.Body.List {
		clause := statement.(*ast.CaseClause)
		maker, ok := makerOf(clause)
		if clause.List != nil && !ok {
			return nil, errors.New("NewDNSChallengeProviderByName does more than make providers")
		}
		if clause.List == nil || maker == "dns01" {
			kept = append(kept, clause)
		}
	}
	if len(kept) != 2 {
		return nil, errors.New("NewDNSChallengeProviderByName has no default, or not the one provider that asks a person")
	}
	choice.Body.List = kept
	return printed(files, file)
}

// makerOf names the package whose function a case returns the answer of.
func makerOf(clause *ast.CaseClause) (string, bool) {
	if len(clause.Body) != 1 {
		return "", false
	}
	answer, ok := clause.Body[0].(*ast.ReturnStmt)
	if !ok || len(answer.Results) != 1 {
		return "", false
	}
	call, ok := answer.Results[0].(*ast.CallExpr)
	if !ok || len(call.Args) != 0 {
		return "", false
	}
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return "", false
	}
	name, ok := function.X.(*ast.Ident)
	if !ok {
		return "", false
	}
	return name.Name, true
}

// withoutECS edits Traefik's provider of routes from Amazon ECS so that it can be
// configured and says that it is not there. It brings Amazon's clients of EC2,
// ECS and SSM, a quarter of what is compiled for Traefik alone.
func withoutECS(source []byte) ([]byte, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "ecs.go", source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	body, err := parser.ParseExpr(`func() error { return errors.New("this Traefik was built without the provider for Amazon ECS") }`)
	if err != nil {
		return nil, err
	}
	stays := map[string]bool{"Provider": false, "DefaultTemplateRule": false, "SetDefaults": false, "Init": false, "Provide": false}
	file.Decls = slices.DeleteFunc(file.Decls, func(declared ast.Decl) bool {
		name := nameOf(declared)
		if name == "import" {
			return false
		}
		if _, ok := stays[name]; !ok {
			return true
		}
		stays[name] = true
		if function, ok := declared.(*ast.FuncDecl); ok && name == "Provide" {
			function.Body = body.(*ast.FuncLit).Body
		}
		return false
	})
	for name, there := range stays {
		if !there {
			return nil, fmt.Errorf("there is no %s", name)
		}
	}
	return printed(files, file, "errors")
}

// nameOf is what a declaration declares; of several things, the first.
func nameOf(declared ast.Decl) string {
	switch d := declared.(type) {
	case *ast.FuncDecl:
		return d.Name.Name
	case *ast.GenDecl:
		switch spec := d.Specs[0].(type) {
		case *ast.TypeSpec:
			return spec.Name.Name
		case *ast.ValueSpec:
			return spec.Names[0].Name
		case *ast.ImportSpec:
			return "import"
		}
	}
	return ""
}

func functionOf(file *ast.File, name string) *ast.FuncDecl {
	for _, declared := range file.Decls {
		if f, ok := declared.(*ast.FuncDecl); ok && f.Name.Name == name {
			return f
		}
	}
	return nil
}

// printed is the edited file as source. added are packages of the standard
// library that it needs besides those it imports.
func printed(files *token.FileSet, file *ast.File, added ...string) ([]byte, error) {
	file.Comments = nil // their places are gone
	keepImports(file, added)
	var out bytes.Buffer
	if err := format.Node(&out, files, file); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// keepImports drops the imports whose package the file does not mention, and
// adds others.
func keepImports(file *ast.File, added []string) {
	mentioned := map[string]bool{}
	ast.Inspect(file, func(node ast.Node) bool {
		if selector, ok := node.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok {
				mentioned[name.Name] = true
			}
		}
		return true
	})
	for _, declared := range file.Decls {
		imports, ok := declared.(*ast.GenDecl)
		if !ok || imports.Tok != token.IMPORT {
			continue
		}
		imports.Specs = slices.DeleteFunc(imports.Specs, func(spec ast.Spec) bool {
			imported := spec.(*ast.ImportSpec)
			path, _ := strconv.Unquote(imported.Path.Value)
			name := path[strings.LastIndex(path, "/")+1:]
			if imported.Name != nil {
				name = imported.Name.Name
			}
			return !mentioned[name]
		})
		for _, path := range added {
			imports.Specs = append(imports.Specs, &ast.ImportSpec{Path: &ast.BasicLit{Kind: token.STRING, Value: strconv.Quote(path)}})
		}
		return
	}
}
