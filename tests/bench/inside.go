package main

import (
	"context"
	"errors"
	"net"
	"time"

	"slipway.dev/slipway/tests/harness"
)

// traefikPods and apiPods select those that take requests.
const (
	traefikPods = "app.kubernetes.io/name=traefik"
	apiPods     = "app.kubernetes.io/name=api,app.kubernetes.io/component=web"
)

// beside returns a road to one pod of the API that begins where Traefik's
// begin: the network policies let nobody else in.
func (b *bench) beside(ctx context.Context) (base string, dial dialer, err error) {
	targets, err := b.platform.Pods(ctx, harness.API, apiPods)
	if err != nil {
		return "", nil, err
	}
	proxies, err := b.platform.Pods(ctx, harness.Ingress, traefikPods)
	if err != nil {
		return "", nil, err
	}
	// A proxy on the pod's own node spares the road between nodes.
	for _, target := range targets {
		for _, proxy := range proxies {
			if !target.Ready() || !proxy.Ready() || target.Spec.NodeName != proxy.Spec.NodeName {
				continue
			}
			inside, err := harness.InsidePod(proxy.Metadata.UID)
			if err != nil {
				return "", nil, err
			}
			return "http://" + net.JoinHostPort(target.Status.PodIP, "8000"), func(ctx context.Context, _, address string) (net.Conn, error) {
				return dialInside(ctx, inside, address)
			}, nil
		}
	}
	return "", nil, errors.New("no node runs both a proxy and a pod of the API that are ready")
}

// dialer connects to an address.
type dialer = func(ctx context.Context, network, address string) (net.Conn, error)

// dialInside connects from within a network namespace.
func dialInside(ctx context.Context, inside harness.Inside, address string) (net.Conn, error) {
	var conn net.Conn
	err := inside.Do(func() error {
		var err error
		conn, err = (&net.Dialer{Timeout: 5 * time.Second, FallbackDelay: -1}).DialContext(ctx, "tcp", address)
		return err
	})
	return conn, err
}
