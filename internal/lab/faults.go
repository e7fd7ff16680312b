package lab

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Node is one node of the lab, to be harmed and healed.
type Node struct {
	lab *Lab
	Placement
}

// Node finds a node of the lab by name.
func (l *Lab) Node(name string) (*Node, error) {
	placement, err := placementOf(name)
	if err != nil {
		return nil, err
	}
	set, err := l.remembered()
	if err != nil {
		return nil, err
	}
	if placement.Index > set.Nodes {
		return nil, fmt.Errorf("the lab has %d nodes, there is no %s", set.Nodes, name)
	}
	return &Node{l, placement}, nil
}

// Stop ends the node the way a power cut does: every process is killed at
// once, pods included, and its network disappears. Disks stay. Start, or Up,
// boots it again.
func (n *Node) Stop(ctx context.Context) error {
	unlock, err := n.lab.exclude(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return n.lab.fell(ctx, n.Placement, 0)
}

// Start boots a stopped node. On a running one it repairs what is missing.
func (n *Node) Start(ctx context.Context, report io.Writer) error {
	unlock, err := n.lab.exclude(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	nodes, err := n.lab.nodes()
	if err != nil {
		return err
	}
	if err := ensureCgroups([]Placement{n.Placement}); err != nil {
		return err
	}
	bridge, err := n.lab.ensureBridge()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, upWithin, fmt.Errorf("not done after %s", upWithin))
	defer cancel()
	p := &progress{out: report, start: time.Now()}
	if err := n.lab.raiseGround(ctx, n.Placement, nodes, bridge, p); err != nil {
		return err
	}
	return n.lab.raiseNode(ctx, n.Placement, p)
}

// Cut unplugs the node's cable: it and its pods go on, but reach nobody and
// are reached by nobody. Heal, Start and Up plug it in again.
func (n *Node) Cut() error { return n.plug(netlink.LinkSetDown) }

// Heal plugs the node's cable in.
func (n *Node) Heal() error { return n.plug(netlink.LinkSetUp) }

func (n *Node) plug(change func(netlink.Link) error) error {
	if err := requireRoot(); err != nil {
		return err
	}
	link, err := netlink.LinkByName(n.Link)
	if err != nil {
		return fmt.Errorf("finding the cable of %s: %w (is the node stopped? `slipway lab node start %s`)", n.Name, err, n.Name)
	}
	if err := change(link); err != nil {
		return fmt.Errorf("changing the cable of %s: %w", n.Name, err)
	}
	return nil
}

// fell ends everything of a node and takes its ground away. Pods get grace to
// end by themselves.
func (l *Lab) fell(ctx context.Context, node Placement, grace time.Duration) error {
	all, err := l.processes()
	if err != nil {
		return err
	}
	// The kubelet first, or it would start again what is ended.
	for _, component := range []string{"kubelet", "kube-router", "kube-proxy"} {
		for _, r := range all {
			if r.component != node.Name+"/"+component {
				continue
			}
			if err := r.stop(ctx, unix.SIGKILL, time.Second); err != nil {
				return err
			}
		}
	}
	if err := emptyCgroup(ctx, nodeCgroup(node.Name), grace); err != nil {
		return err
	}
	// containerd and its shims carry the component's name in their environment.
	if err := l.killComponent(ctx, node.Name+"/containerd"); err != nil {
		return err
	}
	if err := emptyCgroup(ctx, nodeCgroup(node.Name), 0); err != nil {
		return err
	}
	if err := l.dropMounts(node.Name); err != nil {
		return err
	}
	if err := removeNodeNetwork(node); err != nil {
		return err
	}
	return removeCgroup(nodeCgroup(node.Name))
}
