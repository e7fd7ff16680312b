//go:build tools

// Package tools names every package that is built from this module, so that
// `go mod tidy` and `go mod verify` see them. It is never compiled.
package tools

import (
	_ "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
	_ "github.com/coredns/coredns"
	_ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
	_ "github.com/rancher/local-path-provisioner"
	_ "github.com/traefik/traefik/v3/cmd/traefik"
	_ "sigs.k8s.io/metrics-server/cmd/metrics-server"
)
