package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/report"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/policies/waiver"
)

func newTestPack(preview bool) *pack {
	return &pack{
		judge: rule.NewJudge(catalogue.Rules()), stack: "test", preview: preview,
		options: report.Options{Settings: settings.Defaults()}, asked: map[string]*rule.Resource{},
		say: func(string) {},
	}
}

// What no rule is about is let through, and counted where a person sees it.
func TestTypesThatNoRuleIsAboutAreCounted(t *testing.T) {
	p := newTestPack(true)
	var said []string
	p.say = func(text string) { said = append(said, text) }
	of := func(token, name string) policyx.AnalyzerResource {
		r := analyzed(token, name, resource.PropertyMap{})
		r.Provider.Type = "pulumi:providers:some"
		return r
	}
	component := analyzed("slipway:dns:Zones", "zones", resource.PropertyMap{})
	_, err := p.aboutStack([]policyx.AnalyzerResource{
		of("some:index:Thing", "a"), of("some:index:Thing", "b"), of("other:index:Thing", "c"), component,
		of("kubernetes:core/v1:Namespace", "d"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{fmt.Sprintf("%d rules were held against 1 resources; no rule is about the other 3, which are of 2 types", len(catalogue.Rules()))}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Error(diff)
	}
}

// heard is what a policy reported, as "name: message".
type heard struct {
	policy   policyx.Policy
	messages []string
}

func (h *heard) ReportViolation(message, _ string) {
	h.messages = append(h.messages, h.policy.Name()+": "+message)
}

func analyzed(token, name string, properties resource.PropertyMap) policyx.AnalyzerResource {
	return policyx.AnalyzerResource{
		Type: token, Name: name, URN: "urn:pulumi:test::p::" + token + "::" + name,
		Properties: resource.FromResourcePropertyMap(properties),
	}
}

// resources asks the carriers of resource rules, stack the others.
func (p *pack) resources(t *testing.T, r policyx.AnalyzerResource, config map[string]any) []string {
	t.Helper()
	var all []string
	for _, policy := range p.Policies() {
		if one, ok := policy.(policyx.ResourceValidationPolicy); ok {
			h := &heard{policy: policy}
			if err := one.Validate(context.Background(), policyx.ResourceValidationArgs{Manager: h, Resource: r, Config: config}); err != nil {
				t.Fatal(err)
			}
			all = append(all, h.messages...)
		}
	}
	return all
}

func (p *pack) whole(t *testing.T, resources ...policyx.AnalyzerResource) []string {
	t.Helper()
	var all []string
	for _, policy := range p.Policies() {
		if one, ok := policy.(policyx.StackValidationPolicy); ok {
			h := &heard{policy: policy}
			if err := one.Validate(context.Background(), policyx.StackValidationArgs{Manager: h, Resources: resources}); err != nil {
				t.Fatal(err)
			}
			all = append(all, h.messages...)
		}
	}
	return all
}

func about(messages []string, rule string) bool {
	return slices.ContainsFunc(messages, func(m string) bool { return strings.HasPrefix(m, rule+": ") })
}

func properties(t *testing.T, tree map[string]any) resource.PropertyMap {
	t.Helper()
	return resource.NewPropertyMapFromMap(tree)
}

func TestStackRulesJudgeWhatTheProgramAskedFor(t *testing.T) {
	meta := map[string]any{"name": "web", "namespace": "shop"}
	scaler := analyzed(rule.HorizontalPodAutoscaler, "scaler", properties(t, map[string]any{
		"metadata": meta, "spec": map[string]any{"scaleTargetRef": map[string]any{"kind": "Deployment", "name": "web"}},
	}))
	asked := analyzed(rule.Deployment, "web", properties(t, map[string]any{"metadata": meta, "spec": map[string]any{}}))
	live := analyzed(rule.Deployment, "web", properties(t, map[string]any{"metadata": meta, "spec": map[string]any{"replicas": 5.0}}))
	p := newTestPack(false)
	p.resources(t, asked, nil)
	p.resources(t, scaler, nil)
	if said := p.whole(t, live, scaler); about(said, "hpa-owns-replicas") {
		t.Errorf("the live number of replicas is held against the program: %v", said)
	}
	if said := newTestPack(false).whole(t, live, scaler); !about(said, "hpa-owns-replicas") {
		t.Errorf("a resource that was not asked for is not judged by its state: %v", said)
	}
}

func TestUndecidedIsAdvisoryInAPreviewAndFailsAnUpdate(t *testing.T) {
	binding := analyzed(rule.ClusterRoleBinding, "b", resource.PropertyMap{
		"roleRef": resource.NewProperty(resource.PropertyMap{"name": resource.MakeComputed(resource.NewProperty(""))}),
	})
	for preview, want := range map[bool]policyx.EnforcementLevel{true: policyx.EnforcementLevelAdvisory, false: policyx.EnforcementLevelMandatory} {
		p := newTestPack(preview)
		for _, policy := range p.Policies() {
			one, ok := policy.(policyx.ResourceValidationPolicy)
			if !ok {
				continue
			}
			h := &heard{policy: policy}
			if err := one.Validate(context.Background(), policyx.ResourceValidationArgs{Manager: h, Resource: binding}); err != nil {
				t.Fatal(err)
			}
			if got := about(h.messages, "no-cluster-admin"); got != (policy.EnforcementLevel() == want) {
				t.Errorf("preview %t, level %d: reported is %t", preview, policy.EnforcementLevel(), got)
			}
		}
	}
}

// A carrier that is known to have nothing to report is off, which spares the SDK
// a decoding; before anything was asked it has its level, for the engine's list.
func TestACarrierWithNothingToReportIsOff(t *testing.T) {
	binding := analyzed(rule.ClusterRoleBinding, "b", properties(t, map[string]any{"roleRef": map[string]any{"name": "cluster-admin"}}))
	var carriers []policyx.ResourceValidationPolicy
	for _, policy := range newTestPack(false).Policies() {
		if one, ok := policy.(policyx.ResourceValidationPolicy); ok {
			carriers = append(carriers, one)
		}
	}
	mandatory, advisory := carriers[0], carriers[1]
	if got := []policyx.EnforcementLevel{mandatory.EnforcementLevel(), advisory.EnforcementLevel()}; !slices.Equal(got,
		[]policyx.EnforcementLevel{policyx.EnforcementLevelMandatory, policyx.EnforcementLevelAdvisory}) {
		t.Fatalf("before anything is asked the levels are %v", got)
	}
	h := &heard{policy: mandatory}
	if err := mandatory.Validate(context.Background(), policyx.ResourceValidationArgs{Manager: h, Resource: binding}); err != nil {
		t.Fatal(err)
	}
	if !about(h.messages, "no-cluster-admin") || mandatory.EnforcementLevel() != policyx.EnforcementLevelMandatory {
		t.Errorf("the mandatory carrier says %v at level %d", h.messages, mandatory.EnforcementLevel())
	}
	if advisory.EnforcementLevel() != policyx.EnforcementLevelDisabled {
		t.Error("the advisory carrier has nothing to report and is on")
	}
}

func TestSecretsAreJudgedAndNeverShown(t *testing.T) {
	secret := resource.MakeSecret(resource.NewProperty("cluster-admin"))
	said := newTestPack(false).resources(t, analyzed(rule.ClusterRoleBinding, "b", resource.PropertyMap{
		"roleRef": resource.NewProperty(resource.PropertyMap{"name": secret}),
	}), nil)
	if !about(said, "no-cluster-admin") {
		t.Errorf("a secret value is not judged: %v", said)
	}
	for _, message := range said {
		if strings.Contains(message, "roleRef.name is cluster-admin") {
			t.Errorf("a secret is shown: %s", message)
		}
	}
}

// TestAPanickingRuleIsNamedAndStops: the others are asked all the same.
func TestAPanickingRuleIsNamedAndStops(t *testing.T) {
	p := newTestPack(false)
	p.judge = rule.NewJudge(append(rule.Group("test", &rule.Rule{
		ID: "breaks", Types: []string{rule.ClusterRoleBinding},
		Check: func(*rule.Stack, *rule.Resource, rule.Limits) []rule.Complaint { panic("index out of range") },
	}), catalogue.Rules()...))
	said := p.resources(t, analyzed(rule.ClusterRoleBinding, "b", properties(t, map[string]any{"roleRef": map[string]any{"name": "cluster-admin"}})), nil)
	if !about(said, "breaks") || !strings.Contains(strings.Join(said, "\n"), "rule breaks panicked on it, which counts as a failure: index out of range") {
		t.Errorf("the rule that panicked is not named: %v", said)
	}
	if !about(said, "no-cluster-admin") {
		t.Errorf("the others were not asked: %v", said)
	}
}

// nested is a property this many levels deep.
func nested(levels int) resource.PropertyMap {
	inner := resource.PropertyMap{}
	for range levels {
		inner = resource.PropertyMap{"x": resource.NewProperty(inner)}
	}
	return inner
}

// TestDepthIsRefusedOnlyWhereSomebodyLooks: what no rule knows may have any
// shape; what one should judge and cannot read stops the update.
func TestDepthIsRefusedOnlyWhereSomebodyLooks(t *testing.T) {
	p := newTestPack(false)
	unknown := analyzed("acme:index/thing:Thing", "t", nested(10_000))
	if said := p.resources(t, unknown, nil); len(said) > 0 {
		t.Errorf("a type that no rule knows: %v", said)
	}
	if said := p.whole(t, unknown); len(said) > 0 {
		t.Errorf("a type that no rule knows: %v", said)
	}
	for _, policy := range p.Policies() {
		one, ok := policy.(policyx.ResourceValidationPolicy)
		if !ok {
			continue
		}
		err := one.Validate(context.Background(), policyx.ResourceValidationArgs{
			Manager: &heard{policy: policy}, Resource: analyzed(rule.ConfigMap, "c", nested(10_000)),
		})
		if !errors.Is(err, rule.ErrTooDeep) {
			t.Errorf("got %v", err)
		}
	}
}

func TestThresholdsOfThePackConfiguration(t *testing.T) {
	group := analyzed("aws:cloudwatch/logGroup:LogGroup", "l", properties(t, map[string]any{"retentionInDays": 30.0}))
	if about(newTestPack(false).resources(t, group, nil), "log-retention") {
		t.Error("30 days fail by default")
	}
	if !about(newTestPack(false).resources(t, group, map[string]any{"maxLogDays": 7.0}), "log-retention") {
		t.Error("the configured threshold is not used")
	}
	for name, want := range map[string]string{"maxLogDays": "integer", "requireDigest": "boolean", "expiryTag": "string", "registries": "array of string", "publicPorts": "array of integer"} {
		property := schema().Properties[name]
		got := fmt.Sprint(property["type"])
		if items, ok := property["items"].(map[string]any); ok {
			got += fmt.Sprint(" of ", items["type"])
		}
		if got != want {
			t.Errorf("threshold %s is %s, want %s", name, got, want)
		}
	}
}

// TestAConfigurationThatCannotBeTakenStops: every resource is refused, not only
// the first one.
func TestAConfigurationThatCannotBeTakenStops(t *testing.T) {
	group := analyzed("aws:cloudwatch/logGroup:LogGroup", "l", properties(t, map[string]any{"retentionInDays": 30.0}))
	for want, config := range map[string]map[string]any{
		"maxLogDays is -3, must be at least 1": {"maxLogDays": -3.0},
		`unknown field "maxLogDay"`:            {"maxLogDay": 3.0},
		"cannot unmarshal string":              {"maxLogDays": "many"},
	} {
		p := newTestPack(false)
		for range 2 {
			for _, policy := range p.Policies() {
				one, ok := policy.(policyx.ResourceValidationPolicy)
				if !ok {
					continue
				}
				err := one.Validate(context.Background(), policyx.ResourceValidationArgs{Manager: &heard{policy: policy}, Resource: group, Config: config})
				if err == nil || !strings.Contains(err.Error(), "policy pack configuration: ") || !strings.Contains(err.Error(), want) {
					t.Errorf("%v: got %v", config, err)
				}
			}
		}
	}
}

// TestWaiversInTheEngine: one that is used hides its finding, one that is over
// or that nothing needs is a finding itself.
func TestWaiversInTheEngine(t *testing.T) {
	binding := analyzed(rule.ClusterRoleBinding, "b", properties(t, map[string]any{"metadata": map[string]any{"name": "b"}, "roleRef": map[string]any{"name": "cluster-admin"}}))
	const waived = "waivers:\n- {rule: %s, resource: ClusterRoleBinding/b, stacks: [test], owner: me, reason: because, expires: %s}\n"
	for title, test := range map[string]struct {
		rule, expires string
		want          []string
	}{
		"used":    {"no-cluster-admin", "2026-12-31", nil},
		"expired": {"no-cluster-admin", "2026-05-31", []string{"no-cluster-admin", "waiver-expired"}},
		"unused":  {"tls-1-2", "2026-12-31", []string{"no-cluster-admin", "waiver-unused"}},
	} {
		p := newTestPack(false)
		var err error
		if p.options.Waivers, err = waiver.Parse("waivers.yaml", fmt.Appendf(nil, waived, test.rule, test.expires), catalogue.Rules()); err != nil {
			t.Fatal(err)
		}
		p.options.Now = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		said := append(p.resources(t, binding, nil), p.whole(t, binding)...)
		var got []string
		for _, message := range said {
			id, _, _ := strings.Cut(message, ":")
			got = append(got, id)
		}
		if slices.Sort(got); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", title, got, test.want)
		}
	}
}
