package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/drift"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/simcloud"
)

// theCLI is built once, when the first test wants it.
var theCLI = sync.OnceValues(func() (string, error) {
	program := filepath.Join(filepath.Dir(bench.bin), "slipway")
	build := exec.Command("go", "build", "-o", program, "./cmd/slipway")
	build.Dir = bench.checkout
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the CLI: %w\n%s", err, out)
	}
	return program, nil
})

// desk is a yard whose checkout the CLI itself works on, as a person or a
// workflow runs it.
type desk struct {
	*yard
	program string
	env     []string
	// applied is what the database says of its migrations.
	applied string
}

// askScript answers for the database that the yard does not have.
const askScript = `#!/bin/sh
case "$*" in
*" get pods "*) echo "data postgres-0" ;;
*" exec "*) cat "$APPLIED" ;;
*) exit 64 ;;
esac
`

func newDesk(t *testing.T) *desk {
	t.Helper()
	program, err := theCLI()
	require.NoError(t, err)
	d := &desk{yard: newYard(t, "0"), program: program, applied: filepath.Join(t.TempDir(), "applied")}
	// The CLI reads the versions of its tools where it works.
	for _, name := range []string{"cmd", "images", "internal", "tools"} {
		require.NoError(t, os.Symlink(filepath.Join(bench.checkout, name), filepath.Join(d.dir, name)))
	}
	d.file(".gitignore", "/.slipway/\n/cmd\n/images\n/internal\n/tools\n")
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "kubectl"), []byte(askScript), 0o700))
	require.NoError(t, os.WriteFile(d.applied, nil, 0o600))
	golang, err := exec.LookPath("go")
	require.NoError(t, err)
	t.Setenv("GITHUB_ACTOR", "octocat")
	// No tools but the yard's, so that the cluster stays a simulated one.
	d.env = append(os.Environ(),
		"PATH="+strings.Join([]string{bin, string(d.tools), filepath.Dir(golang), "/usr/bin", "/bin"}, ":"), "APPLIED="+d.applied,
		"SLIPWAY_CACHE="+bench.cache, "PULUMI_PLUGIN_DOWNLOAD_URL_OVERRIDES=.*="+bench.registry.URL, "NO_COLOR=1")
	return d
}

// greet leaves the lab out of it: the cluster is one that is there.
func (d *desk) greet(greeting string) {
	d.t.Helper()
	d.file("Pulumi.local.yaml", fmt.Sprintf("config:\n  shop:greeting: %q\n  slipway:cluster: {kubeconfig: none}\n", greeting))
}

