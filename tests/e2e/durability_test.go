//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/tests/harness"
)

// volumes lists which volume each database claim is bound to.
func volumes(t *testing.T) []string {
	t.Helper()
	out, err := live.Kubectl(within(t, time.Minute), "get", "pvc", "-n", harness.Database,
		"-o", `jsonpath={range .items[*]}{.metadata.name}={.spec.volumeName} {end}`)
	require.NoError(t, err)
	bound := strings.Fields(out)
	slices.Sort(bound)
	return bound
}

func TestARowAndItsVolumesSurviveTheDeletionOfEveryPod(t *testing.T) {
	healthy(t)
	id := store(t, "survivor", 42)
	before := volumes(t)
	require.Len(t, before, 4, "each member has one, and the repository of backups")
	ctx := within(t, 5*time.Minute)
	old := map[string][]harness.Pod{}
	for _, namespace := range []string{harness.Database, harness.API, harness.Ingress} {
		var err error
		old[namespace], err = live.Pods(ctx, namespace, "")
		require.NoError(t, err)
		_, err = live.Kubectl(ctx, "delete", "pods", "--all", "-n", namespace, "--wait=false")
		require.NoError(t, err)
	}
	// The answer must come from those that follow them.
	for namespace, pods := range old {
		require.NoError(t, eventually(ctx, func() error { return gone(ctx, namespace, "", pods) }))
	}
	healthy(t)
	replicating(t)
	res := ask(t, http.MethodGet, "/v1/items/"+id, nil, nil)
	require.Equal(t, http.StatusOK, res.status, "%s", res.body)
	require.Equal(t, "survivor", res.json(t)["name"])
	require.Equal(t, before, volumes(t))
}
