//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// probe is a pod a test looks at the cluster from.
type probe struct{ namespace string }

// startProbe makes a namespace with one busybox pod, and removes both after
// the test. Labels go on the namespace.
func startProbe(t *testing.T, namespace string, labels map[string]string) probe {
	t.Helper()
	marks := "pod-security.kubernetes.io/enforce: restricted"
	for k, v := range labels {
		marks += fmt.Sprintf("\n    %s: %q", k, v)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		_, err := live.Kubectl(ctx, "delete", "namespace", namespace, "--ignore-not-found", "--wait=true")
		require.NoError(t, err)
	})
	_, err := live.KubectlInput(within(t, time.Minute), fmt.Sprintf(`
apiVersion: v1
kind: Namespace
metadata:
  name: %[1]s
  labels:
    %[2]s
`, namespace, marks), "apply", "-f", "-")
	require.NoError(t, err)
	p := probe{namespace}
	p.place(t)
	return p
}

// inNamespace starts a probe pod beside the workloads of a namespace that is
// there already, with the given labels.
func inNamespace(t *testing.T, namespace string, labels map[string]string) probe {
	t.Helper()
	p := probe{namespace}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := live.Kubectl(ctx, "delete", "pod", "probe", "-n", namespace, "--ignore-not-found", "--now")
		require.NoError(t, err)
	})
	p.place(t)
	for k, v := range labels {
		_, err := live.Kubectl(within(t, time.Minute), "label", "pod", "probe", "-n", namespace, k+"="+v)
		require.NoError(t, err)
	}
	return p
}

func (p probe) place(t *testing.T) {
	t.Helper()
	// A namespace's default account follows the namespace after a moment. The
	// gate, which nobody opens, keeps a probe with the labels of a workload out
	// of its Service: clients would be sent to it.
	manifest := fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: %s}
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 0
  readinessGates: [{conditionType: slipway.dev/never}]
  securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: probe
    image: docker.io/library/busybox:1.35
    command: [busybox, sleep, "3600"]
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 200m, memory: 32Mi}}
    securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
`, p.namespace)
	ctx := within(t, 2*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		_, err := live.KubectlInput(ctx, manifest, "apply", "-f", "-")
		return err
	}))
	_, err := live.Kubectl(ctx, "wait", "pod/probe", "-n", p.namespace, "--for=condition=ContainersReady", "--timeout=90s")
	require.NoError(t, err)
}

// exec runs a busybox applet in the pod.
func (p probe) exec(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := live.Kubectl(within(t, time.Minute), append([]string{"exec", "-n", p.namespace, "probe", "--", "busybox"}, args...)...)
	return out, err
}

// reaches tells whether a TCP connection is made within a few seconds; the
// program after -e runs only once it is.
func (p probe) reaches(t *testing.T, host string, port int) bool {
	t.Helper()
	_, err := p.exec(t, "nc", "-w", "3", host, fmt.Sprint(port), "-e", "/bin/busybox", "true")
	if err != nil && !strings.Contains(err.Error(), "exit code") && !strings.Contains(err.Error(), "terminated with exit") {
		require.NoError(t, err, "asking from the probe")
	}
	return err == nil
}
