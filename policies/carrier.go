package main

import (
	"context"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/report"
	"slipway.dev/slipway/policies/rule"
)

// found is what the rules said to the first carrier that was asked.
type found struct {
	asked   bool
	entries []report.Entry
}

// carrier is a policy that reports for rules: what it is called at the moment,
// and its level.
type carrier struct {
	id, description string
	at              policyx.EnforcementLevel
	found           *found
}

func (c *carrier) Name() string        { return c.id }
func (c *carrier) Description() string { return c.description }

// EnforcementLevel switches a carrier off that has nothing to report, once the
// rules were asked: the SDK wants to know before it decodes.
func (c *carrier) EnforcementLevel() policyx.EnforcementLevel {
	if c.found.asked && !slices.ContainsFunc(c.found.entries, c.reports) {
		return policyx.EnforcementLevelDisabled
	}
	return c.at
}

// reports tells whether an entry is this carrier's to report.
func (c *carrier) reports(e report.Entry) bool { return e.Waiver == nil && levelOf(e) == c.at }

// report hands its entries to the engine, each under its rule's name.
func (c *carrier) report(manager policyx.PolicyManager) {
	own := *c
	for _, e := range c.found.entries {
		if !c.reports(e) {
			continue
		}
		c.id, c.description = e.Rule, titleOf(e)
		message := e.Resource + ": " + e.Message
		if e.Path != "" {
			message = e.Resource + ": " + e.Path + " " + e.Message
		}
		if e.Verdict == rule.Undecided {
			message = "undecided until the update: " + message
		} else {
			message += "\n" + e.Remedy
		}
		manager.ReportViolation(message, e.URN)
	}
	*c = own
}

func titleOf(e report.Entry) string {
	if r := catalogue.Find(e.Rule); r != nil {
		return r.Title
	}
	return e.Message
}

// levelOf is how the engine is to take an entry. What a preview cannot decide
// is shown and does not stop it; the update asks again.
func levelOf(e report.Entry) policyx.EnforcementLevel {
	if e.Level == rule.Advisory || e.Verdict == rule.Undecided {
		return policyx.EnforcementLevelAdvisory
	}
	return policyx.EnforcementLevelMandatory
}

// ofResource carries the rules about single resources.
type ofResource struct {
	policyx.ResourceValidationPolicy
	carrier
	pack *pack
}

func (o *ofResource) Name() string                               { return o.carrier.Name() }
func (o *ofResource) Description() string                        { return o.carrier.Description() }
func (o *ofResource) EnforcementLevel() policyx.EnforcementLevel { return o.carrier.EnforcementLevel() }

func (o *ofResource) validate(_ context.Context, args policyx.ResourceValidationArgs) error {
	if err := o.pack.configure(args.Config); err != nil {
		return err
	}
	if !o.found.asked {
		entries, err := o.pack.aboutResource(args.Resource)
		if err != nil {
			return err
		}
		*o.found = found{asked: true, entries: entries}
	}
	o.report(args.Manager)
	return nil
}

// ofStack carries the rules about the whole stack, and those about waivers.
type ofStack struct {
	policyx.StackValidationPolicy
	carrier
	pack *pack
}

func (o *ofStack) Name() string                               { return o.carrier.Name() }
func (o *ofStack) Description() string                        { return o.carrier.Description() }
func (o *ofStack) EnforcementLevel() policyx.EnforcementLevel { return o.carrier.EnforcementLevel() }

func (o *ofStack) validate(_ context.Context, args policyx.StackValidationArgs) error {
	if !o.found.asked {
		entries, err := o.pack.aboutStack(args.Resources)
		if err != nil {
			return err
		}
		*o.found = found{asked: true, entries: entries}
	}
	o.report(args.Manager)
	return nil
}
