package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/gobuild"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/policies/admission"
	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/handbook"
	"slipway.dev/slipway/policies/report"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/policies/waiver"
)

func init() { commands = append(commands, policyCommand) }

// violated is the exit code when a mandatory rule is broken; 1 is that the
// question could not be answered.
const violated = 2

func policyCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Hold a stack, a preview or manifests to the policies"}
	cmd.AddCommand(policyCheckCommand(), policyListCommand(), policyDocsCommand(), policyWaiversCommand(), policyAdmissionCommand())
	return cmd
}

// rulebook is what a checkout holds stacks to.
type rulebook struct {
	checkout string
	rules    []*rule.Rule
	settings settings.Settings
	waivers  []*waiver.Waiver
}

func openRulebook(stack string) (*rulebook, error) {
	here, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("finding the checkout: %w", err)
	}
	checkout, err := paths.Checkout(here)
	if err != nil {
		return nil, err
	}
	b := &rulebook{checkout: checkout, rules: catalogue.Rules()}
	if b.settings, err = settings.Load(filepath.Join(checkout, "policies", settings.File), stack, b.rules); err != nil {
		return nil, err
	}
	if b.waivers, err = waiver.Load(filepath.Join(checkout, "policies", waiver.File), b.rules); err != nil {
		return nil, err
	}
	return b, nil
}

// knows refuses the name of a stack that has neither a file nor a section of its
// own in the settings: it would be held to the defaults, and nobody told.
func (b *rulebook) knows(stack string) error {
	if stack == "" || isStack(b.checkout, stack) {
		return nil
	}
	path := filepath.Join(b.checkout, "policies", settings.File)
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading policy settings: %w", err)
	}
	sections, err := settings.Sections(path, raw)
	if err != nil {
		return err
	}
	for _, name := range sections {
		if settings.Covers(name, stack) {
			return nil
		}
	}
	return fmt.Errorf("there is no stack %q: neither Pulumi.%s.yaml nor a section of policies/%s is about it; "+
		"leave --stack out to judge by the defaults", stack, stack, settings.File)
}

