// Package simcluster is a simulated Kubernetes behind a Pulumi provider, for the
// objects of a cluster that only the simulated AWS has. It serves every built-in
// kind of the pinned Kubernetes, and custom ones once their definition is there.
//
// It refuses what an API server refuses: fields that do not exist, values of the
// wrong type, missing ones, kinds without a definition, namespaces that do not
// exist, names that are taken. And it lets time show what a cluster would:
// a workload is only ready when there are nodes for its pods and the service
// account, config maps, secrets and storage classes that they name; a load
// balancer needs subnets that are tagged for it, and holds them until it is
// gone. It runs no pods: that images exist and programs start is for the lab.
//
// The provider only reaches a cluster whose endpoint, from the kubeconfig, an
// EKS cluster in the simulated cloud has.
package simcluster
