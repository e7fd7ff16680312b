//go:build tools

// Package statemetrics names kube-state-metrics, so that `go mod tidy` keeps
// it. It has a module of its own because it needs k8s.io/sample-controller,
// which is not served in the version that Kubernetes's other modules have; all
// that it shares with tools/go.mod is pinned to the same versions, so that it
// is compiled once.
package statemetrics

import _ "k8s.io/kube-state-metrics/v2"
