package component_test

import (
	"strings"
	"testing"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/component/componenttest"
)

// thing is the smallest component.
type thing struct{ pulumi.ResourceState }

// inside returns a program that declares what build adds to a component.
func inside(build func(ctx *pulumi.Context, parent pulumi.Resource) error) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		provider, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		parent := &thing{}
		if err := ctx.RegisterComponentResource("slipway:test:Thing", "thing", parent, provider); err != nil {
			return err
		}
		return build(ctx, parent)
	}
}

func namespace(level component.Level, stance component.Stance) pulumi.RunFunc {
	return inside(func(ctx *pulumi.Context, parent pulumi.Resource) error {
		_, err := component.Namespace(ctx, parent, "thing", "slipway-thing", level, stance)
		return err
	})
}

func TestNamespaceStartsClosed(t *testing.T) {
	componenttest.Both(t, namespace(component.Restricted, component.Disposable), func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "thing")
		made := g.One(t, "kubernetes:core/v1:Namespace", "thing-namespace")
		if got := made.Text("metadata.name"); got != "slipway-thing" {
			t.Errorf("the namespace is called %q", got)
		}
		if got := made.Text(`metadata.labels["pod-security.kubernetes.io/enforce"]`); got != "restricted" {
			t.Errorf("pod security is %q", got)
		}
		deny := g.One(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy", "thing-default-deny")
		for _, direction := range []string{"ingress", "egress"} {
			if _, opened := deny.Path("spec." + direction); opened {
				t.Errorf("default-deny lets some %s through", direction)
			}
		}
		if types, _ := deny.Path("spec.policyTypes"); len(types.ArrayValue()) != 2 {
			t.Errorf("default-deny covers %v, want both directions", types)
		}
		dns := g.One(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy", "thing-allow-dns")
		if got := dns.Text(`spec.egress[0].to[0].podSelector.matchLabels["k8s-app"]`); got != "kube-dns" {
			t.Errorf("DNS egress goes to %q", got)
		}
		if dns.Number("spec.egress[0].ports[0].port") != 53 {
			t.Error("DNS egress is not limited to port 53")
		}
	})
}

func TestStances(t *testing.T) {
	for stance, want := range map[component.Stance]struct{ protect, retain bool }{
		component.Disposable: {}, component.Guarded: {protect: true}, component.Abandoned: {retain: true},
	} {
		t.Run(stance.String(), func(t *testing.T) {
			g := &componenttest.Graph{}
			g.Run(t, namespace(component.Baseline, stance))
			rpc := g.One(t, "kubernetes:core/v1:Namespace", "thing-namespace").RegisterRPC
			if rpc.GetProtect() != want.protect || rpc.GetRetainOnDelete() != want.retain {
				t.Errorf("protect %t retain %t, want %+v", rpc.GetProtect(), rpc.GetRetainOnDelete(), want)
			}
		})
	}
}

func TestUnderNeverShares(t *testing.T) {
	shared := make([]pulumi.ResourceOption, 0, 8)
	shared = append(shared, pulumi.Protect(true))
	parent := &thing{}
	first := component.Under(parent, shared...)
	second := component.Under(parent, shared...)
	if &first[0] == &second[0] || &first[0] == &shared[0] {
		t.Error("two children share one slice of options")
	}
	if len(first) != 2 {
		t.Errorf("%d options, want the extra one and the parent", len(first))
	}
}

func TestSelectorsAreStableAndLabelsExtendThem(t *testing.T) {
	labels := component.Labels("api", "blue", "web")
	for key, value := range component.Selector("api", "blue", "web") {
		if labels[key] != value {
			t.Errorf("label %s is %q, the selector wants %q", key, labels[key], value)
		}
		if strings.Contains(key, "version") {
			t.Errorf("selector holds %s", key)
		}
	}
	if _, found := component.Selector("api", "blue", "")[component.LabelComponent]; found {
		t.Error("an empty component became a label")
	}
	labels["own"] = "yes"
	if _, leaked := component.Labels("api", "blue", "web")["own"]; leaked {
		t.Error("two objects share one map of labels")
	}
}

func TestObjectKeepsTheShapeOfItsSpec(t *testing.T) {
	type route struct {
		Match  string `json:"match"`
		Weight int    `json:"weight,omitempty"`
		Absent string `json:"absent,omitempty"`
	}
	program := inside(func(ctx *pulumi.Context, parent pulumi.Resource) error {
		_, err := component.Object{
			APIVersion: "example.org/v1", Kind: "Route", Metadata: metav1.ObjectMetaArgs{Name: pulumi.String("r")},
			Spec: struct {
				Routes []route `json:"routes"`
			}{[]route{{Match: "Host(`a`)", Weight: 100}}},
		}.Declare(ctx, "thing-route", component.Under(parent)...)
		return err
	})
	componenttest.Both(t, program, func(t *testing.T, g *componenttest.Graph) {
		made := g.One(t, "kubernetes:example.org/v1:Route", "thing-route")
		if made.Text("spec.routes[0].match") != "Host(`a`)" || made.Number("spec.routes[0].weight") != 100 {
			t.Errorf("the spec arrived as %v", made.Inputs["spec"])
		}
		if _, found := made.Path("spec.routes[0].absent"); found {
			t.Error("an omitted field was sent")
		}
	})
}

func TestObjectTakesAnOutputOfItsSpec(t *testing.T) {
	type issuer struct {
		Name string `json:"name"`
	}
	program := inside(func(ctx *pulumi.Context, parent pulumi.Resource) error {
		namespace, err := component.Namespace(ctx, parent, "thing", "n", component.Restricted, component.Disposable)
		if err != nil {
			return err
		}
		spec := namespace.ApplyT(func(name *string) (issuer, error) { return issuer{*name}, nil })
		_, err = component.Object{APIVersion: "example.org/v1", Kind: "Issuer", Spec: spec}.
			Declare(ctx, "thing-issuer", component.Under(parent)...)
		return err
	})
	componenttest.Both(t, program, func(t *testing.T, g *componenttest.Graph) {
		if got := g.One(t, "kubernetes:example.org/v1:Issuer", "thing-issuer").Text("spec.name"); got != "n" {
			t.Errorf("the spec's name arrived as %q", got)
		}
	})
}

func TestObjectRefusesWhatJSONCannotHold(t *testing.T) {
	program := inside(func(ctx *pulumi.Context, parent pulumi.Resource) error {
		_, err := component.Object{APIVersion: "v1", Kind: "X", Spec: map[string]any{"f": func() {}}}.Declare(ctx, "thing-x")
		return err
	})
	err := (&componenttest.Graph{}).Try(t, program)
	if err == nil || !strings.Contains(err.Error(), "encoding X thing-x") {
		t.Errorf("got %v", err)
	}
}
