package gate

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/proposal"
)

var today = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// checkout is one with the given waivers.
func checkout(t *testing.T, waivers string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "policies"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "policies", "waivers.yaml"), []byte("waivers: "+waivers), 0o600))
	return dir
}

func step(operation, token, name string, inputs map[string]any) *proposal.Step {
	urn := "urn:pulumi:prod::slipway::" + token + "::" + name
	return &proposal.Step{Operation: operation, URN: urn, Type: token, Old: &apitype.StepEventStateMetadata{URN: urn, Type: token, Inputs: inputs}}
}

func set(name string) map[string]any {
	return map[string]any{"metadata": map[string]any{"name": name, "namespace": "data"}, "spec": map[string]any{"serviceName": name}}
}

func TestWhatMustStayIsNotReplaced(t *testing.T) {
	for name, token := range map[string]string{
		"cluster": "aws:eks/cluster:Cluster", "node group": "aws:eks/nodeGroup:NodeGroup", "zone": "aws:route53/zone:Zone", "key": "aws:kms/key:Key",
		"bucket": "aws:s3/bucketV2:BucketV2", "disk": "aws:ebs/volume:Volume", "audit log": "aws:cloudwatch/logGroup:LogGroup", "stateful set": "kubernetes:apps/v1:StatefulSet",
		"claim": "kubernetes:core/v1:PersistentVolumeClaim", "volume": "kubernetes:core/v1:PersistentVolume",
	} {
		t.Run(name, func(t *testing.T) {
			for _, operation := range []string{"delete", "replace"} {
				p := &proposal.Proposal{Steps: []*proposal.Step{step(operation, token, "it", map[string]any{}), step("update", token, "other", nil)}}
				err := Pass(checkout(t, "[]"), "prod", p, today)
				require.ErrorIs(t, err, ErrRefused)
				assert.ErrorContains(t, err, "this update would "+operation+" it")
				assert.NotContains(t, err.Error(), "other")
			}
			p := &proposal.Proposal{Steps: []*proposal.Step{step("update", token, "it", nil), step("same", token, "it2", nil)}}
			assert.NoError(t, Pass(checkout(t, "[]"), "prod", p, today))
		})
	}
}

func TestWhatCanBeMadeAgainMayBeReplaced(t *testing.T) {
	p := &proposal.Proposal{Steps: []*proposal.Step{step("replace", "kubernetes:apps/v1:Deployment", "api", set("api")), step("delete", "aws:iam/role:Role", "r", nil)}}
	assert.NoError(t, Pass(checkout(t, "[]"), "prod", p, today))
}

func TestOnlyAWaiverThatHoldsLetsThrough(t *testing.T) {
	const whole = `[{rule: data-not-replaced, resource: StatefulSet/data/postgres, stacks: [prod], owner: me, reason: moved, expires: 2026-06-01}]`
	p := &proposal.Proposal{Steps: []*proposal.Step{step("replace", "kubernetes:apps/v1:StatefulSet", "postgres", set("postgres"))}}
	assert.NoError(t, Pass(checkout(t, whole), "prod", p, today))
	for name, test := range map[string]struct {
		waivers, stack string
		now            time.Time
	}{
		"another stack": {whole, "dev", today}, "a day later": {whole, "prod", today.AddDate(0, 0, 1)},
		"another resource": {`[{rule: data-not-replaced, resource: StatefulSet/data/other, owner: me, reason: moved, expires: 2026-06-01}]`, "prod", today},
		"another rule":     {`[{rule: two-replicas, resource: StatefulSet/data/postgres, owner: me, reason: moved, expires: 2026-06-01}]`, "prod", today},
	} {
		t.Run(name, func(t *testing.T) {
			assert.ErrorIs(t, Pass(checkout(t, test.waivers), test.stack, p, test.now), ErrRefused)
		})
	}
	assert.ErrorContains(t, Pass(checkout(t, `[{rule: data-not-replaced, resource: StatefulSet/data/postgres, expires: 2026-06-01}]`), "prod", p, today), "owner is missing")
	p.Steps = append(p.Steps, step("delete", "aws:kms/key:Key", "volumes", nil))
	err := Pass(checkout(t, whole), "prod", p, today)
	require.ErrorIs(t, err, ErrRefused)
	assert.ErrorContains(t, err, "aws:kms/key:Key/volumes: this update would delete it")
	assert.NotContains(t, err.Error(), "StatefulSet")
}

// The waivers in use are told apart from those that nothing needs now, whether
// this rule needs them or one of the policy pack's.
func TestWaiversInUse(t *testing.T) {
	root := checkout(t, `[
		{rule: data-not-replaced, resource: StatefulSet/data/postgres, owner: ada, reason: moved, expires: 2026-06-01},
		{rule: image-not-latest, resource: Deployment/data/web, owner: bob, reason: for now, expires: 2026-06-01},
		{rule: data-not-replaced, resource: StatefulSet/data/other, owner: cay, reason: not now, expires: 2026-06-01},
		{rule: image-not-latest, resource: Deployment/data/old, owner: dan, reason: over, expires: 2026-05-01}]`)
	deployment := func(name string) *proposal.Step {
		s := step("create", "kubernetes:apps/v1:Deployment", name, nil)
		s.New, s.Old = s.Old, nil
		s.New.Custom = true
		s.New.Inputs = map[string]any{
			"metadata": map[string]any{"name": name, "namespace": "data"},
			"spec":     map[string]any{"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "web", "image": "web:latest"}}}}},
		}
		return s
	}
	p := &proposal.Proposal{Steps: []*proposal.Step{
		step("replace", "kubernetes:apps/v1:StatefulSet", "postgres", set("postgres")), deployment("web"), deployment("old"),
	}}
	used, err := Waivers(root, "prod", p, today)
	require.NoError(t, err)
	var owners []string
	for _, w := range used {
		owners = append(owners, w.Owner)
	}
	assert.Equal(t, []string{"ada", "bob"}, owners)
	used, err = Waivers(root, "prod", &proposal.Proposal{}, today)
	require.NoError(t, err)
	assert.Empty(t, used)
}
