//go:build e2e

package e2e

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/tests/harness"
)

// address finds the cluster address and port of a service.
func address(t *testing.T, namespace, service string) string {
	t.Helper()
	ip, err := live.Kubectl(within(t, time.Minute), "get", "service", service, "-n", namespace, "-o", "jsonpath={.spec.clusterIP}")
	require.NoError(t, err)
	return ip
}

// TestPoliciesWallOffTheDatabase asks the same two questions from three
// places. The API's own pods reach the pooler, which shows that the probe's
// question can be answered; the same pod under other labels, and a pod of
// another namespace, do not.
func TestPoliciesWallOffTheDatabase(t *testing.T) {
	healthy(t)
	pods, err := live.Pods(within(t, time.Minute), harness.Database, members+","+leaderLabel)
	require.NoError(t, err)
	require.Len(t, pods, 1)
	member := pods[0].Status.PodIP
	api, err := live.Pods(within(t, time.Minute), harness.API, "app.kubernetes.io/name=api")
	require.NoError(t, err)
	require.NotEmpty(t, api)
	pooler := address(t, harness.Database, "postgres-pooler")

	stranger := startProbe(t, "e2e-stranger", nil)
	require.False(t, stranger.reaches(t, pooler, 5432), "another namespace reaches the pooler")
	require.False(t, stranger.reaches(t, member, 5432), "another namespace reaches PostgreSQL")
	require.False(t, stranger.reaches(t, member, 8008), "another namespace reaches Patroni")
	require.False(t, stranger.reaches(t, api[0].Status.PodIP, 8000), "another namespace reaches the API past Traefik")
	require.True(t, stranger.reaches(t, "10.96.0.1", 443), "positive control: a namespace without policies reaches the API server")

	inside := inNamespace(t, harness.API, nil)
	require.False(t, inside.reaches(t, pooler, 5432), "default deny does not hold for an unlabelled pod")
	labels := []string{"label", "pod", "probe", "-n", harness.API}
	for _, key := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"} {
		if value := api[0].Metadata.Labels[key]; value != "" {
			labels = append(labels, key+"="+value)
		}
	}
	_, err = live.Kubectl(within(t, time.Minute), labels...)
	require.NoError(t, err)
	ctx := within(t, time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		if !inside.reaches(t, pooler, 5432) {
			return errNotReached
		}
		return nil
	}), "positive control: a pod with the API's labels reaches the pooler")
	require.False(t, inside.reaches(t, member, 8008), "the API reaches Patroni")
}
