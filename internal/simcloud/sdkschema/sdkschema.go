// Package sdkschema reads what a Pulumi SDK for Go says about its resources
// and functions: names and types of properties, which are required, which are
// always there afterwards. It parses the SDK's sources and compiles nothing,
// because one package of the AWS SDK alone takes minutes to compile.
package sdkschema

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Schema is what is known about a selection of tokens.
type Schema struct {
	// Version of the SDK.
	Version string `json:"version"`
	// Provider holds the properties of the provider's own configuration.
	Provider Object `json:"provider"`
	// Resources by token, such as aws:ec2/vpc:Vpc.
	Resources map[string]Resource `json:"resources"`
	// Functions by token, such as aws:index/getRegion:getRegion.
	Functions map[string]Function `json:"functions"`
	// Objects are the nested types, by package and name, such as eks.ClusterVpcConfig.
	Objects map[string]Object `json:"objects"`
}

// Resource describes what a resource takes and what it has once it exists.
type Resource struct {
	Inputs  Object   `json:"inputs"`
	Outputs Object   `json:"outputs"`
	Secrets []string `json:"secrets,omitempty"`
}

// Function describes an invoke.
type Function struct {
	Inputs  Object `json:"inputs"`
	Outputs Object `json:"outputs"`
}

// Object is a set of properties by name.
type Object map[string]Property

// Property is one property.
type Property struct {
	// Type is string, int, bool, float or any; []T for a list, {}T for a map,
	// and the key of Schema.Objects, such as eks.ClusterVpcConfig, for an object.
	Type string `json:"type"`
	// Required inputs must be given; required outputs are always there.
	Required bool `json:"required,omitempty"`
}

// Read parses the SDK in dir, the root of its module, for the given tokens.
func Read(dir, version string, resources, functions []string) (*Schema, error) {
	r := &reader{
		root: filepath.Join(dir, "go", "aws"), packages: map[string]*pkg{},
		schema: &Schema{
			Version: version, Resources: map[string]Resource{}, Functions: map[string]Function{}, Objects: map[string]Object{},
		},
	}
	provider, err := r.open("index")
	if err != nil {
		return nil, err
	}
	if r.schema.Provider, err = r.object(provider, "providerArgs"); err != nil {
		return nil, err
	}
	for _, list := range []struct {
		tokens []string
		read   func(p *pkg, token, name string) error
	}{{resources, r.resource}, {functions, r.function}} {
		for _, tok := range list.tokens {
			match := tokenPattern.FindStringSubmatch(tok)
			if match == nil {
				return nil, fmt.Errorf("token %q: want package:module/file:Name", tok)
			}
			p, err := r.open(match[1])
			if err == nil {
				err = list.read(p, tok, match[2])
			}
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", tok, err)
			}
		}
	}
	return r.schema, nil
}

var (
	tokenPattern = regexp.MustCompile(`^aws:([a-z0-9]+)/\w+:(\w+)$`)
	requiredArg  = regexp.MustCompile(`invalid value for required argument '(\w+)'`)
	secretsList  = regexp.MustCompile(`(?s)AdditionalSecretOutputs\(\[\]string\{(.*?)\}`)
	quoted       = regexp.MustCompile(`"([^"]+)"`)
)

type reader struct {
	root     string
	packages map[string]*pkg
	schema   *Schema
}

// pkg is one package of the SDK.
type pkg struct {
	name    string
	dir     string
	structs map[string]*ast.StructType
	// file names by what they declare, to look for required arguments.
	sources map[string]string
}

func (r *reader) open(name string) (*pkg, error) {
	if p, ok := r.packages[name]; ok {
		return p, nil
	}
	dir := filepath.Join(r.root, name)
	if name == "index" {
		dir = r.root
	}
	p := &pkg{name: name, dir: dir, structs: map[string]*ast.StructType{}, sources: map[string]string{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("the SDK has no package %s: %w", dir, errors.Join(err, os.ErrNotExist))
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, fmt.Errorf("parsing %s: %w", file, err)
		}
		for _, decl := range parsed.Decls {
			declared, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range declared.Specs {
				if typ, ok := spec.(*ast.TypeSpec); ok {
					if structure, ok := typ.Type.(*ast.StructType); ok {
						p.structs[typ.Name.Name] = structure
						p.sources[typ.Name.Name] = file
					}
				}
			}
		}
	}
	r.packages[name] = p
	return p, nil
}

