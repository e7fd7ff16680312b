package stacks

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/certificates"
	"slipway.dev/slipway/components/dns"
	"slipway.dev/slipway/components/logging"
	"slipway.dev/slipway/components/postgres"
	"slipway.dev/slipway/components/traefik"
)

// Foundation is what a place to run offers to the platform. Every kind of place
// returns the same struct, and nothing after it may ask which kind it was.
type Foundation struct {
	// Cluster is the option that puts a component into the Kubernetes cluster.
	Cluster pulumi.ResourceOption
	// Kubeconfig reaches the cluster. Secret.
	Kubeconfig pulumi.StringOutput
	// Namespaces are where the platform's pieces run.
	Namespaces Namespaces
	// APINetworks are where the Kubernetes API answers, in CIDR notation. Empty
	// when that is not known.
	APINetworks []string
	// NodeNetworks are where the nodes are, in CIDR notation. Empty when that is
	// not known.
	NodeNetworks []string
	// Images is where the images built from this checkout are pulled from: a host
	// and path, to which their own path is added.
	Images string
	// Migrator is the repository of the image that migrates the service's database,
	// under the tag of what that is made of. Empty where none is kept: then every
	// release migrates with its own image.
	Migrator string
	// Proxy is the repository of the proxy's image, StateMetrics that of
	// kube-state-metrics, and CertManager where cert-manager's are. All are built
	// from upstream's sources.
	Proxy, StateMetrics, CertManager string
	// Authority is the name of the private authority's issuer.
	Authority string
	// Standby is how many pods a controller has of which one works.
	Standby int
	// Way is how requests come in.
	Way Way
	// Public, when set, is an authority that the public trusts, for names in the
	// public zone.
	Public *certificates.ACME
	// Backups, when set, is a bucket for backups of the database. Nil: they are on
	// a volume.
	Backups *postgres.S3
	// Archive, when set, is a bucket for copies of logs. Nil: they are on the nodes
	// alone.
	Archive *logging.S3
	// Outputs are published besides those that every stack has.
	Outputs pulumi.Map
	// Shared, when set, is what another stack has in the cluster and this one
	// uses, in place of declaring it.
	Shared *Shared
	// RetainClass and StandardClass are the storage classes whose volumes
	// outlive their claim, and whose volumes go with it.
	RetainClass, StandardClass pulumi.StringOutput
	// Serve makes the zones answer queries. Nil: the platform's names are in zones
	// of another stack.
	Serve func(zones []dns.Zone) (Nameserver, error)
}

// Shared is what a cluster has once.
type Shared struct {
	// Authority vouches for names.
	Authority *certificates.Certificates
	// Ingress lets requests in.
	Ingress *traefik.Traefik
}

// Way is how requests come in.
type Way struct {
	// HostPorts has the proxies listen on the nodes themselves; NodePorts has the
	// nodes listen for a load balancer of the foundation's.
	HostPorts bool
	NodePorts *traefik.NodePorts
	// AcceptSeconds and FinishSeconds are how long a proxy that goes takes
	// requests, and then finishes them. 0: what the proxy takes for itself.
	AcceptSeconds, FinishSeconds int
	// Addresses are the records by which clients find the way in; each has a type
	// and values, the name is given later.
	Addresses []dns.Record
	// Pin is an address at which the platform answers before anybody's DNS knows
	// it, or empty.
	Pin string
}

// Nameserver is who answers for the zones.
type Nameserver struct {
	// Address is where a person can ask it, as host:port.
	Address pulumi.StringOutput
	// Namespace is where it runs, empty when it runs outside the cluster.
	Namespace string
}

// Lay declares the foundation that the settings name.
func Lay(ctx *pulumi.Context, settings Settings, versions Versions) (Foundation, error) {
	switch settings.Foundation {
	case Local:
		return layLocal(ctx, settings, versions)
	case OnAWS:
		return layAWS(ctx, settings)
	case AsGuest:
		return layGuest(ctx, settings)
	default:
		return Foundation{}, fmt.Errorf("foundation: is %q, which nothing can lay", settings.Foundation)
	}
}
