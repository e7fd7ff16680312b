package admission

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"slipway.dev/slipway/components/component"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:admission:Admission"

// Action is what the API server does about an object that breaks a rule.
type Action string

const (
	// Deny refuses the object. The default.
	Deny Action = "deny"
	// Warn lets it in and tells whoever sent it.
	Warn Action = "warn"
)

// Actions lists what Args.Action accepts.
func Actions() []Action { return []Action{Deny, Warn} }

// Args says what is refused, and how.
type Args struct {
	// Policies is what Load read. Required: a component that refuses nothing
	// would promise what it does not do. A policy's name is that of its object in
	// the cluster; the part after the first dash is in the resource's URN.
	Policies Policies
	// Action is Deny or Warn. Warn softens every binding; Deny leaves each as
	// strict as its file says, since an advisory rule only warns. Default: Deny. A
	// change updates the bindings in place.
	Action Action
}

// Admission is a set of policies that the API server enforces.
type Admission struct {
	pulumi.ResourceState

	// Names are those of the policies in the cluster.
	Names pulumi.StringArrayOutput `pulumi:"names"`
}

// New declares policies and their bindings.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Admission, error) {
	plan, err := resolve(args)
	if err != nil {
		return nil, fmt.Errorf("admission %q: %w", name, err)
	}
	admission := &Admission{}
	if err := ctx.RegisterComponentResource(TypeToken, name, admission, opts...); err != nil {
		return nil, fmt.Errorf("registering admission %q: %w", name, err)
	}
	if err := admission.build(ctx, name, plan); err != nil {
		return nil, fmt.Errorf("building admission %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(admission, pulumi.Map{"names": admission.Names}); err != nil {
		return nil, fmt.Errorf("publishing admission %q: %w", name, err)
	}
	return admission, nil
}

// resolve checks the arguments and applies the action to a copy of them.
func resolve(args Args) (Policies, error) {
	var faults []error
	if len(args.Policies.Policies) == 0 {
		faults = append(faults, errors.New("policies: is empty, nothing would be refused"))
	}
	if args.Action != "" && !slices.Contains(Actions(), args.Action) {
		faults = append(faults, fmt.Errorf("action: %q is neither %s nor %s", args.Action, Deny, Warn))
	}
	plan := Policies{Policies: slices.Clone(args.Policies.Policies), Bindings: slices.Clone(args.Policies.Bindings)}
	bound := map[string]bool{}
	for _, policy := range plan.Policies {
		if _, known := bound[policy.Name]; known {
			faults = append(faults, fmt.Errorf("policies: %s is there twice", policy.Name))
		}
		bound[policy.Name] = false
	}
	for i := range plan.Bindings {
		binding := &plan.Bindings[i]
		if _, known := bound[binding.Spec.PolicyName]; !known {
			faults = append(faults, fmt.Errorf("policies: %s binds %s, which is not there", binding.Name, binding.Spec.PolicyName))
		}
		bound[binding.Spec.PolicyName] = true
		if args.Action == Warn {
			binding.Spec.ValidationActions = []admissionv1.ValidationAction{admissionv1.Warn}
		}
	}
	for _, policy := range plan.Policies {
		if !bound[policy.Name] {
			faults = append(faults, fmt.Errorf("policies: nothing binds %s, so it would hold nowhere", policy.Name))
		}
	}
	return plan, errors.Join(faults...)
}

func (a *Admission) build(ctx *pulumi.Context, name string, plan Policies) error {
	made := map[string]pulumi.Resource{}
	names := pulumi.StringArray{}
	for _, policy := range plan.Policies {
		object, err := declare(ctx, a, name, policyKind, policy.Name, "", policy.Spec)
		if err != nil {
			return err
		}
		made[policy.Name] = object
		names = append(names, pulumi.String(policy.Name))
	}
	for _, binding := range plan.Bindings {
		if _, err := declare(ctx, a, name, bindingKind, binding.Name, "-binding", binding.Spec,
			pulumi.DependsOn([]pulumi.Resource{made[binding.Spec.PolicyName]})); err != nil {
			return err
		}
	}
	a.Names = names.ToStringArrayOutput()
	return nil
}

// declare registers one object under the part of its name that is its own.
func declare(
	ctx *pulumi.Context, parent pulumi.Resource, owner, kind, name, suffix string, spec any, opts ...pulumi.ResourceOption,
) (pulumi.Resource, error) {
	_, role, found := strings.Cut(name, "-")
	if !found {
		role = name
	}
	return component.Object{
		APIVersion: apiVersion, Kind: kind,
		Metadata: metav1.ObjectMetaArgs{
			Name: pulumi.String(name), Labels: component.StringMap(component.Labels("admission", owner, role)),
		},
		Spec: spec,
	}.Declare(ctx, owner+"-"+role+suffix, component.Under(parent, opts...)...)
}