func (r *reader) resource(p *pkg, tok, name string) error {
	arguments := strings.ToLower(name[:1]) + name[1:] + "Args"
	inputs, err := r.object(p, arguments)
	if err != nil {
		return err
	}
	source, err := os.ReadFile(p.sources[arguments])
	if err != nil {
		return err
	}
	if !strings.Contains(string(source), `"`+tok+`"`) {
		return fmt.Errorf("%s is not registered under this token", name)
	}
	required := map[string]bool{}
	for _, match := range requiredArg.FindAllStringSubmatch(string(source), -1) {
		required[match[1]] = true
	}
	for field, property := range tagged(p.structs[arguments]) {
		input := inputs[property]
		input.Required = required[field]
		inputs[property] = input
	}
	outputs, err := r.object(p, strings.ToLower(name[:1])+name[1:]+"State")
	if err != nil {
		return err
	}
	for _, field := range p.structs[name].Fields.List {
		if property, ok := tag(field); ok {
			output := outputs[property]
			output.Required = always(field.Type)
			outputs[property] = output
		}
	}
	described := Resource{Inputs: inputs, Outputs: outputs}
	if match := secretsList.FindStringSubmatch(string(source)); match != nil {
		for _, secret := range quoted.FindAllStringSubmatch(match[1], -1) {
			described.Secrets = append(described.Secrets, secret[1])
		}
		slices.Sort(described.Secrets)
	}
	r.schema.Resources[tok] = described
	return nil
}

// function finds the argument and result structs by the function's name: that
// of getVpc is LookupVpc where the package also has a resource Vpc.
func (r *reader) function(p *pkg, tok, name string) error {
	title := strings.ToUpper(name[:1]) + name[1:]
	if _, ok := p.structs[title+"Result"]; !ok {
		title = "Lookup" + strings.TrimPrefix(title, "Get")
	}
	source, ok := p.sources[title+"Result"]
	if !ok {
		return fmt.Errorf("the SDK has no result type for it")
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), `"`+tok+`"`) {
		return fmt.Errorf("%s is not invoked under this token", title)
	}
	described := Function{Inputs: Object{}}
	if _, ok := p.structs[title+"Args"]; ok {
		if described.Inputs, err = r.object(p, title+"Args"); err != nil {
			return err
		}
	}
	if described.Outputs, err = r.object(p, title+"Result"); err != nil {
		return err
	}
	r.schema.Functions[tok] = described
	return nil
}

// object reads the tagged fields of a struct. A field that is neither a
// pointer, a list nor a map cannot be left out.
func (r *reader) object(p *pkg, name string) (Object, error) {
	structure, ok := p.structs[name]
	if !ok {
		return nil, fmt.Errorf("package %s has no struct %s", p.name, name)
	}
	object := Object{}
	for _, field := range structure.Fields.List {
		property, ok := tag(field)
		if !ok {
			continue
		}
		text, err := r.typeOf(p, field.Type)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", name, property, err)
		}
		_, named := field.Type.(*ast.Ident)
		object[property] = Property{Type: text, Required: named}
	}
	return object, nil
}

func (r *reader) typeOf(p *pkg, expression ast.Expr) (string, error) {
	switch typ := expression.(type) {
	case *ast.StarExpr:
		return r.typeOf(p, typ.X)
	case *ast.ArrayType:
		element, err := r.typeOf(p, typ.Elt)
		return "[]" + element, err
	case *ast.MapType:
		element, err := r.typeOf(p, typ.Value)
		return "{}" + element, err
	case *ast.InterfaceType, *ast.SelectorExpr:
		return "any", nil
	case *ast.Ident:
		switch typ.Name {
		case "string", "int", "bool":
			return typ.Name, nil
		case "float64":
			return "float", nil
		}
		key := p.name + "." + typ.Name
		if _, seen := r.schema.Objects[key]; !seen {
			if _, isStruct := p.structs[typ.Name]; !isStruct {
				return "string", nil // a named string: an enumeration
			}
			r.schema.Objects[key] = nil // types may refer to themselves
			object, err := r.object(p, typ.Name)
			if err != nil {
				return "", err
			}
			r.schema.Objects[key] = object
		}
		return key, nil
	default:
		return "", fmt.Errorf("unexpected type %T", expression)
	}
}

// tagged maps the fields of a struct to their property names.
func tagged(structure *ast.StructType) map[string]string {
	fields := map[string]string{}
	for _, field := range structure.Fields.List {
		if property, ok := tag(field); ok {
			fields[field.Names[0].Name] = property
		}
	}
	return fields
}

var propertyTag = regexp.MustCompile(`pulumi:"(\w+)"`)

func tag(field *ast.Field) (string, bool) {
	if field.Tag == nil || len(field.Names) != 1 {
		return "", false
	}
	match := propertyTag.FindStringSubmatch(field.Tag.Value)
	if match == nil {
		return "", false
	}
	return match[1], true
}

// always tells whether an output's type has no way to be absent.
func always(expression ast.Expr) bool {
	selector, ok := expression.(*ast.SelectorExpr)
	if ok {
		return !strings.HasSuffix(selector.Sel.Name, "PtrOutput")
	}
	ident, ok := expression.(*ast.Ident)
	return ok && !strings.HasSuffix(ident.Name, "PtrOutput")
}
