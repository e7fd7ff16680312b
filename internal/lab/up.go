package lab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

// raise brings up, in parallel where nothing is waited for: certificates, then
// control plane and the nodes' ground (network, directories, containerd), then
// what needs the API.
func (l *Lab) raise(ctx context.Context, set settings, nodes []Placement, p *progress) error {
	ctx, cancel := context.WithTimeoutCause(ctx, upWithin, fmt.Errorf("not done after %s", upWithin))
	defer cancel()
	for _, dir := range []string{l.state, l.run, l.etcd()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("making a directory of the lab: %w", err)
		}
	}
	if err := l.certify(nodes, time.Now()); err != nil {
		return err
	}
	if err := l.configureControlPlane(); err != nil {
		return err
	}
	if err := ensureCgroups(nodes); err != nil {
		return err
	}
	if err := shareNamespaceDir(); err != nil {
		return err
	}
	bridge, err := l.ensureBridge()
	if err != nil {
		return err
	}
	if err := ensureFirewall(ctx); err != nil {
		return err
	}
	if err := l.dropExtraNodes(ctx, nodes, p); err != nil {
		return err
	}

	ready := make(chan struct{}) // closed when the API answers
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.raiseControlPlane(ctx, set, p, ready) })
	group.Go(func() error { return l.raiseDoors(ctx, nodes, p) })
	for _, node := range nodes {
		group.Go(func() error {
			if err := l.raiseGround(ctx, node, nodes, bridge, p); err != nil {
				return err
			}
			select {
			case <-ready:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			return l.raiseNode(ctx, node, p)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if p.begun == 0 {
		p.say("everything ran already")
	}
	return nil
}

// configureControlPlane writes every file that a component of the control
// plane reads.
func (l *Lab) configureControlPlane() error {
	for component, identity := range map[string]string{"controller-manager": "controller-manager", "scheduler": "scheduler"} {
		content, err := l.componentKubeconfig(identity)
		if err != nil {
			return fmt.Errorf("composing the kubeconfig of %s: %w", component, err)
		}
		if err := writeFile(l.config(component+".kubeconfig"), content, 0o600); err != nil {
			return err
		}
	}
	if err := writeFile(l.config("audit-policy.yaml"), []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	// What pods with the node's DNS get: the cluster's, since there is no other.
	if err := writeFile(l.config("resolv.conf"), []byte("nameserver "+ClusterDNS+"\n"), 0o644); err != nil {
		return err
	}
	content, err := l.adminKubeconfig()
	if err != nil {
		return err
	}
	return writeFile(l.kubeconfig(), content, 0o600)
}

func (l *Lab) raiseControlPlane(ctx context.Context, set settings, p *progress, ready chan<- struct{}) error {
	apiServer, err := l.apiServer(set.Audit)
	if err != nil {
		return err
	}
	controllers, err := l.controllerManager()
	if err != nil {
		return err
	}
	scheduler, err := l.scheduler()
	if err != nil {
		return err
	}
	// The API server waits for etcd by itself, so both may start at once.
	etcd := l.etcdProcess()
	for _, c := range []process{etcd, apiServer} {
		if err := l.bring(ctx, c, p); err != nil {
			return err
		}
	}
	if err := l.await(ctx, etcd); err != nil {
		return err
	}
	if err := l.await(ctx, apiServer); err != nil {
		return err
	}
	p.say("API answers at %s", serverURL())
	close(ready)
	for _, c := range []process{controllers, scheduler} {
		if err := l.bring(ctx, c, p); err != nil {
			return err
		}
	}
	if err := l.applyAddons(ctx, false); err != nil {
		return err
	}
	if err := l.forgetExtraNodes(ctx, set.Nodes); err != nil {
		return err
	}
	for _, c := range []process{controllers, scheduler} {
		if err := l.await(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// forgetExtraNodes tells the cluster of nodes that were removed, so that their
// pods are placed elsewhere at once.
func (l *Lab) forgetExtraNodes(ctx context.Context, wanted int) error {
	client, err := l.api()
	if err != nil {
		return err
	}
	for i := wanted + 1; i <= MaxNodes; i++ {
		err := client.do(ctx, http.MethodDelete, "/api/v1/nodes/"+place(i).Name, "", nil, nil)
		if err != nil && !isNotFound(err) {
			return fmt.Errorf("removing %s from the cluster: %w", place(i).Name, err)
		}
	}
	return nil
}

// bring starts a component unless it runs, and says so.
func (l *Lab) bring(ctx context.Context, c process, p *progress) error {
	started, err := l.ensureProcess(ctx, c)
	if err != nil {
		return err
	}
	if started {
		p.started(c.Name)
	}
	return nil
}

// raiseNode starts what needs the API and waits for the node's registration.
func (l *Lab) raiseNode(ctx context.Context, node Placement, p *progress) error {
	kubelet, err := l.kubelet(node)
	if err != nil {
		return err
	}
	proxy, err := l.kubeProxy(node)
	if err != nil {
		return err
	}
	router, err := l.kubeRouter(node)
	if err != nil {
		return err
	}
	for _, c := range []process{kubelet, proxy} {
		if err := l.bring(ctx, c, p); err != nil {
			return err
		}
	}
	if err := l.enrol(ctx, node); err != nil {
		return err
	}
	// kube-router gives up when its node is not registered.
	if err := l.bring(ctx, router, p); err != nil {
		return err
	}
	for _, c := range []process{kubelet, proxy, router} {
		if err := l.await(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// enrol waits until the kubelet has registered the node and adds what a
// kubelet may not say about itself: its role and its pod range.
func (l *Lab) enrol(ctx context.Context, node Placement) error {
	client, err := l.api()
	if err != nil {
		return err
	}
	path := "/api/v1/nodes/" + node.Name
	var current nodeObject
	var missed absence
	for {
		err := client.get(ctx, path, &current)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("waiting for %s to register: %w; its log is %s", node.Name, context.Cause(ctx), l.log(node.Name+"/kubelet"))
		}
		if running, scanErr := l.find(node.Name + "/kubelet"); missed.ended(scanErr != nil || len(running) > 0) {
			return fmt.Errorf("the kubelet of %s ended; its log %s says:\n%s", node.Name,
				l.log(node.Name+"/kubelet"), indent(tail(l.log(node.Name+"/kubelet"), 15)))
		}
		var api *apiError
		if errors.As(err, &api) && api.Code != http.StatusNotFound && api.Code < 500 {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	const role = "node-role.kubernetes.io/worker"
	if _, labelled := current.Metadata.Labels[role]; labelled && current.Spec.PodCIDR != "" {
		return nil
	}
	return client.merge(ctx, path, map[string]any{
		"metadata": map[string]any{"labels": map[string]string{role: ""}},
		"spec":     map[string]any{"podCIDR": node.PodRange.String(), "podCIDRs": []string{node.PodRange.String()}},
	})
}

// nodeObject is what the lab reads of a Kubernetes node.
type nodeObject struct {
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		PodCIDR       string `json:"podCIDR"`
		Unschedulable bool   `json:"unschedulable"`
	} `json:"spec"`
	Status struct {
		Conditions []struct {
			Type    string `json:"type"`
			Status  string `json:"status"`
			Reason  string `json:"reason"`
			Message string `json:"message"`
		} `json:"conditions"`
	} `json:"status"`
}

// ready says whether the node is Ready, and why not.
func (n nodeObject) ready() (bool, string) {
	for _, c := range n.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True", c.Message
		}
	}
	return false, "it has not reported yet"
}
