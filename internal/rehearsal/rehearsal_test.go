package rehearsal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/rehearsal/sample"
	"slipway.dev/slipway/internal/simcloud"
	"slipway.dev/slipway/internal/toolchain"
)

// stage is what all tests share: plugins built from this checkout, the pulumi
// command, and the sample's module.
var stage struct{ bin, pulumi, module, cache string }

func TestMain(m *testing.M) {
	code, err := setUp(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rehearsal tests:", err)
		code = 1
	}
	os.Exit(code)
}

func setUp(m *testing.M) (int, error) {
	root, err := os.MkdirTemp("", "slipway-stage-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(root) }()
	stage.bin, stage.module, stage.cache = filepath.Join(root, "bin"), filepath.Join(root, "module"), filepath.Join(root, "cache")
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		return 0, err
	}
	chain, err := toolchain.Open(checkout)
	if err != nil {
		return 0, err
	}
	if err := chain.Ensure(context.Background(), "pulumi"); err != nil {
		return 0, err
	}
	if stage.pulumi, err = chain.Path("pulumi"); err != nil {
		return 0, err
	}
	build := exec.Command("go", "build", "-o", stage.bin+"/", "./cmd/pulumi-language-go", "./cmd/pulumi-resource-aws", "./cmd/pulumi-resource-kubernetes")
	build.Dir = checkout
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("building the plugins: %w\n%s", err, out)
	}
	if err := sample.Module(checkout, stage.module); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// small is a rehearsal of the sample with configuration of its own.
func small(t *testing.T, changed ...string) *Rehearsal {
	t.Helper()
	project := t.TempDir()
	require.NoError(t, sample.Project(stage.module, project, changed...))
	log := &bytes.Buffer{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s", log)
		}
	})
	return &Rehearsal{
		Project: project, Stack: sample.Stack, Pulumi: stage.pulumi, Plugins: []string{stage.bin}, Env: []string{"SLIPWAY_CACHE=" + stage.cache},
		Changes: [][2]string{{"sample:retention", "60"}, {"sample:records", "5"}}, Every: 10, Log: log, Progress: &bytes.Buffer{},
	}
}

func TestWholeLifeOfTheSample(t *testing.T) {
	r := small(t)
	result, err := r.Run(context.Background())
	require.NoError(t, err)
	did := map[string]string{}
	for _, s := range result.Steps {
		did[s.Name] = s.Did
	}
	t.Log(result.Page())
	assert.Contains(t, did["up from nothing"], "cluster 13m20s > nodes 2m30s > coredns 40s")
	assert.Equal(t, "1 delete, 1 replace, 32 same, 1 update", did["a change"])
	assert.Equal(t, "1 create, 1 replace, 32 same, 1 update", did["the way back"])
	drifted := did["drift is seen and undone"]
	assert.Contains(t, drifted, "3 tags added by hand were seen and removed; removed by hand and made again: aws:")
	assert.Contains(t, drifted, ", kubernetes:")
	assert.Contains(t, did["destroy"], "1 protected were refused first; nothing left")
	// How many depends on what the engine still does beside what fails.
	assert.Regexp(t, "^[2-9] cuts, each update went on", did["cut off in the middle of up"])
	assert.Contains(t, result.Page(), "SIMULATED")
}

// failing rehearses what must fail, and returns the step that did.
func failing(t *testing.T, r *Rehearsal) Step {
	t.Helper()
	result, err := r.Run(context.Background())
	require.ErrorIs(t, err, ErrFailed)
	for _, s := range result.Steps {
		if s.Err != nil {
			assert.Contains(t, result.Page(), "**failed**")
			return s
		}
	}
	t.Fatal("no step failed")
	return Step{}
}

func TestWrongProgramsFailTheirRehearsal(t *testing.T) {
	tests := []struct {
		title string
		r     *Rehearsal
		step  string
		want  string
	}{
		{"a network too large, in the preview", small(t, "10.0.0.0/16", "10.0.0.0/8"), "first preview", "must be from /16 to /28"},
		{"subnets outside the network, in the update", small(t, "10.0.0.0/16", "10.7.0.0/16"), "up from nothing", "InvalidSubnet.Range"},
		{"a retention that does not exist", small(t, `"30"`, `"31"`), "first preview", "retentionInDays is 31"},
		{"a field that Kubernetes does not have", small(t, "sample:retention", "sample:colour: blue\n  sample:retention"), "up from nothing", "spec.colour: Unsupported value"},
		{"a change of nothing", func() *Rehearsal {
			r := small(t)
			r.Changes = [][2]string{{"sample:retention", "30"}}
			return r
		}(), "a change", "changed nothing"},
		{"the wrong account", func() *Rehearsal {
			r := small(t)
			r.Account = "999999999999"
			return r
		}(), "first preview", "AWS account ID not allowed: 999999999999"},
	}
	for _, test := range tests {
		t.Run(test.title, func(t *testing.T) {
			s := failing(t, test.r)
			assert.Equal(t, test.step, s.Name)
			assert.ErrorContains(t, s.Err, test.want)
			var said *pulumiError
			if errors.As(s.Err, &said) {
				assert.Contains(t, said.output, "SIMULATED")
			}
		})
	}
}

// An orphan is seen: the check of what is left behind can fail.
func TestOrphansAreSeen(t *testing.T) {
	r := small(t)
	ctx := context.Background()
	s, err := r.prepare(ctx, t.TempDir())
	require.NoError(t, err)
	require.NoError(t, s.up(ctx))
	require.NoError(t, s.agree(ctx))
	world, err := s.cloud()
	require.NoError(t, err)
	require.NoError(t, world.Do(func(tx *simcloud.Tx) error {
		tx.Put(&simcloud.Record{Token: "aws:ec2/vpc:Vpc", ID: "vpc-1", URN: "urn:x", Account: "123456789012", Region: "eu-central-1", Status: "active"})
		return nil
	}))
	require.ErrorContains(t, s.agree(ctx), "aws:ec2/vpc:Vpc vpc-1 is orphaned")
	require.NoError(t, world.Do(func(tx *simcloud.Tx) error {
		tx.Remove(tx.Get("aws:ec2/vpc:Vpc", "vpc-1", "eu-central-1"))
		for _, thing := range tx.All("aws:cloudwatch/logGroup:LogGroup") {
			tx.Remove(thing)
		}
		return nil
	}))
	require.ErrorContains(t, s.agree(ctx), "is in the state and does not exist")
}
