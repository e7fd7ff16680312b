package engine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/example"
	"slipway.dev/slipway/policies/rule"
)

// objects is a stack of the Kubernetes objects of the example platform, after
// change was made to it, with this checkout's policy pack.
func objects(t testing.TB, s *rule.Stack) *stack {
	t.Helper()
	plugin, err := findTool(bench.checkout, "pulumi-resource-kubernetes")
	require.NoError(t, err)
	link := filepath.Join(bench.bin, "pulumi-resource-kubernetes")
	if _, err := os.Lstat(link); err != nil {
		require.NoError(t, os.Symlink(plugin, link))
	}
	type declared struct {
		Type   string         `json:"type"`
		Name   string         `json:"name"`
		Inputs map[string]any `json:"inputs"`
	}
	var list []declared
	for _, r := range s.Resources {
		if r.IsKubernetes() {
			list = append(list, declared{r.Type, strings.ReplaceAll(r.ID(), "/", "-"), r.Properties()})
		}
	}
	raw, err := json.Marshal(list)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "resources.json")
	require.NoError(t, os.WriteFile(file, raw, 0o600))
	made := newStackOf(t, "objects")
	made.set("resources", file)
	made.set("directory", t.TempDir())
	return made
}

func pack() string { return filepath.Join(bench.checkout, "policies") }

func TestExamplePlatformPassesThePack(t *testing.T) {
	platform, err := example.Platform()
	require.NoError(t, err)
	s := objects(t, platform)
	out := s.must("preview", "--policy-pack", pack())
	assert.NotContains(t, out, "[mandatory]")
	assert.NotContains(t, out, "undecided")
	out = s.up("--policy-pack", pack())
	assert.NotContains(t, out, "[mandatory]")
	assert.Contains(t, out, "slipway@v0.1.0")
	// The word that is drawn is of a type that no rule knows.
	assert.Regexp(t, `\d+ rules were held against \d+ resources; no rule is about the other 1, which are of 1 types`, out)
}

// TestAPanickingRuleStopsAnUpdateAndOthersAreAsked: the engine hears which rule
// broke and what the others found, and nobody hears a secret.
func TestAPanickingRuleStopsAnUpdateAndOthersAreAsked(t *testing.T) {
	const secret = "hunter22"
	catalogued := filepath.Join("catalogue", "catalogue.go")
	body, err := os.ReadFile(filepath.Join(pack(), catalogued))
	require.NoError(t, err)
	const last = "cloud.Rules(),\n"
	require.Equal(t, 1, strings.Count(string(body), last))
	broken := strings.Replace(string(body), last, `cloud.Rules(),
		rule.Group("test", &rule.Rule{ID: "breaks", Types: []string{rule.ClusterRoleBinding}, Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
			panic("cannot bear " + r.Text("metadata", "annotations", "password"))
		}}),
`, 1)
	policies := packWith(t, catalogued, broken)
	binding := func(name, role, password string) *rule.Resource {
		r, err := rule.New(rule.ClusterRoleBinding, name, map[string]any{
			"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
			"metadata": map[string]any{"name": name, "annotations": map[string]any{"password": password}},
			"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
			"subjects": []any{map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "somebody"}},
		})
		require.NoError(t, err)
		return r
	}
	s := objects(t, rule.NewStack("test", binding("open", "cluster-admin", "none"), binding("hidden", "@hidden cluster-admin", "@hidden "+secret)))
	for _, args := range [][]string{{"preview"}, {"up", "--yes", "--skip-preview"}} {
		out, ok := s.run(append(args, "--policy-pack", policies)...)
		assert.False(t, ok, "%v passed", args)
		assert.Contains(t, out, "rule breaks panicked on it, which counts as a failure")
		assert.Contains(t, out, "[mandatory]  no-cluster-admin  (")
		// An update stops at the first binding, whichever the engine takes first.
		if args[0] == "preview" {
			assert.Contains(t, out, "rule breaks panicked on it, which counts as a failure: cannot bear none")
			assert.Contains(t, out, "rule breaks panicked on it, which counts as a failure; the resource holds a secret, so the cause is not shown")
		}
		assert.NotContains(t, out, secret)
	}
}

