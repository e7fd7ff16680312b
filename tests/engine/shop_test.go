package engine

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/rollback"
)

// item is one resource of the shop; see testdata/shop.
type item struct {
	Kind, Name, Keeper, Alias string
	Protect                   bool
	In                        string
	Type                      string         `json:",omitempty"`
	Inputs                    map[string]any `json:",omitempty"`
}

// shop is a checkout in a git repository of its own, with a stack.
type shop struct {
	t     *testing.T
	dir   string
	tools binTools
	stack *platform.Stack
	// salt is the line of a stack's configuration that holds the passphrase's;
	// the local stack keeps it elsewhere.
	salt string
}

// cloud is the stack of a shop whose state is not this machine's.
const cloud = "cloud"

// binTools finds everything in one directory.
type binTools string

func (d binTools) Path(name string) (string, error) {
	path := filepath.Join(string(d), name)
	_, err := os.Stat(path)
	return path, err
}

func (d binTools) Pulumi() (string, []string, error) {
	cli, _ := d.Path("pulumi")
	return cli, []string{
		"PATH=" + string(d) + ":" + os.Getenv("PATH"), "PULUMI_HOME=" + filepath.Join(string(d), "..", "home"),
		"PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES=.*=" + os.Getenv("SLIPWAY_TEST_REGISTRY"),
		"SLIPWAY_CACHE=" + filepath.Join(string(d), "..", "cache"), "NO_COLOR=1",
	}, nil
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := layOutShop(t, binTools(bench.bin))
	s.open(platform.Local)
	return s
}

// newShopIn is a shop with its state in a backend that it is told of, as any
// stack but the local one has it.
func newShopIn(t *testing.T, address string) *shop {
	t.Helper()
	s := layOutShop(t, binTools(bench.bin))
	t.Setenv("PULUMI_BACKEND_URL", address)
	t.Setenv("PULUMI_CONFIG_PASSPHRASE", "correct horse")
	s.file("Pulumi."+cloud+".yaml", "config: {}\n")
	s.open(cloud)
	s.pulumi("stack", "init", cloud)
	written, err := os.ReadFile(filepath.Join(s.dir, "Pulumi."+cloud+".yaml"))
	require.NoError(t, err)
	_, s.salt, _ = strings.Cut(string(written), "encryptionsalt:")
	require.NotEmpty(t, s.salt)
	s.greet("hello")
	return s
}

// open takes one of the checkout's stacks.
func (s *shop) open(name string) {
	s.t.Helper()
	stack, err := platform.OpenStack(s.dir, name, s.tools)
	require.NoError(s.t, err)
	s.stack = stack
	require.NoError(s.t, stack.Prepare(s.t.Context(), testWriter{s.t}))
}

// plain is the plain CLI as a person would run it.
func (s *shop) plain(args ...string) *exec.Cmd {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(string(s.tools), "pulumi"), append([]string{"--non-interactive"}, args...)...)
	exports, err := s.stack.Exports()
	require.NoError(s.t, err)
	cmd.Dir, cmd.Env = s.dir, append(os.Environ(), exports...)
	return cmd
}

func (s *shop) pulumi(args ...string) {
	s.t.Helper()
	out, err := s.plain(args...).CombinedOutput()
	require.NoError(s.t, err, "pulumi %v\n%s", args, out)
}

func layOutShop(t *testing.T, tools binTools) *shop {
	t.Helper()
	s := &shop{t: t, dir: filepath.Join(t.TempDir(), "shop"), tools: tools}
	t.Setenv(paths.StateEnv, t.TempDir())
	t.Setenv("SLIPWAY_TEST_REGISTRY", bench.registry.URL)
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "PULUMI_") {
			t.Setenv(name, "")
			require.NoError(t, os.Unsetenv(name))
		}
	}
	require.NoError(t, os.CopyFS(s.dir, os.DirFS(filepath.Join("testdata", "shop"))))
	for _, name := range []string{"go.mod", "go.sum"} {
		body, err := os.ReadFile(filepath.Join(bench.module, name))
		require.NoError(t, err)
		s.file(name, string(body))
	}
	s.file("Pulumi.yaml", "name: shop\nruntime:\n  name: go\n  options:\n    buildTarget: .slipway/bin/program\n")
	s.file(".gitignore", "/.slipway/\n")
	s.greet("hello")
	s.git("init", "-q", "-b", "main")
	return s
}

