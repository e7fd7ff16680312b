// Package plugin serves a resource provider the way the engine expects of the
// plugins it starts: the port on standard output, calls over gRPC.
package plugin

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// pulse is how often the engine is asked whether it lives.
const pulse = 10 * time.Second

// Serve runs the provider that open returns until the engine is done with it, or
// is gone. open gets the engine's address, empty when there is none. With
// -version it prints the version and opens nothing.
func Serve(version string, open func(engine string) (pulumirpc.ResourceProviderServer, error)) error {
	flag.String("tracing", "", "accepted and ignored")
	only := flag.Bool("version", false, "print the version and exit")
	flag.Parse()
	if *only {
		fmt.Fprintln(os.Stdout, version)
		return nil
	}
	provider, err := open(flag.Arg(0))
	if err != nil {
		return err
	}
	cancel := make(chan bool)
	var once sync.Once
	stop := func() { once.Do(func() { close(cancel) }) }
	if engine := flag.Arg(0); engine != "" {
		// An engine that was killed says nothing, and nobody else ends its plugins.
		if err := rpcutil.Healthcheck(context.Background(), engine, pulse, stop); err != nil {
			return fmt.Errorf("watching the engine at %s: %w", engine, err)
		}
	}
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterResourceProviderServer(server, provider)
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	// Let a call that is under way finish: its result would be lost.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupts
		stop()
	}()
	fmt.Fprintln(os.Stdout, handle.Port)
	if err := <-handle.Done; err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
