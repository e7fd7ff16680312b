// Command pulumi-language-go lets the Pulumi engine run Go programs and policy
// packs. The engine starts it with its own address, reads the port from its
// standard output, and calls it over gRPC.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"

	"slipway.dev/slipway/internal/languagehost"
	"slipway.dev/slipway/internal/paths"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-language-go:", err)
		os.Exit(1)
	}
}

func run() error {
	// Engines pass log flags, and older ones the program's options.
	for _, name := range []string{"tracing", "binary", "buildTarget", "root"} {
		flag.String(name, "", "accepted and ignored")
	}
	flag.Parse()

	cache, err := paths.Cache()
	if err != nil {
		return err
	}
	ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer end()
	host := languagehost.New(ctx, end, flag.Arg(0), filepath.Join(cache, "programs"))
	cancel := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, host)
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	context.AfterFunc(ctx, func() { close(cancel) })
	fmt.Fprintln(os.Stdout, handle.Port)
	if err := <-handle.Done; err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}
