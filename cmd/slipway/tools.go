package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/toolchain"
)

func init() { commands = append(commands, toolsCommand) }

func toolsCommand() *cobra.Command {
	list := false
	cmd := &cobra.Command{
		Use:   "tools [NAME...]",
		Short: "Build the pinned tools that are not installed",
		Long: `Builds what is missing of the named tools, by default of all that a stack and
the lab need; the linters and what only tests need are built by name, by
"slipway check" and by "slipway test". An installed Pulumi CLI or plugin that is
new enough is used as it is.

Stopping it at any moment is safe: run it again to continue.

Tools: ` + strings.Join(toolchain.Names(), ", "),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return toolchain.Names(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, names []string) error {
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			if len(names) == 0 {
				names = toolchain.Names(toolchain.Cluster, toolchain.Images, toolchain.Pulumi)
			}
			if list {
				found, err := w.tools.Inspect(cmd.Context())
				if err != nil {
					return err
				}
				return printTools(cmd.OutOrStdout(), found)
			}
			w.tools.Out = cmd.ErrOrStderr()
			if err := w.tools.Ensure(cmd.Context(), names...); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "tools are ready: %s\n", strings.Join(names, ", "))
			return err
		},
	}
	cmd.Flags().BoolVar(&list, "list", false, "only list the tools, where they are and of which version")
	return cmd
}

func printTools(to io.Writer, found []toolchain.Found) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(table, strings.Join(cells, "\t")) }
	row("TOOL", "STATE", "VERSION", "WHERE")
	for _, f := range found {
		where := f.Path
		if f.Source == toolchain.Missing {
			where = "-"
		}
		row(f.Name, string(f.Source), orDash(f.Version), where)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, f := range found {
		if f.Note != "" {
			_, _ = fmt.Fprintf(to, "%s: passed over: %s\n", f.Name, f.Note)
		}
	}
	return nil
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
