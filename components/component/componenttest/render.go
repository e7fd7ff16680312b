package componenttest

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"sigs.k8s.io/yaml"
)

// List names every resource, one "type name" a line, sorted.
func (g *Graph) List() string {
	var lines []string
	for _, node := range g.Nodes() {
		lines = append(lines, node.TypeToken+" "+node.Name)
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n") + "\n"
}

// Render writes the whole recording as text that is the same on every run:
// sorted by type and name, with parent, provider, protection, retention,
// dependencies and inputs of each resource. Secrets appear as [secret] and
// values that a preview does not know as [unknown].
func (g *Graph) Render() (string, error) { return g.text(false) }

// Reveal is Render with secrets in the clear, to see whether two recordings
// differ in one. It must not be written to a file.
func (g *Graph) Reveal() (string, error) { return g.text(true) }

func (g *Graph) text(reveal bool) (string, error) {
	blocks := make([]string, 0, len(g.Nodes()))
	for _, node := range g.Nodes() {
		block, err := node.render(reveal)
		if err != nil {
			return "", fmt.Errorf("rendering %s %q: %w", node.TypeToken, node.Name, err)
		}
		blocks = append(blocks, block)
	}
	sort.Strings(blocks)
	return strings.Join(blocks, "\n"), nil
}

func (n Node) render(reveal bool) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s\n", n.TypeToken, n.Name)
	if parent := resource.URN(n.RegisterRPC.GetParent()); parent != "" && parent.Type() != resource.RootStackType {
		fmt.Fprintf(&out, "  under: %s %s\n", parent.Type(), parent.Name())
	}
	if reference := n.RegisterRPC.GetProvider(); reference != "" {
		// A reference is a URN, "::" and an ID that a preview does not know.
		urn := reference[:strings.LastIndex(reference, "::")]
		fmt.Fprintf(&out, "  provider: %s\n", resource.URN(urn).Name())
	}
	if n.RegisterRPC.GetProtect() {
		out.WriteString("  protect: true\n")
	}
	if n.RegisterRPC.GetRetainOnDelete() {
		out.WriteString("  retainOnDelete: true\n")
	}
	for _, option := range []struct {
		name   string
		values []string
	}{
		{"dependsOn", urnNames(n.RegisterRPC.GetDependencies())},
		{"ignoreChanges", n.RegisterRPC.GetIgnoreChanges()},
		{"replaceOnChanges", n.RegisterRPC.GetReplaceOnChanges()},
	} {
		if len(option.values) > 0 {
			fmt.Fprintf(&out, "  %s: %s\n", option.name, strings.Join(option.values, ", "))
		}
	}
	if len(n.Inputs) == 0 {
		return out.String(), nil
	}
	text, err := yaml.Marshal(shown(resource.NewProperty(n.Inputs), reveal))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		out.WriteString("    " + line)
	}
	return out.String(), nil
}

// urnNames shows dependencies as sorted "Type name", short enough to review.
func urnNames(urns []string) []string {
	names := make([]string, 0, len(urns))
	for _, urn := range urns {
		token := string(resource.URN(urn).Type())
		names = append(names, token[strings.LastIndex(token, ":")+1:]+" "+resource.URN(urn).Name())
	}
	sort.Strings(names)
	return names
}

func shown(value resource.PropertyValue, reveal bool) any {
	switch {
	case value.IsSecret() && reveal:
		return shown(value.SecretValue().Element, reveal)
	case value.IsSecret(), value.IsOutput() && value.OutputValue().Secret && !reveal:
		return "[secret]"
	case value.IsComputed(), value.IsOutput() && !value.OutputValue().Known:
		return "[unknown]"
	case value.IsOutput():
		return shown(value.OutputValue().Element, reveal)
	case value.IsObject():
		fields := map[string]any{}
		for key, inner := range value.ObjectValue() {
			fields[string(key)] = shown(inner, reveal)
		}
		return fields
	case value.IsArray():
		items := make([]any, 0, len(value.ArrayValue()))
		for _, inner := range value.ArrayValue() {
			items = append(items, shown(inner, reveal))
		}
		return items
	case value.IsAsset():
		return "[asset " + value.AssetValue().Hash + "]"
	case value.IsArchive():
		return "[archive " + value.ArchiveValue().Hash + "]"
	default:
		return value.V
	}
}

// Golden compares text with testdata/<name>.golden of the test's package, or
// accepts it as that file's content. A test passes its own -update flag.
func Golden(t testing.TB, name, got string, accept bool) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if accept {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("reading the golden file (create it with: go test -update): %v", err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s changed (-was +is); if that is meant, run: go test -update\n%s", path, diff)
	}
}
