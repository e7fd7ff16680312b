package componenttest

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ProviderName is the logical name of the provider that Provider declares.
const ProviderName = "test-kubernetes"

// Provider declares a Kubernetes provider as a stack would, and returns the
// option that hands it to a component.
func Provider(ctx *pulumi.Context) (pulumi.ResourceOption, error) {
	provider, err := kubernetes.NewProvider(ctx, ProviderName, &kubernetes.ProviderArgs{
		Kubeconfig: pulumi.ToSecret(pulumi.String("test")).(pulumi.StringOutput),
	})
	if err != nil {
		return nil, err
	}
	return pulumi.Providers(provider), nil
}

// RequireOwned fails for every resource that a component of ours does not own
// or that would use a default provider.
func (g *Graph) RequireOwned(t testing.TB) {
	t.Helper()
	for _, node := range g.Nodes() {
		if node.RegisterRPC == nil || !node.Custom || strings.HasPrefix(node.TypeToken, "pulumi:") {
			continue // reads, components and providers
		}
		if node.RegisterRPC.GetProvider() == "" {
			t.Errorf("%s %q would use a default provider", node.TypeToken, node.Name)
		}
		if !strings.HasPrefix(node.Parent(), "slipway:") {
			t.Errorf("%s %q sits under %q, not under a component of ours", node.TypeToken, node.Name, node.Parent())
		}
	}
}

// RequireNames fails for every resource below a component that is not called
// "<component>-<role>": an alias on a renamed component rewrites that prefix,
// and only that prefix, in its children.
func (g *Graph) RequireNames(t testing.TB, component string) {
	t.Helper()
	for _, node := range g.Nodes() {
		if node.Parent() == "" {
			continue
		}
		if !strings.HasPrefix(node.Name, component+"-") {
			t.Errorf("%s %q is not named %s-<role>", node.TypeToken, node.Name, component)
		}
	}
}

// sensitive matches input names whose value must never be readable in state.
var sensitive = regexp.MustCompile(`(?i)^(password|.*[^a-z]password|token|kubeconfig|privatekey|secretkey)$`)

// RequireSecrets fails for every sensitive input, at any depth, that is sent in
// the clear: the data of a Secret, and anything named like a password, token,
// kubeconfig or private key. References to secrets are names and pass.
func (g *Graph) RequireSecrets(t testing.TB) {
	t.Helper()
	for _, node := range g.Nodes() {
		for _, path := range exposed("", resource.NewProperty(node.Inputs)) {
			t.Errorf("%s %q sends %s in the clear", node.TypeToken, node.Name, path)
		}
		if node.TypeToken != "kubernetes:core/v1:Secret" {
			continue
		}
		for _, key := range []resource.PropertyKey{"data", "stringData"} {
			if data, found := node.Inputs[key]; found && !concealed(data) {
				t.Errorf("%s %q sends %s in the clear", node.TypeToken, node.Name, key)
			}
		}
	}
}

// exposed returns the paths of readable values with a sensitive name.
func exposed(at string, value resource.PropertyValue) []string {
	var paths []string
	switch {
	case value.IsObject():
		for key, inner := range value.ObjectValue() {
			path := strings.TrimPrefix(at+"."+string(key), ".")
			// Only text can give something away: a privateKey that is an object
			// describes a key.
			if sensitive.MatchString(string(key)) && inner.IsString() {
				paths = append(paths, path)
				continue
			}
			paths = append(paths, exposed(path, inner)...)
		}
	case value.IsArray():
		for i, inner := range value.ArrayValue() {
			paths = append(paths, exposed(at+"["+strconv.Itoa(i)+"]", inner)...)
		}
	}
	return paths
}

// concealed reports whether every leaf of a value is secret.
func concealed(value resource.PropertyValue) bool {
	switch {
	case value.IsSecret():
		return true
	case value.IsOutput():
		return value.OutputValue().Secret
	case value.IsObject():
		for _, inner := range value.ObjectValue() {
			if !concealed(inner) {
				return false
			}
		}
		return len(value.ObjectValue()) > 0
	case value.IsArray():
		for _, inner := range value.ArrayValue() {
			if !concealed(inner) {
				return false
			}
		}
		return len(value.ArrayValue()) > 0
	default:
		return false
	}
}

// releaseLabels change from one release to the next.
var releaseLabels = []string{"app.kubernetes.io/version", "helm.sh/chart", "version"}

// RequireStableSelectors fails for every workload whose immutable selector
// holds a label that a release changes, which would replace the workload.
func (g *Graph) RequireStableSelectors(t testing.TB) {
	t.Helper()
	for _, node := range g.Of("kubernetes:apps/v1:") {
		for _, label := range releaseLabels {
			if _, found := node.Path(`spec.selector.matchLabels["` + label + `"]`); found {
				t.Errorf("%s %q selects by %s: every release would replace it", node.TypeToken, node.Name, label)
			}
		}
	}
}
