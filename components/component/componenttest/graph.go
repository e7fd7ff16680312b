// Package componenttest runs a program without an engine, records every
// resource it registers, and answers questions about the recording.
//
// A recording shows what the engine would be sent. Alias inheritance,
// autonaming and provider denial live in the engine and are not in it.
package componenttest

import (
	"cmp"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Project and Stack name the run in URNs.
const (
	Project = "slipway"
	Stack   = "test"
)

// defaultPatience bounds one run. A program without an engine takes
// milliseconds; one that waits for a value that a preview does not have never
// ends.
const defaultPatience = 30 * time.Second

// Graph records what a program registers.
type Graph struct {
	// Fresh behaves like the first preview of a new stack: no resource has an
	// ID and nothing that a provider computes is known.
	Fresh bool
	// StackName is what the stack is called; empty means Stack.
	StackName string
	// Config is the stack configuration, with full keys such as
	// "slipway:api". SecretKeys lists those of them that are secret.
	Config     map[string]string
	SecretKeys []string
	// Computed returns what a provider would add to a resource's inputs, such
	// as the result of a random password. It is not asked when Fresh. Nil adds
	// nothing.
	Computed func(pulumi.MockResourceArgs) resource.PropertyMap
	// Drawn returns values that are known even when Fresh. It is for secrets that
	// a provider computes: the SDK's mocks cannot hold a value that is secret and
	// unknown at once. Nil adds nothing.
	Drawn func(pulumi.MockResourceArgs) resource.PropertyMap
	// Answer replies to a lookup. Nil answers with its own arguments.
	Answer func(pulumi.MockCallArgs) (resource.PropertyMap, error)
	// Patience bounds the run; zero means 30 s, plenty for a busy machine.
	Patience time.Duration

	mu    sync.Mutex
	nodes []Node
}

// Node is one registered resource.
type Node struct{ pulumi.MockResourceArgs }

// Parent is the type token of the component the node belongs to, without the
// types above it; empty at the top of the stack.
func (n Node) Parent() string {
	urn := resource.URN(n.RegisterRPC.GetParent())
	if urn == "" || urn.QualifiedType() == resource.RootStackType {
		return ""
	}
	return string(urn.Type())
}

// Path looks up an input by property path, such as
// "spec.template.spec.containers[0].image". The second result says whether the
// path exists; secrets and outputs on the way are opened.
func (n Node) Path(path string) (resource.PropertyValue, bool) {
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil {
		return resource.PropertyValue{}, false
	}
	value := resource.NewProperty(n.Inputs)
	for _, step := range parsed {
		value = opened(value)
		switch key := step.(type) {
		case string:
			if !value.IsObject() {
				return resource.PropertyValue{}, false
			}
			next, ok := value.ObjectValue()[resource.PropertyKey(key)]
			if !ok {
				return resource.PropertyValue{}, false
			}
			value = next
		case int:
			if !value.IsArray() || key >= len(value.ArrayValue()) {
				return resource.PropertyValue{}, false
			}
			value = value.ArrayValue()[key]
		}
	}
	return opened(value), true
}

// Text is the string at path, or "" when there is none.
func (n Node) Text(path string) string {
	if value, ok := n.Path(path); ok && value.IsString() {
		return value.StringValue()
	}
	return ""
}

// Number is the number at path, or -1 when there is none.
func (n Node) Number(path string) float64 {
	if value, ok := n.Path(path); ok && value.IsNumber() {
		return value.NumberValue()
	}
	return -1
}

func opened(value resource.PropertyValue) resource.PropertyValue {
	for {
		switch {
		case value.IsSecret():
			value = value.SecretValue().Element
		case value.IsOutput() && value.OutputValue().Known:
			value = value.OutputValue().Element
		default:
			return value
		}
	}
}

// NewResource records one registration.
func (g *Graph) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	g.mu.Lock()
	g.nodes = append(g.nodes, Node{args})
	g.mu.Unlock()
	state := args.Inputs.Copy()
	if g.Drawn != nil {
		maps.Copy(state, g.Drawn(args))
	}
	if g.Fresh {
		return "", state, nil
	}
	if g.Computed != nil {
		maps.Copy(state, g.Computed(args))
	}
	return args.Name + "-id", state, nil
}

// Call answers a lookup.
func (g *Graph) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	if g.Answer != nil {
		return g.Answer(args)
	}
	return args.Args, nil
}

// Try declares program and returns its error. It fails the test, rather than
// hang, when the program waits for a value that a preview does not have.
func (g *Graph) Try(t testing.TB, program pulumi.RunFunc) error {
	t.Helper()
	patience := g.Patience
	if patience == 0 {
		patience = defaultPatience
	}
	done := make(chan error, 1)
	go func() {
		done <- pulumi.RunErr(program,
			pulumi.WithMocks(Project, cmp.Or(g.StackName, Stack), g),
			func(info *pulumi.RunInfo) {
				info.DryRun = g.Fresh
				info.Config = g.Config
				info.ConfigSecretKeys = g.SecretKeys
			})
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(patience):
		t.Fatal("the program is waiting for a value that a preview does not have")
		return nil
	}
}

// Run declares program and fails the test on an error.
func (g *Graph) Run(t testing.TB, program pulumi.RunFunc) {
	t.Helper()
	if err := g.Try(t, program); err != nil {
		t.Fatal(err)
	}
}

// Both runs program once as an update and once as the first preview of a new
// stack, and lets check question each recording in a subtest of its own.
func Both(t *testing.T, program pulumi.RunFunc, check func(t *testing.T, g *Graph)) {
	t.Helper()
	for name, fresh := range map[string]bool{"update": false, "first preview": true} {
		t.Run(name, func(t *testing.T) {
			g := &Graph{Fresh: fresh}
			g.Run(t, program)
			check(t, g)
		})
	}
}

// Nodes returns what was registered so far, in order of registration, which
// differs from run to run where resources do not depend on each other.
func (g *Graph) Nodes() []Node {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]Node(nil), g.nodes...)
}

// Of returns the nodes of a type. A token that ends in ":" or "/" matches by
// prefix.
func (g *Graph) Of(token string) []Node {
	var found []Node
	for _, node := range g.Nodes() {
		prefix := strings.HasSuffix(token, ":") || strings.HasSuffix(token, "/")
		if node.TypeToken == token || prefix && strings.HasPrefix(node.TypeToken, token) {
			found = append(found, node)
		}
	}
	return found
}

// One returns the resource of a type with a logical name, and fails the test
// when there is none or more than one.
func (g *Graph) One(t testing.TB, token, name string) Node {
	t.Helper()
	var found []Node
	for _, node := range g.Of(token) {
		if node.Name == name {
			found = append(found, node)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s %q is declared %d times, want once; declared are:\n%s", token, name, len(found), g.List())
	}
	return found[0]
}

// Has reports whether a resource of a type with a logical name exists.
func (g *Graph) Has(token, name string) bool {
	for _, node := range g.Of(token) {
		if node.Name == name {
			return true
		}
	}
	return false
}
