package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/simcloud"
)

// seedEnv repeats a run that failed.
const seedEnv = "SLIPWAY_TEST_SEED"

func draws(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(2026_11_27)
	if text := os.Getenv(seedEnv); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, seedEnv)
		seed = given
	}
	t.Logf("%s=%d", seedEnv, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// version is one version of what the yard has: objects that are changed in
// place, one that is replaced, one that only this version has, and a password.
func version(n string) []item {
	items := []item{password, settings("settings", n), deployment("only-in-"+n, "registry.test/web:1")}
	for i := range 4 {
		items = append(items, deployment(fmt.Sprintf("web%d", i), "registry.test/web:"+n))
	}
	return items
}

// at fails unless the cluster has a version's objects as it declares them, no
// others, and the state knows it.
func (y *yard) at(n, commit string, secret any) error {
	if err := y.agree(); err != nil {
		return err
	}
	var faults []error
	err := y.world.Do(func(tx *simcloud.Tx) error {
		objects := 0
		for _, it := range version(n) {
			if it.Kind != "object" {
				continue
			}
			objects++
			thing := tx.Get(it.Type, "default/"+it.Name, "cluster-yard")
			if thing == nil {
				faults = append(faults, fmt.Errorf("%s is missing", it.Name))
				continue
			}
			for _, path := range []string{"spec.template.spec.containers", "data"} {
				if want := simcloud.Props(it.Inputs).At(path); !simcloud.Same(thing.Properties.At(path), want) {
					faults = append(faults, fmt.Errorf("%s of %s is %v, not %v", path, it.Name, thing.Properties.At(path), want))
				}
			}
		}
		for _, thing := range tx.All("") {
			if thing.URN != "" {
				objects--
			}
		}
		if objects != 0 {
			faults = append(faults, fmt.Errorf("there are %d objects too many", -objects))
		}
		return nil
	})
	if err := errors.Join(append(faults, err)...); err != nil {
		return err
	}
	if err := y.sound(); err != nil {
		return err
	}
	if y.outputs()["password"] != secret {
		return errors.New("the password is another one")
	}
	if newest := y.history()[0]; newest.Commit != commit || !newest.Good() {
		return fmt.Errorf("the newest entry is of commit %s", newest.Commit)
	}
	return nil
}

// operations are the changes of the cluster that have ended.
func (y *yard) operations() []simcloud.Operation {
	y.t.Helper()
	operations, err := y.world.Operations()
	require.NoError(y.t, err)
	return operations
}

// begun is how many changes of the cluster have begun.
func (y *yard) begun() int {
	y.t.Helper()
	n := 0
	require.NoError(y.t, y.world.Do(func(tx *simcloud.Tx) error {
		n = tx.Operations
		return nil
	}))
	return n
}

// next is what "slipway up" does to the stack.
func (y *yard) next() {
	y.t.Helper()
	require.NoError(y.t, y.stack.Recover(y.t.Context(), testWriter{y.t}, time.Minute))
	require.NoError(y.t, y.stack.Apply(y.t.Context(), testWriter{y.t}, platform.Updating{Doing: "up"}))
}

// scale makes the simulated cluster slow enough to be caught in the middle of
// something.
const scale = "0.05"

// newKillingYard has two versions, and stands at the second.
func newKillingYard(t *testing.T) (y *yard, first, second string, secret any) {
	t.Helper()
	y = newYard(t, scale)
	first = y.release("one", version("1")...)
	secret = y.outputs()["password"]
	second = y.release("two", version("2")...)
	require.NoError(t, y.at("2", second, secret))
	return y, first, second, secret
}

// TestRollbackKilledAnywhereIsContinued kills a rollback, its engine or both at
// moments that are drawn. Whether it is continued or given up for an update:
// afterwards the cluster has what the program declares, and nothing else.
func TestRollbackKilledAnywhereIsContinued(t *testing.T) {
	draw := draws(t)
	y, first, second, secret := newKillingYard(t)
	// How long it takes undisturbed says which moments there are. In most of them
	// nothing is being changed, so every other one is drawn from those in which
	// the cluster is.
	before := len(y.operations())
	begun := time.Now()
	y.mustRollBack(y.to("1"))
	whole := time.Since(begun)
	changing := y.operations()[before:]
	from, last := changing[0].Started, changing[0].Ended
	for _, o := range changing {
		from, last = min(from, o.Started), max(last, o.Ended)
	}
	span := time.Duration((last - from) * float64(time.Second))
	t.Logf("undisturbed it takes %s, of which the cluster is changed for %s", whole, span)
	require.NoError(t, y.at("1", first, secret))
	caught := 0
	for point := range killings {
		y.next()
		require.NoError(t, y.at("2", second, secret), "before point %d", point)
		changing := point%2 == 0
		after := time.Duration(draw.Int64N(int64(whole)))
		if changing {
			after = time.Duration(draw.Int64N(int64(span)))
		}
		victims := []struct{ helper, engine bool }{{true, false}, {false, true}, {true, true}}
		victim := victims[draw.IntN(len(victims))]
		forward := draw.IntN(3) == 0
		before := y.begun()
		p := y.process()
		if changing {
			eventually(t, "the first change", func() bool { return p.done() || y.begun() > before })
		}
		time.Sleep(after)
		late := p.done()
		if !late {
			caught++
		}
		t.Logf("point %d: after %s, from the first change: %v, late: %v, then forward: %v", point, after, changing, late, forward)
		p.kill(victim.helper, victim.engine)
		if forward {
			y.next()
			require.NoError(t, y.at("2", second, secret), "point %d", point)
			continue
		}
		_, err := y.to("1").Run(t.Context(), testWriter{t})
		require.NoError(t, err, "point %d", point)
		require.NoError(t, y.at("1", first, secret), "point %d", point)
	}
	t.Logf("%d of %d rollbacks were running when they were killed", caught, killings)
	require.GreaterOrEqual(t, caught, killings*2/5, "most rollbacks had ended before they were killed")
}

// TestImportedStateIsNoRollback is the naive way back after the same kill: an
// old state is imported. The stack then claims what is not so.
func TestImportedStateIsNoRollback(t *testing.T) {
	y, first, _, secret := newKillingYard(t)
	p := y.process()
	eventually(t, "the engine to update", func() bool { return p.done() || len(y.locks()) > 0 })
	require.False(t, p.done(), "the rollback ended before it could be killed: %v", p.err)
	p.kill(true, true)
	y.importOld()
	require.Equal(t, secret, y.outputs()["password"], "the state was not imported")
	require.ErrorContains(t, y.at("1", first, secret), "default/only-in-2 is orphaned")
	// Nor does an update of that program mend it: nobody knows the orphan.
	y.git("checkout", "-q", first)
	y.next()
	require.ErrorContains(t, y.at("1", first, secret), "default/only-in-2 is orphaned")
}

// The state has a resource that was being changed as it was before. A program
// that wants just that would change nothing, and leave what the killed one made.
func TestWhatWasBeingChangedIsReadAnew(t *testing.T) {
	y := newYard(t, scale)
	y.release("one", deployment("web", "registry.test/web:1"))
	y.release("two", deployment("web", "registry.test/web:2"))
	before := y.begun()
	p := y.process()
	eventually(t, "the change", func() bool { return p.done() || y.begun() > before })
	require.False(t, p.done(), "the rollback ended before it could be killed: %v", p.err)
	p.kill(true, true)
	image := func() any {
		var containers any
		require.NoError(t, y.world.Do(func(tx *simcloud.Tx) error {
			containers = tx.Get("kubernetes:apps/v1:Deployment", "default/web", "cluster-yard").Properties.At("spec.template.spec.containers")
			return nil
		}))
		return containers.([]any)[0].(map[string]any)["image"]
	}
	require.Equal(t, "registry.test/web:1", image(), "it was killed too soon")
	y.next()
	require.Equal(t, "registry.test/web:2", image())
	require.NoError(t, y.agree())
	require.NoError(t, y.sound())
}
