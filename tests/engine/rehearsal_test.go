package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/rehearsal"
)

// simulators builds the simulating plugins, once for all tests, apart from the
// others: the engine takes the first plugin of a name that it finds.
var simulators = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(bench.bin), "simulators")
	build := exec.Command("go", "build", "-o", dir+"/", "./cmd/pulumi-resource-aws", "./cmd/pulumi-resource-kubernetes")
	build.Dir, build.Stderr = bench.checkout, os.Stderr
	return dir, build.Run()
})

// rehearse is a rehearsal of one of the checkout's own stacks.
func rehearse(t *testing.T, stack string) *rehearsal.Rehearsal {
	t.Helper()
	plugins, err := simulators()
	require.NoError(t, err)
	goTool, err := exec.LookPath("go")
	require.NoError(t, err)
	log := &bytes.Buffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", log)
		}
	})
	r := &rehearsal.Rehearsal{
		Project: bench.checkout, Stack: stack, Pulumi: filepath.Join(bench.bin, "pulumi"),
		Plugins: []string{plugins, bench.bin, filepath.Dir(goTool)}, Env: []string{"SLIPWAY_CACHE=" + bench.cache},
		Log: log, Progress: io.Discard,
	}
	require.NoError(t, r.Meant())
	return r
}

// TestLifeOfDev is the life without what takes updates of its own; make soak
// lives the whole of it, and prod's.
func TestLifeOfDev(t *testing.T) {
	r := rehearse(t, "dev")
	r.Short = true
	result, err := r.Run(context.Background())
	require.NoError(t, err)
	t.Log(result.Page())
	for _, step := range result.Steps {
		assert.NotContains(t, step.Did, "not rehearsed", step.Name)
	}
}

// TestEveryCloudStackHasARelease: what no release left behind, TestUpgrade would
// not miss.
func TestEveryCloudStackHasARelease(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(bench.checkout, "Pulumi.*.yaml"))
	require.NoError(t, err)
	looked := 0
	for _, file := range files {
		stack := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml")
		if err := (&rehearsal.Rehearsal{Project: bench.checkout, Stack: stack}).Meant(); errors.Is(err, rehearsal.ErrNoCloud) {
			continue
		} else {
			require.NoError(t, err)
		}
		looked++
		recorded, err := filepath.Glob(filepath.Join("testdata", "releases", "*."+stack+".json.gz"))
		require.NoError(t, err)
		assert.NotEmpty(t, recorded, "no release of stack %s is kept: slipway rehearse --stack %s --short --record tests/engine/testdata/releases/VERSION.%s.json.gz",
			stack, stack, stack)
	}
	assert.GreaterOrEqual(t, looked, 3)
}

// renewed are what takes effect by being replaced, the next one made before the
// former goes: Jobs run once, and the configurations of Prometheus, the collectors
// and the service are immutable.
var renewed = []string{
	"kubernetes:batch/v1:Job ", "kubernetes:core/v1:ConfigMap monitoring-config",
	"kubernetes:core/v1:ConfigMap logging-configuration", "kubernetes:core/v1:ConfigMap api-settings",
}

// TestUpgrade previews the program against the state that each release left
// behind. Nothing but what is renewed may be replaced.
func TestUpgrade(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "releases", "*.json.gz"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		release := strings.TrimSuffix(filepath.Base(file), ".json.gz")
		stack := strings.TrimPrefix(filepath.Ext(release), ".")
		require.NotEmpty(t, stack, "%s is not called release.stack.json.gz", file)
		t.Run(release, func(t *testing.T) {
			changes, err := rehearse(t, stack).Upgrade(context.Background(), file)
			require.NoError(t, err)
			for _, change := range changes {
				operation, what, _ := strings.Cut(change, " ")
				destroys := strings.Contains(operation, "replace") || strings.Contains(operation, "delete")
				assert.False(t, destroys && !slices.ContainsFunc(renewed, func(one string) bool { return strings.HasPrefix(what, one) }), change)
			}
			t.Logf("%d changes:\n%s", len(changes), strings.Join(changes, "\n"))
		})
	}
}

// TestFirstPreviewFromNothing is what a preview shows where no backend is known:
// under the policies, and saying that it is simulated.
func TestFirstPreviewFromNothing(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, rehearse(t, "prod").First(context.Background(), &out, pack()))
	assert.Contains(t, out.String(), "SIMULATED")
	assert.Contains(t, out.String(), "to create")
	assert.NotContains(t, out.String(), "[mandatory]")
}

// TestOfflinePreview is what a pull request shows: what would change since the
// last release, under the policies and without an account.
func TestOfflinePreview(t *testing.T) {
	r := rehearse(t, "account")
	recorded, err := r.Release()
	require.NoError(t, err)
	proposed, err := r.Propose(context.Background(), recorded, pack())
	require.NoError(t, err)
	assert.Empty(t, proposed.Proposal.Problems)
	assert.Empty(t, proposed.Proposal.Mandatory())
	assert.NotEmpty(t, proposed.Proposal.Counts)
	bucket := ""
	for _, step := range proposed.Proposal.Steps {
		if strings.Contains(step.URN, "$aws:s3/bucketV2:BucketV2::") {
			bucket = step.URN
		}
	}
	assert.NotEmpty(t, proposed.Guard.Holds(bucket), "the bucket of states %q holds data, and the guard does not know", bucket)
}
