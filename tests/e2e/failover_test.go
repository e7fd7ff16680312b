//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/tests/harness"
)

const (
	writesPerSecond = 20
	members         = "app.kubernetes.io/name=postgres,app.kubernetes.io/component=member"
	leaderLabel     = "role=primary"
)

// leader names the pod that holds the lease and runs as primary.
func leader(ctx context.Context) (harness.Pod, error) {
	pods, err := live.Pods(ctx, harness.Database, members+","+leaderLabel)
	if err != nil {
		return harness.Pod{}, err
	}
	if len(pods) != 1 {
		return harness.Pod{}, fmt.Errorf("%d pods are labelled as the primary", len(pods))
	}
	return pods[0], nil
}

// faulty writes rows all through a fault and its repair, and fails when nobody
// takes over, an acknowledged row is gone, writes do not resume, or the cluster
// does not become whole again by itself.
func faulty(t *testing.T, fault, repair func(t *testing.T, victim harness.Pod)) {
	t.Helper()
	survives(t, func(t *testing.T, before harness.Pod) {
		fault(t, before)
		takenOver(t, before)
	}, repair)
}

// takenOver waits until another pod leads than the one before.
func takenOver(t *testing.T, before harness.Pod) {
	t.Helper()
	ctx := within(t, 3*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		now, err := leader(ctx)
		if err != nil {
			return err
		}
		if now.Metadata.UID == before.Metadata.UID {
			return fmt.Errorf("%s still leads", now.Metadata.Name)
		}
		return nil
	}), "nobody took over")
}

// survives is faulty for a fault after which the same member may go on leading.
func survives(t *testing.T, fault, repair func(t *testing.T, victim harness.Pod)) {
	t.Helper()
	healthy(t)
	victim, err := leader(within(t, time.Minute))
	require.NoError(t, err)
	ledger := live.StartLedger(t.Context(), t.Name(), writesPerSecond)
	defer ledger.Stop()
	require.NoError(t, ledger.Await(within(t, time.Minute), 2*writesPerSecond))

	fault(t, victim)
	require.NoError(t, ledger.Await(within(t, 2*time.Minute), 5*writesPerSecond), "writes did not resume")

	repair(t, victim)
	healthy(t)
	replicating(t)
	result := ledger.Stop()
	lost, err := ledger.Lost(within(t, 5*time.Minute))
	require.NoError(t, err)
	t.Logf("%d rows acknowledged, %d requests failed, longest pause between acknowledged writes %.1f s, %d lost",
		result.Acked, len(result.Failures), result.Gap.Seconds(), len(lost))
	require.Empty(t, lost, "acknowledged rows are gone")
}

// replicating waits until every standby streams from the leader on one
// timeline.
func replicating(t *testing.T) {
	t.Helper()
	ctx := within(t, 5*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		pods, err := live.Pods(ctx, harness.Database, members)
		if err != nil {
			return err
		}
		now, err := leader(ctx)
		if err != nil {
			return err
		}
		out, err := live.Kubectl(ctx, "exec", "-n", harness.Database, now.Metadata.Name, "--",
			"psql", "-h", "/var/run/postgresql", "-U", "postgres", "-Atc", "select count(*) from pg_stat_replication where state='streaming'")
		if err != nil {
			return err
		}
		if want := fmt.Sprintf("%d\n", len(pods)-1); out != want {
			return fmt.Errorf("%s standbys stream from %s, of %d", out[:len(out)-1], now.Metadata.Name, len(pods)-1)
		}
		return nil
	}), "the members do not replicate")
}

func nothing(*testing.T, harness.Pod) {}

func TestNoRowIsLostWhenTheLeaderIsKilled(t *testing.T) {
	faulty(t, func(t *testing.T, victim harness.Pod) {
		_, err := live.Kubectl(within(t, time.Minute), "delete", "pod", victim.Metadata.Name, "-n", harness.Database, "--force", "--grace-period=0")
		require.NoError(t, err)
	}, nothing)
}

