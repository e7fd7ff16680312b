package engine

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// bench is what all tests share: plugins built from this checkout, the pulumi
// command, and a module outside the checkout with the program and the pack.
var bench struct {
	bin, module, cache, checkout string
	registry                     *registry
}

// registry stands where plugins would be downloaded from. It has none, and
// remembers what it was asked for.
type registry struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newRegistry() *registry {
	r := &registry{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.asked = append(r.asked, req.URL.Path)
		http.NotFound(w, req)
	}))
	return r
}

// requests are the paths asked for so far.
func (r *registry) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(rollbackEnv); dir != "" {
		rollBackAndExit(dir)
	}
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine tests:", err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	root, err := os.MkdirTemp("", "slipway-engine-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(root) }()
	bench.bin, bench.module, bench.cache = filepath.Join(root, "bin"), filepath.Join(root, "module"), filepath.Join(root, "cache")

	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return 0, err
	}
	bench.checkout = checkout
	pulumi, err := findPulumi(checkout)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(bench.bin, 0o755); err != nil {
		return 0, err
	}
	if err := os.Symlink(pulumi, filepath.Join(bench.bin, "pulumi")); err != nil {
		return 0, err
	}
	build := exec.Command("go", "build", "-o", bench.bin, "./cmd/pulumi-language-go", "./cmd/pulumi-resource-random")
	build.Dir = checkout
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the plugins: %w\n%s", err, out)
	}
	if err := writeModule(checkout, bench.module); err != nil {
		return 0, err
	}
	bench.registry = newRegistry()
	defer bench.registry.Close()
	return m.Run(), nil
}

// writeModule makes a module of testdata with the versions of the checkout's
// go.mod, but without SDKs whose plugins these tests do not have: the engine
// would try to download them.
func writeModule(checkout, dir string) error {
	if err := os.CopyFS(dir, os.DirFS("testdata")); err != nil {
		return fmt.Errorf("copying the program: %w", err)
	}
	body, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	if err != nil {
		return err
	}
	mod, err := modfile.Parse("go.mod", body, nil)
	if err != nil {
		return err
	}
	if err := mod.AddModuleStmt("example.test/engine"); err != nil {
		return err
	}
	for _, required := range mod.Require {
		if strings.HasPrefix(required.Mod.Path, "github.com/pulumi/pulumi-") && !strings.Contains(required.Mod.Path, "pulumi-random") {
			if err := mod.DropRequire(required.Mod.Path); err != nil {
				return err
			}
		}
	}
	mod.Cleanup()
	if body, err = mod.Format(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), body, 0o600); err != nil {
		return err
	}
	sums, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600)
}

// stack is one stack of the program, with a backend and a Pulumi home of its
// own.
type stack struct {
	t       testing.TB
	dir     string
	backend string
	env     []string
}

func newStack(t *testing.T) *stack {
	t.Helper()
	return newStackOf(t, "program")
}

// newStackOf is newStack for another of the programs in testdata.
func newStackOf(t testing.TB, program string) *stack {
	t.Helper()
	s := &stack{t: t, dir: t.TempDir(), backend: t.TempDir()}
	// A copy per test, because the stack's configuration lies beside the
	// program. The module's directory decides where it is compiled to, so the
	// program itself stays where it is and the project points to it.
	project, err := os.ReadFile(filepath.Join(bench.module, program, "Pulumi.yaml"))
	require.NoError(t, err)
	project = append(project, "main: "+filepath.Join(bench.module, program)+"\n"...)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "Pulumi.yaml"), project, 0o600))
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); !strings.HasPrefix(name, "PULUMI_") && name != "PATH" {
			s.env = append(s.env, variable)
		}
	}
	goTool, err := exec.LookPath("go")
	require.NoError(t, err)
	s.env = append(s.env,
		"PATH="+bench.bin+":"+filepath.Dir(goTool)+":/usr/bin:/bin",
		"PULUMI_HOME="+t.TempDir(),
		"PULUMI_BACKEND_URL=file://"+s.backend,
		"PULUMI_CONFIG_PASSPHRASE=correct horse",
		"PULUMI_SKIP_UPDATE_CHECK=true",
		"PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES=.*="+bench.registry.URL,
		"SLIPWAY_CACHE="+bench.cache,
		"NO_COLOR=1",
	)
	s.must("stack", "init", "test")
	return s
}

// command is pulumi with the stack's environment.
func (s *stack) command(args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bench.bin, "pulumi"), append([]string{"--non-interactive"}, args...)...)
	cmd.Dir, cmd.Env = s.dir, s.env
	return cmd
}

// run returns what pulumi said and whether it succeeded.
func (s *stack) run(args ...string) (string, bool) {
	s.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	s.t.Logf("pulumi %s\n%s", strings.Join(args, " "), out)
	return string(out), err == nil
}

func (s *stack) must(args ...string) string {
	s.t.Helper()
	out, ok := s.run(args...)
	require.True(s.t, ok, "pulumi %s failed:\n%s", strings.Join(args, " "), out)
	return out
}

func (s *stack) set(key, value string) {
	s.t.Helper()
	s.must("config", "set", key, "--", value)
}

func (s *stack) up(args ...string) string {
	s.t.Helper()
	return s.must(append([]string{"up", "--yes", "--skip-preview"}, args...)...)
}

// changes is what the last update did, such as {"create": 10}.
func (s *stack) changes() map[string]int {
	s.t.Helper()
	var history []struct{ ResourceChanges map[string]int }
	s.decode(&history, "stack", "history", "--json")
	require.NotEmpty(s.t, history)
	return history[0].ResourceChanges
}

// outputs are the stack's outputs in the clear.
func (s *stack) outputs() map[string]any {
	s.t.Helper()
	var outputs map[string]any
	s.decode(&outputs, "stack", "output", "--json", "--show-secrets")
	return outputs
}

// resources are the names of the stack's own resources of the random package.
func (s *stack) resources() []string {
	s.t.Helper()
	var state struct {
		Deployment struct{ Resources []struct{ URN, Type string } }
	}
	s.decode(&state, "stack", "export")
	var names []string
	for _, r := range state.Deployment.Resources {
		if strings.HasPrefix(r.Type, "random:") {
			names = append(names, r.URN[strings.LastIndex(r.URN, ":")+1:])
		}
	}
	return names
}

func (s *stack) decode(into any, args ...string) {
	s.t.Helper()
	out, err := s.command(args...).Output()
	require.NoError(s.t, err, "pulumi %s", strings.Join(args, " "))
	require.NoError(s.t, json.Unmarshal(out, into), "%s", out)
}

// diagnostics is the part of an update's output that sums up what was said.
func diagnostics(t *testing.T, out string) string {
	t.Helper()
	_, after, found := strings.Cut(out, "Diagnostics:")
	require.True(t, found, out)
	summary, _, _ := strings.Cut(after, "Resources:")
	return summary
}
