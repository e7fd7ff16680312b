// Package cluster makes an existing Kubernetes cluster usable by a stack.
//
// It creates nothing in the cluster: its one child is the Kubernetes provider
// through which everything else is declared. What it adds is certainty before
// the first resource is registered. A kubeconfig that is missing, malformed,
// incomplete or expired stops the program with an error that names the file
// and the entry, instead of failing some minutes later, in the middle of an
// update, as an anonymous TLS alert.
//
// The provider gets the kubeconfig as content, reduced to one context and with
// the files it refers to read in. A path would be shorter, but then the same
// program would talk to another cluster on the next person's machine, and a
// destroy would depend on a file outside the state. The content is a secret
// and is encrypted there.
//
// The provider also gets an explicit cluster identifier. Without one it guesses
// from the kubeconfig whether it still talks to the same cluster, and a rotated
// certificate or a new server name would replace every object in it.
package cluster
