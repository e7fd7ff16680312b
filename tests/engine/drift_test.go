package engine

import (
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/drift"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/rollback"
	"slipway.dev/slipway/internal/simcloud"
)

// TestLookingForDriftWritesNothing: whoever looks every night has no right to
// write to the backend, not even a lock.
func TestLookingForDriftWritesNothing(t *testing.T) {
	s := newShop(t)
	s.release("one", sign)
	backend := filepath.Join(paths.Pulumi(), ".pulumi")
	before := tree(t, backend)
	require.NotEmpty(t, before)
	s.greet("good evening")
	report, err := drift.Look(t.Context(), s.stack, io.Discard)
	require.NoError(t, err)
	require.Positive(t, report.Looked)
	require.Equal(t, before, tree(t, backend))

	// What writes is seen.
	require.NoError(t, s.stack.Refresh(t.Context(), io.Discard))
	require.NotEqual(t, before, tree(t, backend))
}

// byHand changes a version's objects behind the engine's back: one that another
// version has otherwise, one that both have alike, and one that is taken away.
func (y *yard) byHand() {
	y.t.Helper()
	require.NoError(y.t, y.world.Do(func(tx *simcloud.Tx) error {
		for _, name := range []string{"web0", "common"} {
			thing := tx.Get("kubernetes:apps/v1:Deployment", "default/"+name, "cluster-yard")
			thing.Properties["spec"] = deployment(name, "registry.test/web:by-hand").Inputs["spec"]
			tx.Put(thing)
		}
		tx.Remove(tx.Get("kubernetes:apps/v1:Deployment", "default/gone", "cluster-yard"))
		return nil
	}))
}

// image is what one of the cluster's Deployments runs, empty where there is none.
func (y *yard) image(name string) string {
	y.t.Helper()
	image := ""
	require.NoError(y.t, y.world.Do(func(tx *simcloud.Tx) error {
		if thing := tx.Get("kubernetes:apps/v1:Deployment", "default/"+name, "cluster-yard"); thing != nil {
			image = thing.Properties.At("spec.template.spec.containers").([]any)[0].(map[string]any)["image"].(string)
		}
		return nil
	}))
	return image
}

// TestRollbackOverDrift: a rollback stops at what was changed by hand, and told
// to overwrite it does so, where the old program says the same as the state too.
func TestRollbackOverDrift(t *testing.T) {
	y := newYard(t, scale)
	kept := []item{deployment("common", "registry.test/web:0"), deployment("gone", "registry.test/web:0")}
	y.release("one", append(kept, deployment("web0", "registry.test/web:1"))...)
	y.release("two", append(kept, deployment("web0", "registry.test/web:2"))...)
	y.byHand()
	said := y.refused(y.to("1"), rollback.ErrDrift)
	for _, name := range []string{"web0", "common", "gone"} {
		require.Contains(t, said, name)
	}
	require.Equal(t, "registry.test/web:by-hand", y.image("common"), "a refusal changed something")

	over := y.to("1")
	over.OverwriteDrift = true
	require.True(t, y.mustRollBack(over).Applied)
	require.Equal(t, "registry.test/web:1", y.image("web0"))
	require.Equal(t, "registry.test/web:0", y.image("common"))
	require.Equal(t, "registry.test/web:0", y.image("gone"))
	require.NoError(t, y.agree())
	require.NoError(t, y.sound())
}

// TestDriftIsBroughtBackByWhatTheStackRuns: a checkout that has moved on would
// bring something else, and says who would bring back what is there.
func TestDriftIsBroughtBackByWhatTheStackRuns(t *testing.T) {
	y := newYard(t, scale)
	kept := []item{deployment("common", "registry.test/web:0"), deployment("gone", "registry.test/web:0")}
	first := y.release("one", append(kept, deployment("web0", "registry.test/web:1"))...)
	y.byHand()
	fix := func(policies ...string) error { return drift.Fix(t.Context(), y.stack, policies, testWriter{t}) }

	y.stock(append(kept, deployment("web0", "registry.test/web:2"))...)
	require.ErrorIs(t, fix(), drift.ErrProgram, "the checkout has changes")
	y.commit("two")
	require.ErrorContains(t, fix(), "`slipway rollback --to 1 --overwrite-drift`")
	require.Equal(t, "registry.test/web:by-hand", y.image("web0"), "a refusal changed something")

	over := y.to("1")
	over.OverwriteDrift = true
	require.True(t, y.mustRollBack(over).Applied, "what it names does not work")
	require.Equal(t, "registry.test/web:1", y.image("web0"))

	y.byHand()
	y.git("checkout", "-q", first)
	forbidding, _ := ruling(t, "Mandatory", "Mandatory", "::common")
	require.ErrorIs(t, fix(forbidding), drift.ErrPolicy)
	require.Equal(t, "registry.test/web:by-hand", y.image("web0"))
	require.NoError(t, fix())
	require.Equal(t, "registry.test/web:1", y.image("web0"))
	require.Equal(t, "registry.test/web:0", y.image("common"))
	require.Equal(t, "registry.test/web:0", y.image("gone"))
	require.NoError(t, y.sound())
}
