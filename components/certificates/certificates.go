package certificates

import (
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/crd"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:certificates:Certificates"

// product is what cert-manager's objects are called by, in part or in full.
const product = "cert-manager"

// Certificates is a certificate authority at work.
type Certificates struct {
	pulumi.ResourceState

	// IssuerName and IssuerKind are what a Certificate refers to. They are known
	// when the issuer is ready to sign.
	IssuerName pulumi.StringOutput `pulumi:"issuerName"`
	IssuerKind pulumi.StringOutput `pulumi:"issuerKind"`
	// PublicIssuerName is the issuer, of the same kind, for names that the public
	// asks for: ACME's where there is one, otherwise the private authority's.
	PublicIssuerName pulumi.StringOutput `pulumi:"publicIssuerName"`
	// CACertificate is the authority's certificate in PEM, which clients have to
	// trust. It is public.
	CACertificate pulumi.StringOutput `pulumi:"caCertificate"`
}

// New declares cert-manager and an authority. When an update with it has
// finished, certificates are issued. A Certificate of another component must
// depend on it, or use its outputs.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Certificates, error) {
	plan, err := resolve(args)
	if err != nil {
		return nil, fmt.Errorf("certificates %q: %w", name, err)
	}
	certificates := &Certificates{}
	if err := ctx.RegisterComponentResource(TypeToken, name, certificates, opts...); err != nil {
		return nil, fmt.Errorf("registering certificates %q: %w", name, err)
	}
	if err := certificates.build(ctx, name, plan); err != nil {
		return nil, fmt.Errorf("building certificates %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(certificates, pulumi.Map{
		"issuerName":       certificates.IssuerName,
		"issuerKind":       certificates.IssuerKind,
		"publicIssuerName": certificates.PublicIssuerName,
		"caCertificate":    certificates.CACertificate,
	}); err != nil {
		return nil, fmt.Errorf("publishing certificates %q: %w", name, err)
	}
	return certificates, nil
}

// parts are what the pieces share.
type parts struct {
	plan
	name      string
	namespace pulumi.StringPtrOutput
}

// object is the metadata of an object in the cluster. role tells the three
// programs apart; an empty namespace makes it one of the whole cluster.
func (p parts) object(named, role string, cluster bool) metav1.ObjectMetaArgs {
	made := metav1.ObjectMetaArgs{
		Name: pulumi.String(named), Labels: component.StringMap(component.Labels(product, p.name, role)),
	}
	if !cluster {
		made.Namespace = p.namespace
	}
	return made
}

func (c *Certificates) build(ctx *pulumi.Context, name string, plan plan) error {
	namespace, err := component.Namespace(ctx, c, name, plan.Namespace, component.Restricted, component.Disposable)
	if err != nil {
		return err
	}
	p := parts{plan: plan, name: name, namespace: namespace}
	definitions, err := crd.Declare(ctx, c, name, component.Labels(product, name, "definition"), plan.definitions)
	if err != nil {
		return err
	}
	running := map[string]*appsv1.Deployment{}
	programs := servers(p)
	var loads []component.Load
	for _, server := range programs {
		loads = append(loads, server.load)
	}
	bounds, err := component.Bound(ctx, c, name, p.namespace, loads...)
	if err != nil {
		return err
	}
	for _, server := range programs {
		rights, err := c.rights(ctx, p, server)
		if err != nil {
			return err
		}
		// A server that starts before its kinds or its rights exist fails until
		// they do, and backs off for longer each time.
		after := append(append(rights, definitions...), bounds...)
		if running[server.role], err = c.server(ctx, p, server, after); err != nil {
			return err
		}
	}
	admission, err := c.admission(ctx, p, running[webhook], running[cainjector])
	if err != nil {
		return err
	}
	accepted := append(admission, running[controller], running[cainjector])
	if err := c.authority(ctx, p, accepted); err != nil {
		return err
	}
	c.PublicIssuerName = c.IssuerName
	if p.ACME == nil {
		return nil
	}
	return c.acme(ctx, p, accepted)
}