// TestNoRowIsLostWhenEveryMemberIsDeletedAgainAndAgain ends all members at once
// with more or less time to do it in, sometimes within seconds of a promotion:
// then two of them may take one timeline, see docs/decisions/0071.
func TestNoRowIsLostWhenEveryMemberIsDeletedAgainAndAgain(t *testing.T) {
	const seed = 7
	dice := rand.New(rand.NewPCG(seed, 0))
	survives(t, func(t *testing.T, _ harness.Pod) {
		for round := range deletions {
			how := []string{"--force", "--grace-period=0"}
			if round%3 > 0 {
				how = []string{fmt.Sprintf("--grace-period=%d", 1+dice.IntN(12))}
			}
			ctx := within(t, 5*time.Minute)
			old, err := live.Pods(ctx, harness.Database, members)
			require.NoError(t, err)
			_, err = live.Kubectl(ctx, append([]string{
				"delete", "pods", "-n", harness.Database, "-l", members, "--wait=false"}, how...)...)
			require.NoError(t, err)
			require.NoError(t, eventually(ctx, func() error {
				if err := gone(ctx, harness.Database, members, old); err != nil {
					return err
				}
				pods, err := live.Pods(ctx, harness.Database, members)
				if err != nil {
					return err
				}
				if len(pods) < len(old) {
					return fmt.Errorf("%d members of %d are there", len(pods), len(old))
				}
				return nil
			}))
			healthy(t)
			time.Sleep(time.Duration(dice.IntN(5000)) * time.Millisecond)
		}
	}, nothing)
}

// TestNoRowIsLostWhenPostgreSQLIsKilled ends every process of the leader's server
// at once, and leaves Patroni, which decides whether the same member goes on.
func TestNoRowIsLostWhenPostgreSQLIsKilled(t *testing.T) {
	survives(t, func(t *testing.T, victim harness.Pod) {
		out, err := live.Kubectl(within(t, time.Minute), "exec", "-n", harness.Database, victim.Metadata.Name, "--",
			"sh", "-c", `killed=0
for file in /proc/[0-9]*/comm; do
	read -r name <"$file" 2>/dev/null || continue
	[ "$name" = postgres ] || continue
	process=${file%/comm}
	kill -KILL "${process#/proc/}" && killed=$((killed + 1))
done
echo "$killed"`)
		require.NoError(t, err, out)
		require.NotEqual(t, "0", strings.TrimSpace(out), "no process of PostgreSQL was found")
	}, nothing)
}

func TestNoRowIsLostWhenTheLeadersNodeIsDrained(t *testing.T) {
	faulty(t, func(t *testing.T, victim harness.Pod) {
		_, err := live.Kubectl(within(t, 5*time.Minute), "drain", victim.Spec.NodeName,
			"--ignore-daemonsets", "--delete-emptydir-data", "--timeout=4m")
		require.NoError(t, err)
	}, func(t *testing.T, victim harness.Pod) {
		_, err := live.Kubectl(within(t, time.Minute), "uncordon", victim.Spec.NodeName)
		require.NoError(t, err)
	})
}

func TestNoRowIsLostWhenTheLeadersNodeIsCutOff(t *testing.T) {
	node := func(t *testing.T, verb, name string) {
		out, err := harness.Slipway(within(t, 2*time.Minute), live.Checkout, "lab", "node", verb, name)
		require.NoError(t, err, out)
	}
	faulty(t, func(t *testing.T, victim harness.Pod) {
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := harness.Slipway(ctx, live.Checkout, "lab", "node", "heal", victim.Spec.NodeName)
			require.NoError(t, err)
		})
		node(t, "cut", victim.Spec.NodeName)
	}, func(t *testing.T, victim harness.Pod) {
		node(t, "heal", victim.Spec.NodeName)
	})
}
