package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/doctor"
	"slipway.dev/slipway/internal/lab"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
)

func init() { commands = append(commands, doctorCommand) }

func doctorCommand() *cobra.Command {
	stack := ""
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what was found on this machine, what is missing, and the fix",
		Long: `Looks at this machine and changes nothing. The exit code is 1 when something
has to be solved by a person; what "make tools" and "make up" bring by
themselves does not count.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			s, err := platform.OpenStack(w.checkout, stack, w.tools)
			if err != nil {
				return err
			}
			needs := doctor.Needs{State: paths.Lab(), Packages: platform.Packages, Ports: labPorts()}
			if needs.Lab, err = s.UsesLab(); err != nil {
				return err
			}
			facts, err := doctor.Gather(cmd.Context(), w.tools, needs)
			if err != nil {
				return err
			}
			findings := doctor.Examine(facts)
			if err := printFindings(cmd.OutOrStdout(), findings); err != nil {
				return err
			}
			if n := doctor.Problems(findings); n > 0 {
				return fmt.Errorf("%d of these have to be solved by hand (marked %s)", n, doctor.Problem)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&stack, "stack", "s", platform.Local, "the stack, as in Pulumi.<stack>.yaml")
	return cmd
}

// labPorts is what the lab opens on this machine.
func labPorts() []doctor.Port {
	at := func(network, address string, port uint16) doctor.Port {
		return doctor.Port{Network: network, Address: netip.AddrPortFrom(netip.MustParseAddr(address), port)}
	}
	const loopback = "127.0.0.1"
	return []doctor.Port{
		at("tcp", loopback, lab.HTTPSPort), at("tcp", loopback, lab.HTTPPort),
		at("tcp", loopback, lab.DNSPort), at("udp", loopback, lab.DNSPort),
		at("tcp", lab.ControlAddress, lab.APIPort),
	}
}

// printFindings prints a table, and the text that is too long for it below.
func printFindings(to io.Writer, findings []doctor.Finding) error {
	const width = 130
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "WHAT\tSTATE\tFOUND\tFIX")
	var long []doctor.Finding
	for _, f := range findings {
		found := f.Found
		if strings.ContainsRune(found, '\n') || len(found) > width {
			long = append(long, f)
			found = "see below"
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.What, f.State, found, f.Fix)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range long {
		if _, err := fmt.Fprintf(to, "\n%s: %s\n", f.What, f.Found); err != nil {
			return err
		}
	}
	return nil
}