// run is slipway with arguments; what it printed, what it complained of, and its
// exit code.
func (d *desk) run(args ...string) (stdout, stderr string, code int) {
	d.t.Helper()
	cmd := exec.Command(d.program, args...)
	cmd.Dir, cmd.Env = d.dir, d.env
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	_ = cmd.Run()
	d.t.Logf("slipway %s: exit %d\n%s%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), out.String(), complaint.String())
	return out.String(), complaint.String(), cmd.ProcessState.ExitCode()
}

// ask runs a command that prints JSON.
func ask[T any](d *desk, code int, args ...string) T {
	d.t.Helper()
	out, _, got := d.run(args...)
	require.Equal(d.t, code, got, args)
	var into T
	require.NoError(d.t, json.Unmarshal([]byte(out), &into), out)
	return into
}

// stand are outputs that commands expect of a stack with a database.
var stand = []item{
	{Kind: "output", Name: "databaseName", Inputs: map[string]any{"value": "api"}},
	{Kind: "output", Name: "namespaces", Inputs: map[string]any{"value": []any{"data"}}},
	{Kind: "output", Name: "caCertificate", Inputs: map[string]any{"value": "-----BEGIN CERTIFICATE-----"}},
}

func (d *desk) ship(message, greeting string, items ...item) string {
	d.t.Helper()
	d.greet(greeting)
	return d.release(message, append(items, stand...)...)
}

// The commands themselves, on a stack of the real engine: what they print, and
// the exit codes that scripts and workflows go by.
func TestCommands(t *testing.T) {
	d := newDesk(t)
	first := d.ship("one", "hello", sign, password, settings("page", "hello"))
	d.ship("two", "good evening", sign2, password, settings("page", "hello"))
	copied := filepath.Join(t.TempDir(), "copy")
	for _, tc := range []struct {
		args string
		code int
		// says is in what is printed, or complained of.
		says string
	}{
		{"history --limit -1", 1, "must not be negative"},
		{"history", 0, "octocat@github"},
		{"history show 7", 1, "they go from 1 to 2"},
		{"history prune --last 0", 1, "keep at least one"},
		{"history prune --last 1 --days 0 --weeks 0 --dry-run", 0, "would delete 1 of 2 entries"},
		{"history verify", 0, "2 entries, 0 faults"},
		{"history backup " + copied, 0, "copied"},
		{"history backup " + copied, 1, "it holds files already"},
		{"history restore " + copied, 1, "the stack has a state"},
		{"diff", 1, "accepts between 1 and 2 arg"},
		{"diff 1", 0, "random:index/randomPet:RandomPet sign"},
		{"diff 1 9", 1, "they go from 1 to 2"},
		{"lock", 0, "nobody holds stack local"},
		{"drift", 0, "0 of them not by design"},
		{"rollback", 1, "say where to"},
		{"rollback --to 1 --last-good", 1, "say where to"},
		{"rollback --to 1 --dry-run", 0, "resources change"},
		{"rollback --last-good --dry-run", 0, "resources change"},
		{"update --expect-plan abc", 1, "it would do something else than was previewed"},
		{"update --expect-plan=", 1, "no plan holds it, and nothing was changed"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			out, complaint, code := d.run(strings.Fields(tc.args)...)
			assert.Equal(t, tc.code, code)
			assert.Contains(t, out+complaint, tc.says)
		})
	}
	require.Len(t, d.history(), 2, "one of them wrote something")

	entries := ask[[]map[string]any](d, 0, "history", "--json")
	require.Len(t, entries, 2)
	for key, want := range map[string]any{
		"number": 2.0, "kind": "update", "result": "succeeded", "message": "two", "who": "Ada", "tree": "clean",
		"providers": map[string]any{"random": "4.21.2", "kubernetes": ""},
	} {
		assert.Equal(t, want, entries[0][key], key)
	}
	shown := ask[map[string]any](d, 0, "history", "show", first)
	assert.Equal(t, "hello", shown["settings"].(map[string]any)["shop:greeting"])
	assert.Contains(t, shown["providers"], "random")
	assert.Empty(t, ask[[]history.Fault](d, 0, "history", "verify", "--json"))
	var changed []string
	for _, r := range ask[[]map[string]any](d, 0, "diff", "1", "2", "--json") {
		changed = append(changed, fmt.Sprint(r["change"], " ", r["name"]))
	}
	assert.Contains(t, changed, "replaced sign")
	report := ask[drift.Report](d, 0, "drift", "--json")
	assert.Empty(t, report.Differences)
	assert.Positive(t, report.Looked)
}

// Exit code 2 is for what differs, and JSON says what.
func TestDriftCommand(t *testing.T) {
	d := newDesk(t)
	d.ship("one", "hello", settings("page", "hello"))
	require.NoError(t, d.world.Do(func(tx *simcloud.Tx) error {
		for _, thing := range tx.All("kubernetes:core/v1:ConfigMap") {
			tx.Remove(thing)
		}
		return nil
	}))
	report := ask[drift.Report](d, 2, "drift", "--json")
	require.Len(t, report.Differences, 1)
	require.Equal(t, "page", report.Differences[0].Name)
	_, _, code := d.run("drift", "--fix")
	require.Zero(t, code)
	require.Empty(t, ask[drift.Report](d, 0, "drift", "--json").Differences)
}

