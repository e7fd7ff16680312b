// Package workflows holds the continuous integration's workflows to what they
// promise, and runs every command in them, in order and with the shell that
// GitHub uses, beside a make that notes what it is asked for. What the targets
// do is tested where they are.
package workflows

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"
)

const root = "../.."

type workflow struct {
	Permissions *yaml.Node
	Jobs        map[string]job
}

type job struct {
	If          string
	Needs       string
	Environment string
	Permissions map[string]string
	Env         map[string]string
	Outputs     map[string]string
	Strategy    struct{ Matrix map[string][]string }
	Timeout     int `yaml:"timeout-minutes"`
	Steps       []step
}

// TestIdentitiesAreGuarded: a role of the account is taken only where GitHub
// guards an environment, or a role that only reads, by what was reviewed: either
// can be made to show what the state hides. What a pull request runs nobody has
// read yet, so it takes none.
func TestIdentitiesAreGuarded(t *testing.T) {
	for name, w := range read(t) {
		for id, j := range w.Jobs {
			for _, s := range j.Steps {
				if !strings.HasPrefix(s.Uses, "aws-actions/configure-aws-credentials@") {
					continue
				}
				assert.NotEqual(t, "preview.yaml", name, "%s: the code of a pull request gets an identity", id)
				role := s.With["role-to-assume"]
				if strings.Contains(role, "SLIPWAY_DRIFT_ROLE") {
					assert.Contains(t, j.If, "github.ref == 'refs/heads/main'", "%s of %s takes %s for any branch", id, name, role)
					assert.Empty(t, j.Environment, "the token of an environment's run does not name the branch that %s trusts", role)
					continue
				}
				assert.NotEmpty(t, j.Environment, "%s of %s takes %s without an environment", id, name, role)
			}
			if name == "preview.yaml" {
				assert.NotContains(t, j.Permissions, "id-token", id)
			}
		}
	}
}

// TestDriftWaitsForNobody: every night, with a role that only reads.
func TestDriftWaitsForNobody(t *testing.T) {
	for id, j := range read(t)["drift.yaml"].Jobs {
		assert.Empty(t, j.Environment, "%s waits for approval", id)
		var roles []string
		for _, s := range j.Steps {
			if role := s.With["role-to-assume"]; role != "" {
				roles = append(roles, role)
			}
		}
		assert.Equal(t, []string{"${{ vars[format('SLIPWAY_DRIFT_ROLE_{0}', matrix.stack)] }}"}, roles)
	}
}

type step struct {
	ID, Name, Uses, Run, If string
	Env                     map[string]string
	With                    map[string]string
}

func read(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]workflow{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var w workflow
		require.NoError(t, yaml.Unmarshal(raw, &w), file)
		all[filepath.Base(file)] = w
	}
	return all
}

func TestThereIsAWorkflowForEach(t *testing.T) {
	require.Equal(t, []string{"bench.yaml", "build.yaml", "ci.yaml", "deploy.yaml", "drift.yaml", "judges.yaml", "preview.yaml"}, slices.Sorted(maps.Keys(read(t))))
}

// A tag of somebody else's action can be moved; a commit cannot.
var pinned = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40}$`)

func TestWorkflowsAreNarrow(t *testing.T) {
	for name, w := range read(t) {
		t.Run(name, func(t *testing.T) {
			require.NotNil(t, w.Permissions, "without a word a workflow may write")
			raw, err := os.ReadFile(filepath.Join(root, ".github", "workflows", name))
			require.NoError(t, err)
			assert.NotContains(t, string(raw), "secrets.", "no key that outlives a run")
			assert.NotContains(t, string(raw), "pull_request_target", "a fork's code would run with the repository's rights")
			for id, j := range w.Jobs {
				assert.Positive(t, j.Timeout, "%s has no limit", id)
				for permission, level := range j.Permissions {
					if level == "write" {
						assert.Contains(t, []string{"id-token", "pull-requests", "attestations"}, permission, id)
					}
				}
				for _, s := range j.Steps {
					if s.Uses == "" {
						continue
					}
					assert.Regexp(t, pinned, s.Uses, id)
					assert.Regexp(t, regexp.QuoteMeta(s.Uses)+` # v\d+\.\d+\.\d+`, string(raw), "which release is it?")
					if strings.HasPrefix(s.Uses, "actions/checkout@") {
						assert.Equal(t, "false", s.With["persist-credentials"], "%s leaves the token in the checkout", id)
					}
				}
			}
		})
	}
}

// bystanders are the commands that a step may call besides make. The real ones
// would install, post or ask.
var bystanders = []string{"apt-get", "gh"}

const recorder = `#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
`

