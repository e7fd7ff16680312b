package graph

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"slipway.dev/slipway/stacks"
)

// TestSettingsDocument keeps docs/settings.md equal to what the comments and
// defaults of the settings say. It cannot promise a default that the program
// does not have.
func TestSettingsDocument(t *testing.T) {
	current(t, "settings.md", "settings", settingsDocument(t))
}

// current holds a document below docs to what is written of it, or writes it
// where golden files are accepted.
func current(t *testing.T, name, source, got string) {
	t.Helper()
	path := filepath.Join(checkout, "docs", filepath.FromSlash(name))
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run: make update", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/%s is behind the %s; run: make update\n%s", name, source, diff)
	}
}

func settingsDocument(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	out.WriteString(`# Settings

Written from the comments in stacks/settings*.go; change them there and run ` + "`make update`" + `.

A key left out has its default. One that is unknown or malformed stops the
program before anything is changed; all faults are reported at once, each with
its path.
`)
	comments := fieldComments(t)
	defaults := stacks.Defaults()
	table(t, &out, comments, "", reflect.ValueOf(defaults))
	return out.String()
}

// table writes one section for a mapping, then those of the mappings in it.
func table(t *testing.T, out *strings.Builder, comments map[string]string, path string, value reflect.Value) {
	t.Helper()
	title := "slipway:" + path
	if path == "" {
		title = "Top level"
	}
	fmt.Fprintf(out, "\n## %s\n\n| key | default | meaning |\n|---|---|---|\n", title)
	var inner []int
	for i := range value.NumField() {
		field := value.Type().Field(i)
		comment := comments[value.Type().Name()+"."+field.Name]
		if comment == "" {
			t.Errorf("setting %s.%s has no comment", value.Type().Name(), field.Name)
		}
		standard := ""
		if field.Type.Kind() == reflect.Struct || field.Type.Kind() == reflect.Map && field.Type.Elem().Kind() == reflect.Struct {
			standard = "see below"
			inner = append(inner, i)
		} else {
			standard = written(t, value.Field(i))
		}
		fmt.Fprintf(out, "| `%s` | %s | %s |\n", field.Tag.Get("json"), standard, comment+limits(field))
	}
	for _, i := range inner {
		name := value.Type().Field(i).Tag.Get("json")
		at, field := strings.TrimPrefix(path+"."+name, "."), value.Field(i)
		if field.Kind() == reflect.Map {
			// Entries start from nothing; one stands for all.
			at, field = at+".<name>", reflect.Zero(field.Type().Elem())
		}
		table(t, out, comments, at, field)
	}
}

// written is a default as one writes it in YAML, nothing where there is none.
func written(t *testing.T, value reflect.Value) string {
	t.Helper()
	kind := value.Kind()
	if value.IsZero() && (kind == reflect.String || kind == reflect.Slice || kind == reflect.Map) {
		return ""
	}
	raw, err := json.Marshal(value.Interface())
	if err != nil {
		t.Fatal(err)
	}
	return "`" + strings.Trim(string(raw), `"`) + "`"
}

// limits says which numbers Validate accepts.
func limits(field reflect.StructField) string {
	low, bounded := field.Tag.Lookup("min")
	high, capped := field.Tag.Lookup("max")
	switch {
	case bounded && capped:
		return fmt.Sprintf(" From %s to %s.", low, high)
	case bounded:
		return fmt.Sprintf(" At least %s.", low)
	default:
		return ""
	}
}

// fieldComments reads the comments of the settings, by "Type.Field".
func fieldComments(t *testing.T) map[string]string {
	t.Helper()
	comments := map[string]string{}
	for _, name := range []string{"settings.go", "settings_aws.go", "settings_benchmark.go", "settings_logging.go", "settings_monitoring.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(checkout, "stacks", name), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		readComments(file, comments)
	}
	return comments
}

func readComments(file *ast.File, comments map[string]string) {
	ast.Inspect(file, func(node ast.Node) bool {
		kind, ok := node.(*ast.TypeSpec)
		if !ok {
			return true
		}
		fields, ok := kind.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range fields.Fields.List {
			text := strings.Join(strings.Fields(field.Doc.Text()), " ")
			for _, name := range field.Names {
				comments[kind.Name.Name+"."+name.Name] = asKey(text, name.Name)
			}
		}
		return true
	})
}

// asKey drops the field's Go name, with which its comment begins: the table
// already says which key it is.
func asKey(text, name string) string {
	rest, found := strings.CutPrefix(text, name+" ")
	if !found {
		return text
	}
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "are ")
	return strings.ReplaceAll(strings.ToUpper(rest[:1])+rest[1:], "|", `\|`)
}