// Only the locks of the dead are broken.
func TestLockCommand(t *testing.T) {
	d := newDesk(t)
	d.ship("one", "hello", sign)
	files, err := d.stack.Backend(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, files.Close()) }()
	host, err := os.Hostname()
	require.NoError(t, err)
	const since = `"timestamp":"2026-01-02T03:04:05Z"}`
	dead := files.LockDir() + "/dead.json"
	require.NoError(t, files.Write(t.Context(), dead, []byte(`{"pid":4194305,"username":"ada","hostname":"`+host+`",`+since)))
	locks := ask[[]map[string]any](d, 0, "lock", "--json")
	require.Len(t, locks, 1)
	require.Equal(t, "dead", locks[0]["life"])
	_, _, code := d.run("lock", "--break")
	require.Zero(t, code)
	require.Empty(t, ask[[]any](d, 0, "lock", "--json"))

	require.NoError(t, files.Write(t.Context(), dead, []byte(`{"pid":1,"username":"bob","hostname":"elsewhere",`+since)))
	_, complaint, code := d.run("lock", "--break")
	require.Equal(t, 1, code)
	require.Contains(t, complaint, "bob@elsewhere")
	require.Len(t, ask[[]any](d, 0, "lock", "--json"), 1)
}

// A comment, its file and its hash: the update that keeps to it is let through,
// a preview that fails leaves no hash, and no secret is in either.
func TestPreviewCommand(t *testing.T) {
	d := newDesk(t)
	d.ship("one", "hello", sign, password)
	secret := fmt.Sprint(d.outputs()["password"])
	out := filepath.Join(t.TempDir(), "preview")
	hash := filepath.Join(out, "local.hash")
	d.stock(append([]item{sign2, password}, stand...)...)
	comment, _, code := d.run("preview", "--markdown", "--out", out)
	require.Zero(t, code)
	require.Contains(t, comment, "| local | interrupts | 0 | 1 |")
	planned, err := os.ReadFile(hash)
	require.NoError(t, err)
	require.Contains(t, comment, strings.TrimSpace(string(planned)))
	whole, err := os.ReadFile(filepath.Join(out, "local.txt"))
	require.NoError(t, err)
	require.Contains(t, string(whole), `keepers.keeper: "1" => "2"`, "the file has no values")
	require.NotContains(t, string(whole), secret)

	// The program tells what it was given.
	d.stock(append([]item{sign2, password, {Kind: secret, Name: "odd"}}, stand...)...)
	comment, complaint, code := d.run("preview", "--markdown", "--out", out)
	require.Equal(t, 1, code, "a preview that failed is taken for a plan")
	require.Contains(t, comment, "the preview failed")
	require.Contains(t, comment, "there is no kind")
	require.NoFileExists(t, hash)
	whole, err = os.ReadFile(filepath.Join(out, "local.txt"))
	require.NoError(t, err)
	require.Contains(t, string(whole), "there is no kind")
	for _, text := range []string{comment, complaint, string(whole)} {
		require.NotContains(t, text, secret)
	}

	d.stock(append([]item{sign2, password}, stand...)...)
	_, _, code = d.run("update", "--expect-plan", strings.TrimSpace(string(planned)))
	require.Zero(t, code)
	require.Equal(t, "octocat@github", d.history()[0].RanBy)
	require.FileExists(t, filepath.Join(d.dir, ".slipway", "local", "ca.crt"))
}

// The command of a rollback asks the database, wherever its answer comes from.
func TestRollbackCommandAsksTheSchema(t *testing.T) {
	d := newDesk(t)
	d.ship("one", "hello", sign)
	d.ship("two", "hello", sign2)
	require.NoError(t, os.WriteFile(d.applied, []byte("1|items|contract|abc\n"), 0o600))
	_, complaint, code := d.run("rollback", "--to", "1", "--dry-run")
	require.Equal(t, 1, code)
	require.Contains(t, complaint, "the database's schema cannot go back: 0001_items took away what that version may use")
}