// TestBadChangesAreStoppedByTheEngine: the pack stops an update, and says which
// rule did. Rules about single resources stop it before the resource is made.
func TestBadChangesAreStoppedByTheEngine(t *testing.T) {
	for _, id := range []string{"not-privileged", "image-not-latest", "no-secrets-from-env", "pdb-present", "weights-sum", "patroni-ttl", "no-cluster-admin"} {
		t.Run(id, func(t *testing.T) {
			one := catalogue.Find(id)
			require.NotNil(t, one)
			broken, err := example.Broken(one.Example)
			require.NoError(t, err)
			s := objects(t, broken)
			out, ok := s.run("preview", "--policy-pack", pack())
			assert.False(t, ok, "the preview passed")
			assert.Contains(t, out, "[mandatory]  "+id+"  (")
			out, ok = s.run("up", "--yes", "--skip-preview", "--policy-pack", pack())
			assert.False(t, ok, "the update passed")
			assert.Contains(t, out, "[mandatory]  "+id+"  (")
		})
	}
}

// TestUnknownIsUndecidedAndAskedAgain: what a preview does not know is listed,
// and stops the update once it is known and wrong.
func TestUnknownIsUndecidedAndAskedAgain(t *testing.T) {
	platform, err := example.Platform()
	require.NoError(t, err)
	for i, r := range platform.Resources {
		if r.ID() == "Deployment/shop/web" {
			platform.Resources[i], err = r.With("spec.template.spec.containers[0].image", "@pet.example.test/web:1.0")
			require.NoError(t, err)
		}
	}
	s := objects(t, platform)
	out := s.must("preview", "--policy-pack", pack())
	assert.Contains(t, out, "undecided until the update: Deployment/shop/web")
	assert.Contains(t, out, "image-registry")
	out, ok := s.run("up", "--yes", "--skip-preview", "--policy-pack", pack())
	assert.False(t, ok)
	assert.Regexp(t, `\[mandatory\].*image-registry`, out)
}

// packWith is a copy of the policy pack in which a file is another.
func packWith(t *testing.T, name, text string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "checkout")
	require.NoError(t, os.CopyFS(filepath.Join(dir, "policies"), os.DirFS(pack())))
	for _, file := range []string{"go.mod", "go.sum"} {
		raw, err := os.ReadFile(filepath.Join(bench.checkout, file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, file), raw, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "policies", name), []byte(text), 0o600))
	return filepath.Join(dir, "policies")
}

// badPolicies are files that the pack cannot go by, and what must be said.
var badPolicies = map[string]struct{ name, text, want string }{
	"unknown level":  {"settings.yaml", "levels:\n  not-privileged: strict\n", `settings.yaml:2: levels.not-privileged: "strict" is no enforcement level`},
	"unknown limit":  {"settings.yaml", "limits:\n  maxLogDay: 3\n", "settings.yaml:2: limits.maxLogDay: there is no such limit"},
	"unowned waiver": {"waivers.yaml", "waivers:\n- rule: not-privileged\n  resource: Deployment/a/b\n  reason: x\n  expires: 2027-01-01\n", "waivers.yaml:2: owner is missing"},
	"misspelt key":   {"waivers.yaml", "waivers:\n- rule: not-privileged\n  resuorce: Deployment/a/b\n", "waivers.yaml:3: field resuorce not found"},
}

// TestBadFilesStopThePack: a pack that cannot read what it goes by stops the
// update, with the file and the line.
func TestBadFilesStopThePack(t *testing.T) {
	platform, err := example.Platform()
	require.NoError(t, err)
	s := objects(t, platform)
	for title, bad := range badPolicies {
		t.Run(title, func(t *testing.T) {
			s.t = t
			out, ok := s.run("preview", "--policy-pack", packWith(t, bad.name, bad.text))
			assert.False(t, ok)
			assert.Contains(t, out, bad.want)
		})
	}
}

// TestBadFilesStopARollback: it is held to today's policies, and when those
// cannot be read nothing is rolled back.
func TestBadFilesStopARollback(t *testing.T) {
	s := newShop(t)
	s.release("one", sign)
	s.release("two", sign2)
	before := s.outputs()
	for title, bad := range badPolicies {
		t.Run(title, func(t *testing.T) {
			r := s.to("1")
			r.Policies = []string{packWith(t, bad.name, bad.text)}
			_, err := r.Run(t.Context(), testWriter{t})
			require.ErrorContains(t, err, bad.want)
			assert.Equal(t, before, s.outputs())
			assert.Len(t, s.history(), 2)
		})
	}
}
