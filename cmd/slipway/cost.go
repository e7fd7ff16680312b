package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/cost"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/proposal"
	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/rule"
)

func init() { commands = append(commands, costCommand) }

func costCommand() *cobra.Command {
	stack, prices, use := "", "", usage{}
	cmd := &cobra.Command{
		Use: "cost", Short: "What a stack costs a month, by what it declares", Args: cobra.NoArgs,
		Long: `Records what the stack's program declares, without an engine or an account, and
prices it from a table. It counts what is paid for being there, at its smallest
and scaled out; what is paid by use, and what the table does not know, it names.

With --usage it asks Prometheus instead what containers really used, compares that
with what is reserved for them, and says which setting should have which value.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := use.check(cmd); err != nil {
				return err
			}
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			if use.wanted {
				return use.review(cmd, w, stack)
			}
			if prices == "" {
				prices = pricesOf(w.checkout)
			}
			table, err := cost.Load(prices)
			if err != nil {
				return err
			}
			if _, err := platform.OpenStack(w.checkout, stack, w.tools); err != nil {
				return err
			}
			resources, err := recordStack(cmd, stack)
			if err != nil {
				return err
			}
			estimate, err := table.Estimate(resources)
			if err != nil {
				return fmt.Errorf("pricing stack %s: %w", stack, err)
			}
			return estimate.Write(cmd.OutOrStdout(), stack)
		},
	}
	cmd.Flags().StringVarP(&stack, "stack", "s", platform.Local, "the stack, as in Pulumi.<stack>.yaml")
	cmd.Flags().StringVar(&prices, "prices", "", "the table of prices (default internal/cost/prices.yaml)")
	use.flags(cmd)
	return cmd
}

func pricesOf(checkout string) string {
	return filepath.Join(checkout, "internal", "cost", "prices.yaml")
}

// costDelta says what a proposal does to the costs, and is empty for a stack
// that nobody is paid for.
func costDelta(checkout string, p *proposal.Proposal) (string, error) {
	table, err := cost.Load(pricesOf(checkout))
	if err != nil {
		return "", err
	}
	var sides [2]*cost.Estimate
	for i, side := range []func(s *proposal.Step) *apitype.StepEventStateMetadata{
		func(s *proposal.Step) *apitype.StepEventStateMetadata { return s.Old },
		func(s *proposal.Step) *apitype.StepEventStateMetadata {
			if s.Operation == string(apitype.OpDelete) {
				return nil
			}
			return s.New
		},
	} {
		resources, err := resourcesOf(p, side)
		if err != nil {
			return "", err
		}
		if sides[i], err = table.Estimate(resources); err != nil {
			return "", err
		}
	}
	before, after := sides[0], sides[1]
	if before.Idle() && after.Idle() {
		return "", nil
	}
	return cost.Delta(before, after), nil
}

// resourcesOf are the resources before or after a proposal.
func resourcesOf(p *proposal.Proposal, side func(s *proposal.Step) *apitype.StepEventStateMetadata) ([]*rule.Resource, error) {
	type state struct {
		URN    string         `json:"urn"`
		Type   string         `json:"type"`
		Inputs map[string]any `json:"inputs"`
	}
	states := []state{}
	for _, step := range p.Steps {
		if m := side(step); m != nil {
			states = append(states, state{m.URN, m.Type, m.Inputs})
		}
	}
	raw, err := json.Marshal(map[string]any{"resources": states})
	if err != nil {
		return nil, fmt.Errorf("writing the proposal's resources: %w", err)
	}
	doc, err := document.Read("the proposal", raw)
	if errors.Is(err, document.ErrEmpty) {
		return nil, nil
	}
	return doc.Resources, err
}
