//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/flow"
	"slipway.dev/slipway/tests/harness"
)

// TestAttackEveryWall tries every connection between the pods that run, from
// every kind of pod to every kind of pod at every port that any policy names
// and one that none does, and from and to a machine beside the cluster; and
// compares with what the stack declared. Besides the platform's pods there is
// one without labels in each of its namespaces, and one in a namespace of its
// own.
func TestAttackEveryWall(t *testing.T) {
	healthy(t)
	declared, err := live.Declared(within(t, time.Minute))
	require.NoError(t, err)
	rules, _ := flow.Declared(declared)
	require.NotEmpty(t, rules.Policies)
	startProbe(t, "e2e-stranger", nil)
	namespaces := slices.Sorted(maps.Keys(rules.Namespaces))
	for _, namespace := range namespaces {
		inNamespace(t, namespace, nil)
	}
	rules = elsewhere(rules, "e2e-stranger", "kube-system")

	from, to := stands(t)
	outside, server := neighbour(t), machine(t)
	named := flow.PortsOf(rules)
	for _, one := range append(slices.Clone(to), outside) {
		one.listen(t, one.asked(named))
		for _, port := range one.asked(named) {
			require.True(t, one.reaches(one.Address, port, 5*time.Second), "nothing answers at %s in %s, not even the pod itself", port, one.Name)
		}
	}
	from, to = append(from, outside, server), append(to, outside, server)
	seen := map[string]bool{}
	for _, one := range from {
		seen[one.Namespace] = true
	}
	for _, namespace := range namespaces {
		require.True(t, seen[namespace], "no pod of namespace %s attacks", namespace)
	}

	all := attempts(rules, from, to)
	allowed := 0
	for _, a := range all {
		if a.allowed {
			allowed++
		}
	}
	began := time.Now()
	wrong := try(all, time.Second)
	t.Logf("%d pods and machines tried %d connections in %s, %d of them allowed; %d are tried again",
		len(from), len(all), time.Since(began).Round(time.Second), allowed, len(wrong))
	wrong = settled(within(t, time.Minute), wrong)
	require.Empty(t, wrong, "the walls stand otherwise than declared:\n%s", report(wrong))
	require.Less(t, allowed, len(all)/2, "most of it is allowed, so little was tested")

	t.Run("a hole that nobody declared is found", func(t *testing.T) {
		remove := func() error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			_, err := live.Kubectl(ctx, "delete", "networkpolicy", "e2e-hole", "-n", harness.API, "--ignore-not-found")
			return err
		}
		t.Cleanup(func() { require.NoError(t, remove()) })
		_, err := live.KubectlInput(within(t, time.Minute), fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: e2e-hole, namespace: %s}
spec:
  podSelector: {matchLabels: {app.kubernetes.io/component: web}}
  policyTypes: [Ingress]
  ingress: [{ports: [{port: 8000}]}]
`, harness.API), "apply", "-f", "-")
		require.NoError(t, err)
		var found []attempt
		require.NoError(t, eventually(within(t, time.Minute), func() error {
			found = try(between(all, "e2e-stranger/probe", harness.API), time.Second)
			if len(found) == 0 {
				return errNotReached
			}
			return nil
		}), "the hole is not noticed")
		for _, a := range found {
			require.False(t, a.allowed, "%s", report(found))
			require.Equal(t, flow.Port{Number: 8000, Protocol: corev1.ProtocolTCP}, a.port, "%s", report(found))
		}
		require.NoError(t, remove())
		require.Empty(t, settled(within(t, time.Minute), found), "the hole is still open")
	})
	t.Run("a policy that nobody declared is found", func(t *testing.T) {
		const missing = "allow-database"
		less := rules
		less.Policies = slices.DeleteFunc(slices.Clone(rules.Policies), func(p networkingv1.NetworkPolicy) bool { return p.Name == missing })
		require.Len(t, less.Policies, len(rules.Policies)-1)
		found := try(between(attempts(less, from, to), harness.API+"/", harness.Database), 5*time.Second)
		require.NotEmpty(t, found, "without the policy %s the same would be expected", missing)
		for _, a := range found {
			require.Equal(t, int32(5432), a.port.Number, "%s", report(found))
		}
	})
}

// elsewhere adds namespaces that the stack did not declare and that no policy
// is about.
func elsewhere(rules flow.Rules, names ...string) flow.Rules {
	all := maps.Clone(rules.Namespaces)
	for _, name := range names {
		all[name] = map[string]string{"kubernetes.io/metadata.name": name}
	}
	return flow.Rules{Namespaces: all, Policies: rules.Policies}
}

// between are the attempts from stands whose name begins so to pods of a
// namespace.
func between(all []attempt, from, namespace string) []attempt {
	var some []attempt
	for _, a := range all {
		if strings.HasPrefix(a.from.Name, from) && a.to.Namespace == namespace {
			some = append(some, a)
		}
	}
	return some
}
