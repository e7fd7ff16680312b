package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/report"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/policies/waiver"
)

// The name and version in the engine's messages.
const packName = "slipway"

var packVersion = semver.MustParse("0.1.0")

// pack answers the engine about one stack.
type pack struct {
	judge   *rule.Judge
	options report.Options
	stack   string
	preview bool
	// say shows a person a line beside what the engine shows.
	say func(string)

	// thresholds guards the limits that --policy-pack-config changes. The engine
	// hands them over with the first resource, and only there.
	thresholds sync.Once
	refused    error

	// asked holds what the program asked for, by URN. When all is done the engine
	// shows what became of each resource instead, with defaults and live values
	// such as the replicas an autoscaler chose; no program is to blame for those.
	mu    sync.Mutex
	asked map[string]*rule.Resource
}

// newPack is called when the engine has said which stack it works on.
func newPack(ctx *pulumi.Context) (policyx.PolicyPack, error) {
	root := ctx.RootDirectory()
	if root == "" {
		root = "."
	}
	rules := catalogue.Rules()
	chosen, err := settings.Load(filepath.Join(root, settings.File), ctx.Stack(), rules)
	if err != nil {
		return nil, err
	}
	waivers, err := waiver.Load(filepath.Join(root, waiver.File), rules)
	if err != nil {
		return nil, err
	}
	return &pack{
		judge: rule.NewJudge(rules), stack: ctx.Stack(), preview: ctx.DryRun(),
		say:     func(text string) { _ = ctx.Log.Info(text, nil) },
		options: report.Options{Settings: chosen, Waivers: waivers, Now: time.Now()},
		asked:   map[string]*rule.Resource{},
	}, nil
}

func (p *pack) Name() string            { return packName }
func (p *pack) Version() semver.Version { return packVersion }

// Policies are, for each level, one policy that carries all rules about single
// resources and one that carries all rules about the stack. The SDK decodes a
// resource again for every policy that is asked about it, so a policy per rule
// costs as many decodings as there are rules; see docs/decisions/0030. Each
// call makes them anew, because a carrier takes the name of the rule it
// reports and the engine asks about several resources at once. So the carriers
// of one call can share what was found.
func (p *pack) Policies() []policyx.Policy {
	var policies []policyx.Policy
	resources, stack := &found{}, &found{}
	for _, level := range []policyx.EnforcementLevel{policyx.EnforcementLevelMandatory, policyx.EnforcementLevelAdvisory} {
		word := map[policyx.EnforcementLevel]string{policyx.EnforcementLevelMandatory: "mandatory", policyx.EnforcementLevelAdvisory: "advisory"}[level]
		of := &ofResource{carrier: carrier{"resources-" + word, "Rules about single resources that are " + word, level, resources}, pack: p}
		of.ResourceValidationPolicy = policyx.NewResourceValidationPolicy(of.id, policyx.ResourceValidationPolicyArgs{
			EnforcementLevel: level, ConfigSchema: schema(), ValidateResource: of.validate,
		})
		whole := &ofStack{carrier: carrier{"stack-" + word, "Rules about the whole stack that are " + word, level, stack}, pack: p}
		whole.StackValidationPolicy = policyx.NewStackValidationPolicy(whole.id, policyx.StackValidationPolicyArgs{
			EnforcementLevel: level, ValidateStack: whole.validate,
		})
		policies = append(policies, of, whole)
	}
	return policies
}

// decided makes failures of what an update still cannot decide: by then
// everything is known, and what is not was hidden.
func (p *pack) decided(entries []report.Entry) []report.Entry {
	if p.preview {
		return entries
	}
	for i := range entries {
		if entries[i].Verdict == rule.Undecided {
			entries[i].Verdict = rule.Fail
			entries[i].Message += " and this is an update, where it must be"
		}
	}
	return entries
}

// aboutResource asks the rules about a single resource, of whatever size and
// shape one is that none of them knows.
func (p *pack) aboutResource(one policyx.AnalyzerResource) ([]report.Entry, error) {
	if !p.judge.Knows(one.Type) {
		return nil, nil
	}
	r, err := convert(one)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.asked[r.URN] = r
	p.mu.Unlock()
	findings := p.judge.Resource(rule.NewStack(p.stack, r), r, p.options.Settings.Limits)
	return p.decided(report.Entries(findings, p.stack, p.options)), nil
}

// aboutStack asks the rules about the whole.
func (p *pack) aboutStack(all []policyx.AnalyzerResource) ([]report.Entry, error) {
	resources := make([]*rule.Resource, 0, len(all))
	// Components are no resources of a provider's: what they are made of is judged.
	ignored := map[string]int{}
	for _, one := range all {
		if !p.judge.Knows(one.Type) {
			if one.Provider.Type != "" {
				ignored[one.Type]++
			}
			continue
		}
		p.mu.Lock()
		r := p.asked[one.URN]
		p.mu.Unlock()
		if r == nil {
			var err error
			if r, err = convert(one); err != nil {
				return nil, err
			}
		}
		r.Dependencies = one.Dependencies
		resources = append(resources, r)
	}
	p.say(summary(len(p.judge.Rules()), len(resources), ignored))
	options := p.options
	options.Complete, options.Resources = true, resources
	// Rules about single resources have spoken, one by one; here they are asked
	// only to tell which waivers are needed.
	findings := p.judge.All(rule.NewStack(p.stack, resources...), options.Settings.Limits)
	var entries []report.Entry
	for _, e := range report.Entries(findings, p.stack, options) {
		if r := catalogue.Find(e.Rule); r == nil || r.OfStack() {
			entries = append(entries, e)
		}
	}
	return p.decided(entries), nil
}

// summary tells how much was judged, and what was not.
func summary(rules, judged int, ignored map[string]int) string {
	text := fmt.Sprintf("%d rules were held against %d resources", rules, judged)
	if len(ignored) == 0 {
		return text
	}
	number := 0
	for _, n := range ignored {
		number += n
	}
	return text + fmt.Sprintf("; no rule is about the other %d, which are of %d types", number, len(ignored))
}

// configure takes thresholds from --policy-pack-config.
func (p *pack) configure(config map[string]any) (err error) {
	p.thresholds.Do(func() {
		// A pack that was told something it cannot take judges nothing.
		defer func() { p.refused = err }()
		if len(config) == 0 {
			return
		}
		raw, marshalled := json.Marshal(config)
		if marshalled != nil {
			err = marshalled
			return
		}
		limits := p.options.Settings.Limits
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		if err = decoder.Decode(&limits); err != nil {
			err = fmt.Errorf("policy pack configuration: %w", err)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(limits.Faults())) {
			err = errors.Join(err, fmt.Errorf("policy pack configuration: %s %s", name, limits.Faults()[name]))
		}
		if err != nil {
			return
		}
		p.options.Settings.Limits = limits
	})
	return p.refused
}
