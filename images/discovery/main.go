// Command discovery tells Prometheus which targets a Kubernetes cluster has,
// in the form of its HTTP service discovery. Debian's Prometheus is built
// without Kubernetes discovery; this is the part of it that a platform needs.
//
// It answers on loopback, for the Prometheus in the same pod, and keeps
// nothing: each question is one list request to the Kubernetes API. When the
// API does not answer, neither does it, and Prometheus goes on with the targets
// it has.
//
//	/pods?namespace=N&selector=LABEL=VALUE&port=NAME-OR-NUMBER
//	/nodes?port=NUMBER
//	/endpoints?namespace=N&service=NAME&port=NAME
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
)

// credentials is where a pod finds those of its service account.
const credentials = "/var/run/secrets/kubernetes.io/serviceaccount"

func main() {
	if err := serve(); err != nil {
		log.Fatal("discovery: ", err)
	}
}

func serve() error {
	// It does little, seldom: memory matters more than speed.
	debug.SetGCPercent(20)
	listen := "127.0.0.1:9080"
	if len(os.Args) == 2 {
		listen = os.Args[1]
	}
	host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
	if host == "" || port == "" {
		return errors.New("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set; this runs in a pod only")
	}
	api, err := newCluster("https://"+net.JoinHostPort(host, port), credentials)
	if err != nil {
		return err
	}
	server := &http.Server{
		Addr: listen, Handler: api.handler(), ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 20 * time.Second,
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return fmt.Errorf("answering on %s: %w", listen, err)
	case <-ctx.Done():
		return server.Close()
	}
}
