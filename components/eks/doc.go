// Package eks makes a Kubernetes cluster on AWS and opens it to a stack.
//
// # Who may talk to it
//
// The API answers inside the VPC, and outside only to networks that are listed.
// Access is by entries of the cluster itself, one for each role; whoever made
// the cluster has no right that is not written down, and nobody is a
// cluster-admin by accident. Who only looks does so without Secrets, unless
// it is there to compare with what was declared. The kubeconfig holds no credential: it names the
// command that gets a short-lived one for whoever runs it. The Kubernetes
// provider carries the cluster's ARN as its identifier, so that a new endpoint
// or certificate is an update of the provider and not of everything in it.
//
// # What is encrypted
//
// Secrets are encrypted in the cluster's database with a key of ours, volumes
// of nodes with another, the control plane's logs with a third. Keys are given,
// not made here.
//
// # Nodes
//
// Node groups are managed: AWS drains a node before it replaces it, and obeys
// disruption budgets. Their instances have no public address, ask for a session
// token before they answer for their metadata, and do not answer pods at all
// (one network hop): a pod has a role of its own or none. Groups have no fixed
// names, so one that must be replaced is made first and drained afterwards. The
// number of nodes between minimum and maximum belongs to whoever scales them
// and is left alone.
//
// # Order
//
// The network plugin and the agents of Pod Identity are installed before the
// first node, because a node without them never gets ready. What runs as
// ordinary pods comes after the nodes. The provider depends on all of it: a
// component in the cluster finds DNS, volumes and metrics at work, and when a
// stack is destroyed everything in the cluster is gone before its nodes are.
package eks