func policyCheckCommand() *cobra.Command {
	stack, format := "", "text"
	cmd := &cobra.Command{
		Use:   "check [STACK | FILE...]",
		Short: "Judge what a stack declares, or files: preview JSON, state, YAML manifests",
		Long: `With a stack's name, records what its program declares, without an engine or
a cluster, and judges that. With files, judges the resources in them together:
the output of "pulumi preview --json" or "pulumi stack export", or YAML
manifests; - is standard input.

Exits with 2 when a mandatory rule is broken.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"local"}
			}
			here, err := os.Getwd()
			if err != nil {
				return fmt.Errorf("finding the checkout: %w", err)
			}
			resources, complete, name := []*rule.Resource(nil), false, stack
			if len(args) == 1 && isStack(here, args[0]) {
				name, complete = args[0], true
				resources, err = recordStack(cmd, args[0])
			} else {
				resources, err = readFiles(cmd.InOrStdin(), args)
			}
			if err != nil {
				return err
			}
			book, err := openRulebook(name)
			if err != nil {
				return err
			}
			if err := book.knows(name); err != nil {
				return err
			}
			made := report.Make(rule.NewJudge(book.rules), rule.NewStack(name, resources...), report.Options{
				Settings: book.settings, Waivers: book.waivers, Now: time.Now(), Complete: complete,
			})
			if err := report.Write(cmd.OutOrStdout(), format, made, book.rules); err != nil {
				return err
			}
			if n := made.Stopping(); n > 0 {
				return &exitError{violated, fmt.Errorf("%d mandatory findings; correct them, or excuse them in policies/%s", n, waiver.File)}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&stack, "stack", "s", "", "with files: the stack whose settings and waivers hold")
	cmd.Flags().StringVarP(&format, "format", "f", format, "one of "+strings.Join(report.Formats, ", "))
	return cmd
}

// isStack tells a stack's name from a file's: the file wins, so that a path
// always means what it says.
func isStack(here, argument string) bool {
	if _, err := os.Stat(argument); err == nil {
		return false
	}
	checkout, err := paths.Checkout(here)
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(checkout, "Pulumi."+argument+".yaml"))
	return err == nil
}

// recordStack runs the stack's program against the recorder of tests/graph. It
// is another process: the helper never links the program.
func recordStack(cmd *cobra.Command, stack string) ([]*rule.Resource, error) {
	w, err := openWorkplace()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "slipway-policy-")
	if err != nil {
		return nil, fmt.Errorf("making a directory to record into: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, stack+".json")
	run := exec.CommandContext(cmd.Context(), "go", "test", "./tests/graph", "-count=1", "-run", "^TestRecord$", "-record", file, "-stack", stack)
	run.Dir, run.Env = w.checkout, gobuild.Environment(os.Environ())
	if out, err := run.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("recording stack %s: %w\n%s", stack, err, out)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the recording of stack %s: %w", stack, err)
	}
	doc, err := document.Read("the recording of stack "+stack, raw)
	return doc.Resources, err
}

func readFiles(stdin io.Reader, files []string) ([]*rule.Resource, error) {
	var resources []*rule.Resource
	var faults []error
	for _, file := range files {
		var raw []byte
		var err error
		if file == "-" {
			raw, err = io.ReadAll(stdin)
		} else {
			raw, err = os.ReadFile(file)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("reading %s: %w; give a file, or a stack that has a Pulumi.<stack>.yaml", file, err))
			continue
		}
		doc, err := document.Read(file, raw)
		if err != nil {
			faults = append(faults, err)
		}
		for _, r := range doc.Resources {
			if r.File == "" && file != "-" {
				r.File, r.Line = file, 1 // JSON of Pulumi's has no lines to speak of
			}
		}
		resources = append(resources, doc.Resources...)
	}
	return resources, errors.Join(faults...)
}

func policyListCommand() *cobra.Command {
	stack := ""
	cmd := &cobra.Command{
		Use: "list", Short: "List the rules and how strictly a stack is held to them", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			book, err := openRulebook(stack)
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, r := range book.rules {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", r.ID, r.Subject, book.settings.Level(r), r.Title)
			}
			return table.Flush()
		},
	}
	cmd.Flags().StringVarP(&stack, "stack", "s", "local", "the stack whose levels are shown")
	return cmd
}

func policyDocsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "docs [RULE]", Short: "Write docs/policies.md and its pages, or print one rule's page", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			pages, err := handbook.Pages(catalogue.Rules())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				page, ok := pages["policies/"+args[0]+".md"]
				if !ok {
					return fmt.Errorf("there is no rule %q; `slipway policy list` names them", args[0])
				}
				_, err := io.WriteString(cmd.OutOrStdout(), page)
				return err
			}
			book, err := openRulebook("")
			if err != nil {
				return err
			}
			return handbook.Write(filepath.Join(book.checkout, "docs"), pages)
		},
	}
}

func policyWaiversCommand() *cobra.Command {
	return &cobra.Command{
		Use: "waivers", Short: "List what is excused, by whom and until when", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			book, err := openRulebook("")
			if err != nil {
				return err
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			over := 0
			for _, w := range book.waivers {
				state := "until " + w.Expires
				if w.Expired(time.Now()) {
					state, over = "OVER since "+w.Expires, over+1
				}
				stacks := strings.Join(w.Stacks, ",")
				if stacks == "" {
					stacks = "all stacks"
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", w.Rule, w.Resource, stacks, w.Owner, state, w.Reason)
			}
			if err := table.Flush(); err != nil {
				return err
			}
			if over > 0 {
				return &exitError{violated, fmt.Errorf("%d waivers are over; remove them or agree on a new end", over)}
			}
			return nil
		},
	}
}

func policyAdmissionCommand() *cobra.Command {
	stack := ""
	cmd := &cobra.Command{
		Use: "admission", Short: "Print the rules an API server can enforce, as ValidatingAdmissionPolicies", Args: cobra.NoArgs,
		Long: `Prints what a stack of the name declares in its cluster, as YAML for kubectl apply
elsewhere. The policies hold in namespaces labelled app.kubernetes.io/part-of:
slipway, and leave out what a waiver of the stack excuses.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			book, err := openRulebook(stack)
			if err != nil {
				return err
			}
			text, err := admission.Manifests(book.rules, book.settings, book.waivers, stack, time.Now())
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().StringVarP(&stack, "stack", "s", "local", "the stack whose levels and waivers hold")
	return cmd
}