// maker leaves what later steps read of a target. NO_HASH makes it a preview that
// allows no update, and FAILS names the target that fails.
const maker = recorder + `
case $1 in
preview-comment | preview-offline)
  mkdir -p .slipway/results/preview
  printf '<!-- slipway preview -->\n<!-- destructive: no -->\nnothing changes\n' >.slipway/results/preview.md
  [ -n "$NO_HASH" ] || echo abc123 >.slipway/results/preview/prod.hash ;;
image-push)
  printf 'pushed=true\nname=registry.test/api\ndigest=sha256:0\n' >>"$GITHUB_OUTPUT" ;;
esac
[ "$1" != "$FAILS" ]
`

// calls are what each workflow asks of make, in order.
var calls = map[string][]string{
	"bench.yaml":   {"up", "bench"},
	"build.yaml":   {"app-test", "image", "image-sbom", "image-scan", "image-push REGISTRY=registry.test"},
	"ci.yaml":      {"test", "vulnerabilities", "image-scan"},
	"deploy.yaml":  {"deploy STACK=dev", "smoke STACK=dev", "rollback STACK=dev YES=1", "preview-comment STACK=prod", "deploy STACK=prod PLAN=abc123", "smoke STACK=prod", "rollback STACK=prod YES=1"},
	"drift.yaml":   {"drift STACK=dev", "drift STACK=prod"},
	"judges.yaml":  {"judges"},
	"preview.yaml": {"preview-offline STACK=dev,prod,account"},
}

func TestStepsRun(t *testing.T) {
	for name, w := range read(t) {
		t.Run(name, func(t *testing.T) {
			g := newRunner(t)
			done := map[string]bool{}
			for len(done) < len(w.Jobs) {
				for _, id := range slices.Sorted(maps.Keys(w.Jobs)) {
					if j := w.Jobs[id]; !done[id] && (j.Needs == "" || done[j.Needs]) {
						g.job(id, j)
						done[id] = true
					}
				}
			}
			asked := g.asked()
			require.Equal(t, calls[name], asked)
			for _, target := range asked {
				// The real make knows each, with these very arguments.
				out, err := exec.Command("make", append([]string{"-C", root, "--dry-run"}, strings.Fields(target)...)...).CombinedOutput()
				require.NoError(t, err, "make %s\n%s", target, out)
			}
		})
	}
}

// TestAFailedPreviewIsShownAndUpdatesNothing: what was previewed is posted all
// the same, and prod is not updated by a plan that nobody could read.
func TestAFailedPreviewIsShownAndUpdatesNothing(t *testing.T) {
	all := read(t)
	for name, env := range map[string][]string{
		"refused":      {"FAILS=preview-comment", "NO_HASH=1"},
		"without hash": {"NO_HASH=1"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRunner(t)
			g.env = env
			plan := all["deploy.yaml"].Jobs["plan"]
			require.True(t, g.tolerant(plan), "the job that plans succeeds, and the next one begins")
			require.Equal(t, []string{"preview-comment STACK=prod"}, g.asked())
			shown, err := os.ReadFile(g.summary)
			require.NoError(t, err)
			require.Contains(t, string(shown), "nothing changes")
			require.Equal(t, "plan", all["deploy.yaml"].Jobs["prod"].Needs)
			require.NotContains(t, all["deploy.yaml"].Jobs["prod"].If, "()", "a job with a word about status begins after one that failed")
		})
	}
	t.Run("pull request", func(t *testing.T) {
		g := newRunner(t)
		g.env = []string{"FAILS=preview-offline"}
		require.True(t, g.tolerant(all["preview.yaml"].Jobs["preview"]))
		raw, err := os.ReadFile(g.calls)
		require.NoError(t, err)
		require.Contains(t, string(raw), "gh api", "no comment")
	})
}

// TestAnEmptyPlanIsNotLeftOut: the command refuses one, and make must hand it on.
func TestAnEmptyPlanIsNotLeftOut(t *testing.T) {
	for argument, want := range map[string]bool{"PLAN=": true, "PLAN=abc": true, "YES=1": false} {
		cmd := exec.Command("make", "-C", root, "--dry-run", "deploy", "STACK=prod", argument)
		cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "PLAN=") })
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, want, strings.Contains(string(out), "--expect-plan"), "%s\n%s", argument, out)
	}
}

// tolerant runs a job's steps as far as they are run when one fails, and tells
// whether one did.
func (g *runner) tolerant(j job) (failed bool) {
	g.t.Helper()
	for _, s := range j.Steps {
		if s.Run == "" || failed && s.If != "always()" {
			continue
		}
		if out, err := g.try(j, s); err != nil {
			g.t.Logf("%s: %v\n%s", s.Name, err, out)
			failed = true
		}
	}
	return failed
}

