package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/image"
	"slipway.dev/slipway/internal/lab"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/toolchain"
)

func init() { commands = append(commands, labCommand) }

// toolsEnv names a directory that holds the lab's tools. It replaces finding
// and building them, and the lab then installs no package either.
const toolsEnv = "SLIPWAY_TOOLS_BIN"

func labCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Run the embedded Kubernetes cluster of this machine",
	}
	cmd.AddCommand(labUp(), labStatus(), labLogs(), labDown(), labNode(), labDoors())
	return cmd
}

// openLab opens the lab with the tools it starts its components from.
func openLab() (*lab.Lab, error) {
	tools, err := labTools()
	if err != nil {
		return nil, err
	}
	return lab.Open(tools, "")
}

// labTools finds the tools in the directory that toolsEnv names, else those of
// the checkout.
func labTools() (lab.Tools, error) {
	if dir := os.Getenv(toolsEnv); dir != "" {
		dir, err := filepath.Abs(dir)
		if err != nil {
			return nil, fmt.Errorf("resolving %s: %w", toolsEnv, err)
		}
		return lab.ToolsDir(dir), nil
	}
	w, err := openWorkplace()
	if err != nil {
		return nil, err
	}
	return w.tools, nil
}

// bringLabTools installs and builds what the lab runs and does not find.
func bringLabTools(ctx context.Context, tools lab.Tools, log io.Writer) error {
	chain, ok := tools.(*toolchain.Chain)
	if !ok {
		return nil
	}
	if err := chain.Packages(ctx, log, platform.Packages...); err != nil {
		return err
	}
	return chain.Ensure(ctx, toolchain.Names(toolchain.Cluster)...)
}

