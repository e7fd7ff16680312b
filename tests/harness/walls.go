package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/flow"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/rule"
)

// project is what Pulumi.yaml calls the program.
const project = "slipway"

// Declared is what the local stack declared at its last update, as the state
// has it: what the program wanted, whatever has become of it in the cluster.
func (p *Platform) Declared(ctx context.Context) (*rule.Stack, error) {
	place, err := backend.Open(ctx, "file://"+paths.Pulumi())
	if err != nil {
		return nil, err
	}
	defer func() { _ = place.Close() }()
	stack, err := place.Stack(project, platform.Local)
	if err != nil {
		return nil, err
	}
	raw, err := stack.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	var state struct {
		Checkpoint struct {
			Latest json.RawMessage `json:"latest"`
		} `json:"checkpoint"`
	}
	if err := json.Unmarshal(raw, &state); err != nil {
		return nil, fmt.Errorf("reading the state of stack %s: %w", platform.Local, err)
	}
	doc, err := document.Read("the state of stack "+platform.Local, state.Checkpoint.Latest)
	if err != nil {
		return nil, err
	}
	return rule.NewStack(platform.Local, doc.Resources...), nil
}

// LivePod is a pod as network policies see it.
type LivePod struct {
	flow.End
	UID, Node string
}

// LivePods are the pods of the cluster that run in a network of their own, in
// the order of their names.
func (p *Platform) LivePods(ctx context.Context) ([]LivePod, error) {
	var list corev1.PodList
	if err := p.Get(ctx, &list, "pods", "--all-namespaces"); err != nil {
		return nil, err
	}
	var pods []LivePod
	for _, pod := range list.Items {
		if pod.Spec.HostNetwork || pod.Status.Phase != corev1.PodRunning || pod.DeletionTimestamp != nil {
			continue
		}
		address, err := netip.ParseAddr(pod.Status.PodIP)
		if err != nil {
			return nil, fmt.Errorf("pod %s/%s runs at the address %q: %w", pod.Namespace, pod.Name, pod.Status.PodIP, err)
		}
		one := LivePod{
			End: flow.End{Name: pod.Namespace + "/" + pod.Name, Namespace: pod.Namespace, Labels: pod.Labels, Address: address},
			UID: string(pod.UID), Node: pod.Spec.NodeName,
		}
		for _, c := range pod.Spec.Containers {
			one.Ports = append(one.Ports, c.Ports...)
		}
		pods = append(pods, one)
	}
	slices.SortFunc(pods, func(a, b LivePod) int { return strings.Compare(a.Name, b.Name) })
	return pods, nil
}