// asked is what make was asked for, in order.
func (g *runner) asked() []string {
	g.t.Helper()
	raw, err := os.ReadFile(g.calls)
	require.NoError(g.t, err)
	var asked []string
	for line := range strings.Lines(string(raw)) {
		if target, ok := strings.CutPrefix(strings.TrimSpace(line), "make "); ok {
			asked = append(asked, target)
		}
	}
	return asked
}

// runner runs steps as GitHub's does, as far as these workflows need it.
type runner struct {
	t                    *testing.T
	dir, bin, calls      string
	values               map[string]string
	summary, outputsFile string
	// env is what the fake make is told.
	env []string
}

func newRunner(t *testing.T) *runner {
	t.Helper()
	dir := t.TempDir()
	g := &runner{
		t: t, dir: filepath.Join(dir, "checkout"), bin: filepath.Join(dir, "bin"), calls: filepath.Join(dir, "calls"),
		summary: filepath.Join(dir, "summary"), outputsFile: filepath.Join(dir, "outputs"),
		values: map[string]string{
			"vars.SLIPWAY_BACKEND_URL": "s3://state", "vars.SLIPWAY_REGISTRY": "registry.test",
			"github.token": "token", "github.event.pull_request.number": "7",
		},
	}
	require.NoError(t, os.MkdirAll(filepath.Join(g.dir, ".ci"), 0o755))
	require.NoError(t, os.MkdirAll(g.bin, 0o755))
	for _, command := range bystanders {
		require.NoError(t, os.WriteFile(filepath.Join(g.bin, command), []byte(recorder), 0o700))
	}
	require.NoError(t, os.WriteFile(filepath.Join(g.bin, "make"), []byte(maker), 0o700))
	for _, file := range []string{".ci/run", "scripts"} {
		place, err := filepath.Abs(filepath.Join(root, file))
		require.NoError(t, err)
		if file == ".ci/run" {
			raw, err := os.ReadFile(place)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(g.dir, file), raw, 0o700))
			continue
		}
		require.NoError(t, os.Symlink(place, filepath.Join(g.dir, file)))
	}
	return g
}

var expression = regexp.MustCompile(`\$\{\{ *([^}]*?) *\}\}`)

// fill puts values in place of expressions; one without a value is a fault.
func (g *runner) fill(text string) string {
	g.t.Helper()
	return expression.ReplaceAllStringFunc(text, func(match string) string {
		name := expression.FindStringSubmatch(match)[1]
		value, ok := g.values[name]
		require.True(g.t, ok, "nothing gives %s a value", name)
		return value
	})
}

func (g *runner) job(id string, j job) {
	g.t.Helper()
	rows := []map[string]string{{}}
	for key, values := range j.Strategy.Matrix {
		rows = nil
		for _, value := range values {
			rows = append(rows, map[string]string{"matrix." + key: value})
		}
	}
	for _, row := range rows {
		maps.Copy(g.values, row)
		for _, s := range j.Steps {
			if s.Run != "" {
				g.step(id, j, s)
			}
		}
	}
	for name, text := range j.Outputs {
		g.values[fmt.Sprintf("needs.%s.outputs.%s", id, name)] = g.fill(text)
	}
}

func (g *runner) step(id string, j job, s step) {
	g.t.Helper()
	out, err := g.try(j, s)
	require.NoError(g.t, err, "%s: %s\n%s", id, s.Name, out)
	raw, err := os.ReadFile(g.outputsFile)
	require.NoError(g.t, err)
	for line := range strings.Lines(string(raw)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		require.True(g.t, ok, line)
		g.values[fmt.Sprintf("steps.%s.outputs.%s", s.ID, name)] = value
	}
}

func (g *runner) try(j job, s step) ([]byte, error) {
	g.t.Helper()
	require.NoError(g.t, os.WriteFile(g.outputsFile, nil, 0o600))
	cmd := exec.Command("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", g.fill(s.Run))
	cmd.Dir = g.dir
	cmd.Env = []string{
		"PATH=" + g.bin + ":" + os.Getenv("PATH"), "HOME=" + g.dir, "CALLS=" + g.calls, "GITHUB_OUTPUT=" + g.outputsFile,
		"GITHUB_STEP_SUMMARY=" + g.summary, "GITHUB_REPOSITORY=o/r",
	}
	for _, env := range []map[string]string{j.Env, s.Env} {
		for key, value := range env {
			cmd.Env = append(cmd.Env, key+"="+g.fill(value))
		}
	}
	cmd.Env = append(cmd.Env, g.env...)
	return cmd.CombinedOutput()
}
