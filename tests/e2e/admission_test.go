//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/example"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/tests/harness"
)

const partOf = "app.kubernetes.io/part-of"

// openNamespace makes a namespace of the loosest pod security standard that the
// policies allow, so that hardly anything but a policy can refuse what is sent
// there. Labels go on the namespace.
func openNamespace(t *testing.T, name, labels string) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		_, err := live.Kubectl(ctx, "delete", "namespace", name, "--ignore-not-found", "--wait=true")
		require.NoError(t, err)
	})
	_, err := live.KubectlInput(within(t, time.Minute), fmt.Sprintf(
		"apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {pod-security.kubernetes.io/enforce: baseline%s}}\n", name, labels),
		"create", "-f", "-")
	require.NoError(t, err)
}

// soundPod breaks no rule; security is added to its container's.
func soundPod(namespace, security string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: sent-by-hand, namespace: %s}
spec:
  automountServiceAccountToken: false
  securityContext: {runAsNonRoot: true, runAsUser: 65532, runAsGroup: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: only
    image: docker.io/library/busybox:1.35
    command: [busybox, sleep, "3600"]
    resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {cpu: 200m, memory: 32Mi}}
    securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}%s}
`, namespace, security)
}

const (
	gaining = ", allowPrivilegeEscalation: true"
	held    = ", allowPrivilegeEscalation: false"
)

// TestKubectlCannotWalkAroundThePolicies sends by hand what an update would have
// been stopped for.
func TestKubectlCannotWalkAroundThePolicies(t *testing.T) {
	const ours, others = "e2e-admission", "e2e-admission-others"
	openNamespace(t, ours, ", "+partOf+": slipway")
	openNamespace(t, others, "")
	send := func(pod string) error {
		_, err := live.KubectlInput(within(t, time.Minute), pod, "create", "--dry-run=server", "-f", "-")
		return err
	}
	// A namespace's default account follows the namespace after a moment.
	ctx := within(t, time.Minute)
	for _, namespace := range []string{ours, others} {
		require.NoError(t, eventually(ctx, func() error { return send(soundPod(namespace, held)) }),
			"positive control: a pod that breaks no rule is admitted in %s", namespace)
	}
	err := send(soundPod(ours, gaining))
	require.ErrorContains(t, err, "slipway-no-privilege-escalation", "a pod that may gain rights was admitted")
	err = send(soundPod(ours, held+", runAsUser: 0"))
	require.ErrorContains(t, err, "slipway-run-as-non-root")
	require.ErrorContains(t, err, catalogue.Find("run-as-non-root").Remedy)
	err = send(strings.Replace(soundPod(ours, held), "docker.io/library/", "docker.io/anyone/", 1))
	require.ErrorContains(t, err, "slipway-image-registry", "an image from anywhere was admitted")
	require.NoError(t, send(soundPod(others, gaining)), "negative control: it is the policy that refuses, not the cluster")

	_, err = live.Kubectl(within(t, time.Minute), "label", "namespace", ours, "--overwrite", "pod-security.kubernetes.io/enforce=privileged")
	require.ErrorContains(t, err, "slipway-pod-security-labels", "a namespace holds its pods to nothing")
	_, err = live.Kubectl(within(t, time.Minute), "label", "namespace", ours, partOf+"-")
	require.ErrorContains(t, err, "slipway-label-kept", "a namespace got out of reach of the policies")
	_, err = live.Kubectl(within(t, time.Minute), "create", "role", "all", "-n", harness.API, "--verb=*", "--resource=pods", "--dry-run=server")
	require.ErrorContains(t, err, "slipway-no-wildcard-rights")
}

// TestThePlatformsOwnPodsAreAdmitted: a pod that is lost must be let in again.
// What runs is sent once more under other names, to be judged and not kept.
func TestThePlatformsOwnPodsAreAdmitted(t *testing.T) {
	seen := 0
	for _, namespace := range []string{harness.API, harness.Database, harness.Ingress, "slipway-dns", "cert-manager"} {
		var list struct {
			Items []map[string]any `json:"items"`
		}
		require.NoError(t, live.Get(within(t, time.Minute), &list, "pods", "-n", namespace))
		for _, pod := range list.Items {
			meta, spec := pod["metadata"].(map[string]any), pod["spec"].(map[string]any)
			again := map[string]any{"name": fmt.Sprint(meta["name"], "-again"), "namespace": namespace, "labels": meta["labels"]}
			delete(spec, "nodeName")
			// The server wrote what these keys stand for beside them, and takes
			// only one of the two.
			constraints, _ := spec["topologySpreadConstraints"].([]any)
			for _, one := range constraints {
				delete(one.(map[string]any), "matchLabelKeys")
			}
			raw, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": again, "spec": spec})
			require.NoError(t, err)
			_, err = live.KubectlInput(within(t, time.Minute), string(raw), "create", "--dry-run=server", "-f", "-")
			require.NoError(t, err)
			seen++
		}
	}
	require.Greater(t, seen, 10, "hardly any pod of the platform runs")
}

// TestPackAndAPIServerAgree sends generated objects to the API server, to be
// judged and not kept, and has the pack judge the same. What the server refuses
// before it asks a policy, because it is no such object at all, does not count.
func TestPackAndAPIServerAgree(t *testing.T) {
	const (
		namespace = "e2e-agreement"
		wanted    = 2000
	)
	openNamespace(t, namespace, ", "+partOf+": slipway")
	var expressed []*rule.Rule
	for _, r := range catalogue.Rules() {
		if r.Admission != nil {
			expressed = append(expressed, r)
		}
	}
	judge := rule.NewJudge(catalogue.Rules())
	limits := example.Settings(example.Stack).Limits
	verdicts := func(r *rule.Resource) map[string]bool {
		failed := map[string]bool{}
		for _, f := range judge.Resource(rule.NewStack(example.Stack, r), r, limits) {
			if f.Rule.Admission != nil || f.Rule.ID == rule.Readable {
				failed[f.Rule.ID] = true
			}
		}
		return failed
	}
	compared, refused := 0, map[string]int{}
	for seed := uint64(1); compared < wanted; seed++ {
		require.LessOrEqual(t, seed, uint64(20), "only %d objects reached a policy", compared)
		objects, err := example.Vary(expressed, seed, 500, func(r *rule.Resource) bool { return !verdicts(r)[rule.Readable] && r.Text("kind") != "" })
		require.NoError(t, err)
		sent := map[string]*rule.Resource{}
		list := map[string]any{"apiVersion": "v1", "kind": "List"}
		var items []any
		for i, r := range objects {
			name := "o" + strconv.Itoa(i) + "-" + strings.ToLower(r.ObjectName())
			if r = placed(r, name, namespace); r == nil {
				continue
			}
			sent[name] = r
			items = append(items, r.Properties())
		}
		list["items"] = items
		raw, err := json.Marshal(list)
		require.NoError(t, err)
		out, err := live.KubectlInput(within(t, 5*time.Minute), string(raw), "create", "--dry-run=server", "--validate=ignore", "-f", "-")
		said := out
		if err != nil {
			said += err.Error()
		}
		for name, verdict := range answers(said) {
			r := sent[name]
			require.NotNil(t, r, "the server speaks of %q", name)
			failed := verdicts(r)
			compared++
			refused[verdict]++
			if verdict == "" && len(failed) > 0 || verdict != "" && !failed[verdict] {
				t.Errorf("the API server says %q, the pack %v, of %v", verdict, failed, r.Properties())
			}
		}
	}
	t.Logf("%d objects; admitted and refused: %v", compared, refused)
	require.Greater(t, refused[""], wanted/10, "hardly anything was admitted")
}

// invalid are rules whose examples are no valid objects: the server refuses them
// before it asks a policy.
var invalid = map[string]string{
	"job-restart-policy": "a Job that restarts always",
	"not-privileged":     "a privileged container that may not gain rights",
}

// TestEachRulesExampleIsRefused: by the policy of that rule, which its message
// names. An example breaks one rule alone, so that no other can have refused it.
func TestEachRulesExampleIsRefused(t *testing.T) {
	const namespace = "e2e-examples"
	openNamespace(t, namespace, ", "+partOf+": slipway")
	for _, r := range catalogue.Rules() {
		if r.Admission == nil {
			continue
		}
		t.Run(r.ID, func(t *testing.T) {
			platform, err := example.Broken(r.Example)
			require.NoError(t, err)
			i := slices.IndexFunc(platform.Resources, func(one *rule.Resource) bool { return one.ID() == r.Example.Resource })
			require.GreaterOrEqual(t, i, 0, "the example platform has no %s", r.Example.Resource)
			name := "example-" + r.ID
			if platform.Resources[i].Namespace() == "" {
				name = platform.Resources[i].ObjectName() // which some rules go by
			}
			broken := placed(platform.Resources[i], name, namespace)
			require.NotNil(t, broken)
			raw, err := json.Marshal(broken.Properties())
			require.NoError(t, err)
			_, err = live.KubectlInput(within(t, time.Minute), string(raw), "create", "--dry-run=server", "--validate=ignore", "-f", "-")
			if why := invalid[r.ID]; why != "" {
				require.ErrorContains(t, err, "is invalid", why)
				return
			}
			require.ErrorContains(t, err, "ValidatingAdmissionPolicy 'slipway-"+r.ID+"'")
		})
	}
}

// placed is an object under a name of its own, where policies hold for it; nil
// for one whose labels are no labels.
func placed(r *rule.Resource, name, namespace string) *rule.Resource {
	places := map[string]any{"metadata.name": name, `metadata.labels["` + partOf + `"]`: "slipway"}
	if r.Namespace() != "" {
		places["metadata.namespace"] = namespace
	}
	for path, value := range places {
		var err error
		if r, err = r.With(path, value); err != nil {
			return nil
		}
	}
	return r
}

var (
	admittedLine = regexp.MustCompile(`(?m)^[a-z.]+/(o\d+-\S+) created \(server dry run\)$`)
	refusedLine  = regexp.MustCompile(`"(o\d+-[^"]+)" is (?:forbidden|invalid): (?:: )?ValidatingAdmissionPolicy 'slipway-([a-z0-9-]+)'`)
)

// answers are what kubectl printed, by the object's name: the rule that refused
// it, or "".
func answers(said string) map[string]string {
	verdicts := map[string]string{}
	for _, match := range admittedLine.FindAllStringSubmatch(said, -1) {
		verdicts[match[1]] = ""
	}
	for _, match := range refusedLine.FindAllStringSubmatch(said, -1) {
		verdicts[match[1]] = match[2]
	}
	return verdicts
}
