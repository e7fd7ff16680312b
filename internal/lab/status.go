package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// Status is what the lab looks like at one moment.
type Status struct {
	// Running is true when every component runs and every node is Ready.
	Running    bool         `json:"running"`
	API        string       `json:"api"`        // URL
	APIAnswers bool         `json:"apiAnswers"` // ready to serve
	Kubeconfig string       `json:"kubeconfig"` // path
	Nodes      []NodeStatus `json:"nodes"`
	Components []Component  `json:"components"`
	// ResidentMiB is the memory of all components, without pods.
	ResidentMiB int `json:"residentMiB"`
}

// NodeStatus is one node's.
type NodeStatus struct {
	Name    string `json:"name"`
	Zone    string `json:"zone"`
	Address string `json:"address"`
	// State is "ready", "not ready", "cut off", "stopped" or "unknown".
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
}

// Component is one process that should run.
type Component struct {
	Name string `json:"name"`
	// PID is 0 when it does not run.
	PID int `json:"pid"`
	// ResidentMiB counts a page that several processes share, as those of one
	// program do, by each one's part, so that components add up.
	ResidentMiB int    `json:"residentMiB"`
	CPUSeconds  int    `json:"cpuSeconds"` // since its start
	Log         string `json:"log"`
}

// nodeComponents run once per node.
var nodeComponents = []string{"containerd", "kubelet", "kube-proxy", "kube-router"}

// machineComponents run once.
var machineComponents = []string{"etcd", "apiserver", "controller-manager", "scheduler", "doors"}

// clockTicks per second of /proc/<pid>/stat, the same on all Linux systems
// that Go runs on.
const clockTicks = 100

// Status reports on the lab; ErrNoLab when there never was one. A stopped lab
// is no error.
func (l *Lab) Status(ctx context.Context) (Status, error) {
	nodes, err := l.nodes()
	if err != nil {
		return Status{}, err
	}
	all, err := l.processes()
	if err != nil {
		return Status{}, err
	}
	status := Status{API: serverURL(), Kubeconfig: l.kubeconfig(), Running: true}
	names := slices.Clone(machineComponents)
	for _, node := range nodes {
		for _, component := range nodeComponents {
			names = append(names, node.Name+"/"+component)
		}
	}
	for _, name := range names {
		component := Component{Name: name, Log: l.log(name)}
		for _, r := range all {
			if r.component != name {
				continue
			}
			component.PID = r.pid
			if s, err := readStat(r.pid); err == nil {
				component.CPUSeconds = int(s.cpu / clockTicks) //nolint:gosec // far below the limit
			}
			if resident, err := residentKiB(r.pid); err == nil {
				component.ResidentMiB = resident >> 10
			}
		}
		status.Running = status.Running && component.PID != 0
		status.ResidentMiB += component.ResidentMiB
		status.Components = append(status.Components, component)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	reported, err := l.nodeObjects(ctx)
	status.APIAnswers = err == nil
	for _, node := range nodes {
		ns := l.nodeStatus(node, all, reported, status.APIAnswers)
		status.Running = status.Running && ns.State == "ready"
		status.Nodes = append(status.Nodes, ns)
	}
	return status, nil
}

// residentKiB is the proportional set size of a process.
func residentKiB(pid int) (int, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(content), "\n") {
		var kib int
		if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kib); n == 1 {
			return kib, nil
		}
	}
	return 0, fmt.Errorf("process %d: smaps_rollup names no Pss", pid)
}

func (l *Lab) nodeObjects(ctx context.Context) (map[string]nodeObject, error) {
	client, err := l.api()
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []nodeObject `json:"items"`
	}
	if err := client.get(ctx, "/api/v1/nodes", &list); err != nil {
		return nil, err
	}
	found := map[string]nodeObject{}
	for _, item := range list.Items {
		found[item.Metadata.Name] = item
	}
	return found, nil
}

func (l *Lab) nodeStatus(node Placement, all []running, reported map[string]nodeObject, apiAnswers bool) NodeStatus {
	status := NodeStatus{Name: node.Name, Zone: node.Zone, Address: node.Address.String()}
	stopped := !slices.ContainsFunc(all, func(r running) bool { return strings.HasPrefix(r.component, node.Name+"/") })
	link, err := netlink.LinkByName(node.Link)
	object, known := reported[node.Name]
	ready, reason := object.ready()
	switch {
	case stopped:
		status.State = "stopped"
	case err == nil && link.Attrs().Flags&1 == 0: // not up
		status.State = "cut off"
	case !apiAnswers:
		status.State, status.Reason = "unknown", "the API server does not answer"
	case !known:
		status.State, status.Reason = "not ready", "it has not registered yet"
	case ready:
		status.State = "ready"
	default:
		status.State, status.Reason = "not ready", reason
	}
	return status
}

// Settle waits until every node is Ready and the cluster's DNS answers, and,
// with all, until the other add-ons work too. The images must be loaded.
func (l *Lab) Settle(ctx context.Context, all bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, upWithin, fmt.Errorf("not done after %s", upWithin))
	defer cancel()
	checks := []func(context.Context) error{l.nodesReady, l.dnsAnswers}
	if all {
		checks = append(checks, l.addonsReady)
	}
	for _, check := range checks {
		for {
			err := check(ctx)
			if err == nil {
				break
			}
			if errors.Is(err, ErrNoLab) {
				return err
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for the lab: %w: %w", context.Cause(ctx), err)
			case <-time.After(150 * time.Millisecond):
			}
		}
	}
	return nil
}

func (l *Lab) nodesReady(ctx context.Context) error {
	nodes, err := l.nodes()
	if err != nil {
		return err
	}
	reported, err := l.nodeObjects(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, node := range nodes {
		if ready, reason := reported[node.Name].ready(); !ready {
			faults = append(faults, fmt.Errorf("%s is not ready: %s", node.Name, reason))
		}
	}
	return errors.Join(faults...)
}
