package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The stacks of this checkout are previewed here as they are, and with each of
// the changes in testdata/changes, which are what hurried pull requests look
// like. Program, engine and policy pack are the real ones. Providers are the
// simulated ones, since a preview that must not need an account, nor a cluster,
// has nobody else to ask.

// account is the one that the stacks on AWS are for.
const account = "111122223333"

// kubeconfig is shaped like the lab's, without its keys.
const kubeconfig = `apiVersion: v1
kind: Config
current-context: slipway-lab
clusters: [{name: slipway-lab, cluster: {server: "https://10.89.0.1:6443"}}]
contexts: [{name: slipway-lab, context: {cluster: slipway-lab, user: admin}}]
users: [{name: admin, user: {token: "not-a-real-token"}}]
`

// compiled is where the copy finds its program.
const compiled = ".slipway/bin/program"

// copied is a copy of the checkout that changes are made in; all tests use the
// same, one after the other. Its program is compiled in the checkout itself,
// with the changed files laid over it, so that only what a change touches is
// compiled for it.
var copied = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(bench.bin), "checkout")
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	list.Dir = bench.checkout
	names, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("listing the checkout: %w", err)
	}
	for _, name := range strings.Split(strings.TrimRight(string(names), "\x00"), "\x00") {
		from, to := filepath.Join(bench.checkout, name), filepath.Join(dir, name)
		info, err := os.Stat(from)
		if os.IsNotExist(err) {
			continue // deleted, and git was not told yet
		}
		if err != nil {
			return "", err
		}
		body, err := os.ReadFile(from)
		if err != nil {
			return "", err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(to, body, info.Mode().Perm()); err != nil {
			return "", err
		}
	}
	project := filepath.Join(dir, "Pulumi.yaml")
	body, err := os.ReadFile(project)
	if err != nil {
		return "", err
	}
	body = bytes.Replace(body, []byte("buildTarget: "+compiled), []byte("binary: "+compiled), 1)
	if err := os.WriteFile(project, body, 0o600); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", filepath.Join(filepath.Dir(bench.bin), "simulated")+"/", "./cmd/pulumi-resource-aws", "./cmd/pulumi-resource-kubernetes")
	build.Dir = bench.checkout
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the simulated providers: %w\n%s", err, out)
	}
	return dir, nil
})

// declared is a stack of the copy, with a backend of its own.
func declared(t *testing.T, name string) *stack {
	t.Helper()
	dir, err := copied()
	require.NoError(t, err)
	state := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(state, "lab"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(state, "lab", "kubeconfig"), []byte(kubeconfig), 0o600))
	s := newStackOf(t, "program")
	s.dir = dir
	for i, variable := range s.env {
		if rest, ok := strings.CutPrefix(variable, "PATH="); ok {
			s.env[i] = "PATH=" + filepath.Join(filepath.Dir(bench.bin), "simulated") + ":" + rest
		}
	}
	s.env = append(s.env,
		"SLIPWAY_STATE="+state, "SLIPWAY_SIMULATION_DIR="+t.TempDir(), "SLIPWAY_SIMULATION_ACCOUNT="+account,
		"SLIPWAY_SIMULATION_IDENTITY=arn:aws:sts::"+account+":assumed-role/slipway-"+name+"-deploy/test",
	)
	return s
}

// compile compiles the stack's program with those files of the copy.
func (s *stack) compile(changed ...string) {
	s.t.Helper()
	replace := map[string]string{}
	for _, name := range changed {
		if filepath.Ext(name) == ".go" {
			replace[filepath.Join(bench.checkout, name)] = filepath.Join(s.dir, name)
		}
	}
	raw, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(s.t, err)
	overlay := filepath.Join(s.t.TempDir(), "overlay.json")
	require.NoError(s.t, os.WriteFile(overlay, raw, 0o600))
	build := exec.Command("go", "build", "-overlay", overlay, "-o", filepath.Join(s.dir, compiled), ".")
	build.Dir = bench.checkout
	out, err := build.CombinedOutput()
	require.NoError(s.t, err, "compiling the program:\n%s", out)
}

var salt = regexp.MustCompile(`(?m)^encryptionsalt: .*$`)

// begin makes the stack and returns a configuration with its salt. The salt does
// not go into the copy.
func (s *stack) begin(name string) string {
	s.t.Helper()
	config := filepath.Join(s.dir, "Pulumi."+name+".yaml")
	before, err := os.ReadFile(config)
	require.NoError(s.t, err)
	s.must("stack", "init", name)
	with, err := os.ReadFile(config)
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(config, before, 0o600))
	used := filepath.Join(s.t.TempDir(), "Pulumi."+name+".yaml")
	require.NoError(s.t, os.WriteFile(used, append(append(bytes.Clone(before), '\n'), salt.Find(with)...), 0o600))
	return used
}

// preview previews the stack as the copy has it, under the policies.
func (s *stack) preview(name string) (string, bool) {
	s.t.Helper()
	return s.run("preview", "--stack", name, "--config-file", s.begin(name), "--policy-pack", pack())
}

// TestStacksPassTheEngine is what the changes are held against: without one,
// nothing stops.
func TestStacksPassTheEngine(t *testing.T) {
	for _, name := range []string{"account", "dev", "local", "prod"} {
		t.Run(name, func(t *testing.T) {
			s := declared(t, name)
			s.compile()
			out, ok := s.preview(name)
			assert.True(t, ok, "the preview failed")
			assert.NotContains(t, out, "[mandatory]")
			assert.Contains(t, out, "slipway@v0.1.0", "the policies were not asked")
		})
	}
}

// files are the names of the files that a change is made to.
func files(patch []byte) []string {
	var names []string
	for _, match := range regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)`).FindAllSubmatch(patch, -1) {
		names = append(names, string(match[1]))
	}
	return names
}

var header = regexp.MustCompile(`(?s)^(.+)\n\nStack: ([a-z]+)\nRule: ([a-z0-9-]+)\n\ndiff `)

// TestBadChangesToTheStacksAreStopped: the rule that a change names stops its
// preview.
func TestBadChangesToTheStacksAreStopped(t *testing.T) {
	patches, err := filepath.Glob(filepath.Join(bench.checkout, "tests", "engine", "testdata", "changes", "*.patch"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(patches), 30)
	for i, patch := range patches {
		if i%every != 0 {
			continue // tests/graph sees to it that it fits
		}
		t.Run(strings.TrimSuffix(filepath.Base(patch), ".patch"), func(t *testing.T) {
			body, err := os.ReadFile(patch)
			require.NoError(t, err)
			said := header.FindSubmatch(body)
			require.NotNil(t, said, "a change begins with what it is for, its stack and the rule that stops it")
			name, id := string(said[2]), string(said[3])
			s := declared(t, name)
			apply := func(args ...string) {
				cmd := exec.Command("git", append([]string{"apply", "-p1"}, append(args, patch)...)...)
				cmd.Dir, cmd.Env = s.dir, append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(s.dir))
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "the change does not fit the sources any more; make it anew:\n%s", out)
			}
			apply()
			defer apply("-R")
			s.compile(files(body)...)
			out, ok := s.preview(name)
			assert.False(t, ok, "the preview passed")
			assert.Contains(t, out, "[mandatory]  "+id+"  (")
		})
	}
}
