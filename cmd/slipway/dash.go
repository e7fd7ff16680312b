package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/cost"
	"slipway.dev/slipway/internal/dash"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/prometheus"
)

func init() { commands = append(commands, dashCommand) }

// watched is a Prometheus that a command asks.
type watched struct {
	*prometheus.Client
	// source says in words where it is.
	source string
	stack  *platform.Stack
	// close ends the port that leads to it.
	close func()
}

// watch finds the Prometheus at address or, without one, that of the stack. Each
// of its answers is waited for that long, 0 for prometheus.Patience.
func watch(w *workplace, stack, address string, patience time.Duration) (*watched, error) {
	s, err := platform.OpenStack(w.checkout, stack, w.tools)
	if err != nil {
		return nil, err
	}
	if address != "" {
		fixed, err := prometheus.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("--prometheus: %w", err)
		}
		return &watched{prometheus.New(fixed, patience), "Prometheus at " + fixed.String(), s, func() {}}, nil
	}
	forward := s.Prometheus()
	return &watched{prometheus.New(forward, patience), "Prometheus of the stack's monitoring", s, forward.Close}, nil
}

func dashCommand() *cobra.Command {
	stack, address, browse := "", "", false
	options := dash.Options{}
	cmd := &cobra.Command{
		Use: "dash", Short: "Show a stack's figures on a web page of this machine", Args: cobra.NoArgs,
		Long: `Serves a page on loopback that is drawn from the stack's Prometheus: requests,
errors and latency, the database's leader and lag, rollouts, restarts, alerts, use
against what is reserved, and cost. It opens a port to Prometheus in the cluster
with kubectl, or asks the one that --prometheus names. Ctrl-C ends both.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			p, err := watch(w, stack, address, 0)
			if err != nil {
				return err
			}
			defer p.close()
			options.Prometheus, options.Stack, options.Source = p.Client, stack, p.source
			options.Cost = costInTime(cmd, w, p.stack)
			server, err := dash.Listen(options)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\nfrom %s; Ctrl-C ends it\n", server.URL(), p.source)
			if browse {
				openBrowser(cmd.Context(), cmd.ErrOrStderr(), server.URL())
			}
			return server.Serve(cmd.Context())
		},
	}
	cmd.Flags().StringVarP(&stack, "stack", "s", platform.Local, "the stack, as in Pulumi.<stack>.yaml")
	cmd.Flags().StringVar(&address, "prometheus", "", "ask this Prometheus, such as http://127.0.0.1:9090, instead of the stack's own")
	cmd.Flags().StringVar(&options.Listen, "listen", "127.0.0.1:0", "where the page is; port 0 takes any free one")
	cmd.Flags().BoolVar(&options.Expose, "expose", false, "allow --listen beyond loopback: whoever reaches it can read the figures")
	cmd.Flags().BoolVar(&browse, "open", false, "open the page in the browser of this desktop")
	return cmd
}

// openBrowser tries; the address is printed anyway.
func openBrowser(ctx context.Context, log io.Writer, page string) {
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	// Started, not waited for: some stay until the browser ends.
	if err := exec.CommandContext(context.WithoutCancel(ctx), program, page).Start(); err != nil {
		fmt.Fprintf(log, "opening a browser: %v; open the address above yourself\n", err)
	}
}

// costInTime works out what the stack costs when that is first asked for, which
// takes a while, and answers with what is known by then.
func costInTime(cmd *cobra.Command, w *workplace, s *platform.Stack) func() dash.Cost {
	if lab, err := s.UsesLab(); err == nil && lab {
		return func() dash.Cost { return dash.Cost{Note: "Nothing: the stack runs on this machine."} }
	}
	var mu sync.Mutex
	var once sync.Once
	known := dash.Cost{Note: "The stack's program is being recorded; its costs come within minutes."}
	return func() dash.Cost {
		once.Do(func() {
			go func() {
				cost := stackCost(cmd, w, s)
				mu.Lock()
				defer mu.Unlock()
				known = cost
			}()
		})
		mu.Lock()
		defer mu.Unlock()
		return known
	}
}

func stackCost(cmd *cobra.Command, w *workplace, s *platform.Stack) dash.Cost {
	table, err := cost.Load(pricesOf(w.checkout))
	if err != nil {
		return dash.Cost{Note: err.Error()}
	}
	resources, err := recordStack(cmd, s.Name)
	if err != nil {
		return dash.Cost{Note: fmt.Sprintf("Not known; slipway cost --stack %s says why.", s.Name)}
	}
	estimate, err := table.Estimate(resources)
	switch {
	case errors.Is(err, cost.ErrRegion):
		return dash.Cost{Note: err.Error()}
	case err != nil:
		return dash.Cost{Note: fmt.Sprintf("Not known; slipway cost --stack %s says why.", s.Name)}
	case estimate.Idle():
		return dash.Cost{Note: "Nothing that is paid for is declared."}
	}
	note := "without what is paid by use"
	if len(estimate.Unknown) > 0 {
		note = "too low: some is NOT PRICED"
	}
	return dash.Cost{Known: true, Month: estimate.Month(), Peak: estimate.Peak(), Currency: table.Currency, Note: note}
}