// testWriter shows a command's output in the test's log.
type testWriter struct{ t testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}

func (s *shop) file(name, content string) {
	s.t.Helper()
	require.NoError(s.t, os.MkdirAll(filepath.Dir(filepath.Join(s.dir, name)), 0o755))
	require.NoError(s.t, os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600))
}

// greet writes the stack's configuration.
func (s *shop) greet(greeting string) {
	s.t.Helper()
	text := fmt.Sprintf("config:\n  shop:greeting: %q\n", greeting)
	if s.salt == "" {
		s.file("Pulumi.local.yaml", text)
		return
	}
	s.file("Pulumi."+cloud+".yaml", text+"encryptionsalt:"+s.salt)
}

func (s *shop) git(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.test"}, args...)...)
	cmd.Dir = s.dir
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "git %v\n%s", args, out)
	return strings.TrimSpace(string(out))
}

// stock writes what the program declares.
func (s *shop) stock(items ...item) {
	s.t.Helper()
	raw, err := json.Marshal(items)
	require.NoError(s.t, err)
	s.file("shop.json", string(raw))
}

// commit records the checkout as it is.
func (s *shop) commit(message string) string {
	s.t.Helper()
	s.git("add", "-A")
	s.git("commit", "-q", "--allow-empty", "-m", message)
	return s.git("rev-parse", "HEAD")
}

func (s *shop) up() {
	s.t.Helper()
	require.NoError(s.t, s.stack.Prepare(s.t.Context(), testWriter{s.t}))
	require.NoError(s.t, s.stack.Apply(s.t.Context(), testWriter{s.t}, platform.Updating{Doing: "up"}))
}

// release stocks, commits and updates.
func (s *shop) release(message string, items ...item) string {
	s.t.Helper()
	s.stock(items...)
	commit := s.commit(message)
	s.up()
	return commit
}

func (s *shop) outputs() map[string]any {
	s.t.Helper()
	outputs, err := s.stack.Outputs(s.t.Context(), true)
	require.NoError(s.t, err)
	return outputs
}

func (s *shop) history() []history.Entry {
	s.t.Helper()
	b, err := s.stack.Backend(s.t.Context())
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, b.Close()) }()
	h, err := history.Open(s.t.Context(), b)
	require.NoError(s.t, err)
	entries, err := h.Page(s.t.Context(), 0, 0)
	require.NoError(s.t, err)
	return entries
}

// to is a rollback to what find would find.
func (s *shop) to(what string) *rollback.Rollback {
	return &rollback.Rollback{Stack: s.stack, Find: rollback.To(what)}
}

func (s *shop) mustRollBack(r *rollback.Rollback) *rollback.Result {
	s.t.Helper()
	result, err := r.Run(s.t.Context(), testWriter{s.t})
	require.NoError(s.t, err)
	return result
}

// refused runs a rollback that must be refused and change nothing.
func (s *shop) refused(r *rollback.Rollback, want error) string {
	s.t.Helper()
	before, outputs := len(s.history()), s.outputs()
	_, err := r.Run(s.t.Context(), testWriter{s.t})
	require.ErrorIs(s.t, err, want)
	require.Len(s.t, s.history(), before, "a refused rollback has an entry")
	require.Equal(s.t, outputs, s.outputs())
	return err.Error()
}

// importable turns a checkpoint of the backend into what `pulumi stack import`
// takes.
func importable(t *testing.T, checkpoint []byte) []byte {
	t.Helper()
	var file struct {
		Version    int
		Checkpoint struct{ Latest json.RawMessage }
	}
	require.NoError(t, json.Unmarshal(checkpoint, &file))
	raw, err := json.Marshal(map[string]any{"version": file.Version, "deployment": file.Checkpoint.Latest})
	require.NoError(t, err)
	return raw
}