func labUp() *cobra.Command {
	var opts lab.Options
	var noImages bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the cluster, or repair what is missing",
		Long: `Start the control plane and the nodes, or repair what is missing: stopped or
killed components, stopped or cut-off nodes. On a healthy lab it changes
nothing. The kubeconfig is printed at the end.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tools, err := labTools()
			if err != nil {
				return err
			}
			l, err := lab.Open(tools, "")
			if err != nil {
				return err
			}
			if err := l.Check(opts, cmd.OutOrStdout()); err != nil {
				return err
			}
			if err := bringLabTools(cmd.Context(), tools, cmd.OutOrStdout()); err != nil {
				return err
			}
			if err := l.Up(cmd.Context(), opts, cmd.OutOrStdout()); err != nil {
				return err
			}
			if !noImages {
				if err := loadLabImages(cmd.Context(), l, tools, cmd.OutOrStdout()); err != nil {
					return err
				}
				if err := l.Settle(cmd.Context(), false); err != nil {
					return err
				}
			}
			status, err := l.Status(cmd.Context())
			if err != nil {
				return err
			}
			return printStatus(cmd.OutOrStdout(), status)
		},
	}
	cmd.Flags().IntVar(&opts.Nodes, "nodes", 0, fmt.Sprintf("number of nodes, %d to %d (default: as before, first %d)", lab.MinNodes, lab.MaxNodes, lab.DefaultNodes))
	cmd.Flags().BoolVar(&opts.Audit, "audit", false, "log who changes what in the cluster, without contents")
	cmd.Flags().BoolVar(&noImages, "no-images", false, "do not build or load the lab's own images; pods stay pending")
	return cmd
}

func labStatus() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show nodes and components; exit 1 unless all is well",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != "text" && format != "json" {
				return fmt.Errorf("--output %q: must be text or json", format)
			}
			l, err := lab.Open(nil, "")
			if err != nil {
				return err
			}
			status, err := l.Status(cmd.Context())
			if err != nil {
				return err
			}
			if format == "json" {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				err = encoder.Encode(status)
			} else {
				err = printStatus(cmd.OutOrStdout(), status)
			}
			if err == nil && !status.Running {
				return errors.New("the lab is not whole: `slipway lab up` repairs it")
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&format, "output", "o", "text", "text or json")
	return cmd
}

func printStatus(to io.Writer, status lab.Status) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "NODE\tZONE\tADDRESS\tSTATE")
	for _, node := range status.Nodes {
		state := node.State
		if node.Reason != "" {
			state += ": " + node.Reason
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", node.Name, node.Zone, node.Address, state)
	}
	_, _ = fmt.Fprintln(table, "\nCOMPONENT\tPID\tMEMORY\tCPU TIME\t")
	for _, c := range status.Components {
		if c.PID == 0 {
			_, _ = fmt.Fprintf(table, "%s\tnot running\t\t\n", c.Name)
			continue
		}
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d MiB\t%d s\n", c.Name, c.PID, c.ResidentMiB, c.CPUSeconds)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(to, "\nmemory of all components: %d MiB\nkubectl: export KUBECONFIG=%s\n", status.ResidentMiB, status.Kubeconfig)
	return err
}

func labLogs() *cobra.Command {
	var follow bool
	var lines int
	cmd := &cobra.Command{
		Use:   "logs [COMPONENT]",
		Short: "Show components' logs: apiserver, node-1/kubelet, or node-1 for all of a node",
		Args:  cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			l, err := lab.Open(nil, "")
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			names, _ := l.LogNames()
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := lab.Open(nil, "")
			if err != nil {
				return err
			}
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			if lines < 0 {
				return fmt.Errorf("--tail %d: must not be negative", lines)
			}
			return l.Logs(cmd.Context(), name, lines, follow, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on showing what is written")
	cmd.Flags().IntVar(&lines, "tail", 20, "how many earlier lines to show")
	return cmd
}

func labDown() *cobra.Command {
	var purge bool
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the cluster and remove all it made on this machine, except its data",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := lab.Open(nil, "")
			if err != nil {
				return err
			}
			return l.Down(cmd.Context(), purge, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&purge, "purge", false, "delete the data, too: volumes, cluster objects, and the local stack's history")
	return cmd
}

func labNode() *cobra.Command {
	cmd := &cobra.Command{Use: "node", Short: "Harm and heal a node"}
	add := func(use, short string, run func(context.Context, *lab.Node, io.Writer) error) {
		cmd.AddCommand(&cobra.Command{
			Use: use + " NAME", Short: short, Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				l, err := openLab()
				if err != nil {
					return err
				}
				node, err := l.Node(args[0])
				if err != nil {
					return err
				}
				return run(cmd.Context(), node, cmd.OutOrStdout())
			},
		})
	}
	add("stop", "Switch a node off, as a power cut does", func(ctx context.Context, n *lab.Node, _ io.Writer) error { return n.Stop(ctx) })
	add("start", "Switch a node on", func(ctx context.Context, n *lab.Node, out io.Writer) error { return n.Start(ctx, out) })
	add("cut", "Unplug a node's network", func(_ context.Context, n *lab.Node, _ io.Writer) error { return n.Cut() })
	add("heal", "Plug a node's network in", func(_ context.Context, n *lab.Node, _ io.Writer) error { return n.Heal() })
	return cmd
}

func labDoors() *cobra.Command {
	return &cobra.Command{
		Use: "doors CONFIG", Short: "Forward loopback ports to the nodes", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return lab.ServeDoors(cmd.Context(), args[0]) },
	}
}

// loadLabImages builds what the lab itself runs, if that was not done before,
// and loads it into the nodes.
func loadLabImages(ctx context.Context, l *lab.Lab, tools lab.Tools, out io.Writer) error {
	here, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding the checkout: %w", err)
	}
	checkout, err := paths.Checkout(here)
	if err != nil {
		return err
	}
	builder, err := image.Open(checkout, tools)
	if err != nil {
		return err
	}
	if chain, ok := tools.(*toolchain.Chain); ok {
		made, err := builder.Tools(lab.Images()...)
		if err != nil {
			return err
		}
		if err := chain.Ensure(ctx, made...); err != nil {
			return err
		}
	}
	archives, err := builder.Ensure(ctx, out, lab.Images()...)
	if err != nil {
		return err
	}
	return l.Load(ctx, archives)
}
