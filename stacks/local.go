package stacks

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/certificates"
	"slipway.dev/slipway/components/cluster"
	"slipway.dev/slipway/components/dns"
	"slipway.dev/slipway/components/storage"
)

// ErrNoCluster is returned when the settings name no kubeconfig and this
// machine runs no lab.
var ErrNoCluster = errors.New("there is no cluster")

// LabKubeconfig is where the lab of this machine leaves its kubeconfig.
func LabKubeconfig() string {
	state := os.Getenv("SLIPWAY_STATE")
	if state == "" {
		state = "/var/lib/slipway"
	}
	return filepath.Join(state, "lab", "kubeconfig")
}

// kubeconfig is the setting, or the lab's kubeconfig when there is none.
func (c Cluster) kubeconfig() (string, error) {
	if c.Kubeconfig != "" {
		return c.Kubeconfig, nil
	}
	lab := LabKubeconfig()
	if _, err := os.Stat(lab); err != nil {
		return "", fmt.Errorf("%w: cluster.kubeconfig is not set, and %s, which a running lab would have written, "+
			"cannot be read (%w); start the lab with `make up` or `slipway lab up`, or set cluster.kubeconfig",
			ErrNoCluster, lab, err)
	}
	return lab, nil
}

// open reaches the cluster that exists already.
func (c Cluster) open(ctx *pulumi.Context) (*cluster.Cluster, error) {
	kubeconfig, err := c.kubeconfig()
	if err != nil {
		return nil, err
	}
	return cluster.New(ctx, "cluster", cluster.Args{Kubeconfig: kubeconfig, Context: c.Context, Identifier: c.Identifier})
}

// layLocal uses a cluster that exists already, and serves the zones inside it.
func layLocal(ctx *pulumi.Context, settings Settings, versions Versions) (Foundation, error) {
	existing, err := settings.Cluster.open(ctx)
	if err != nil {
		return Foundation{}, err
	}
	inside := pulumi.Providers(existing.Provider)
	classes, err := storage.New(ctx, "storage", storage.Args{
		Provisioner: settings.Storage.Provisioner, Parameters: settings.Storage.Parameters,
	}, inside)
	if err != nil {
		return Foundation{}, err
	}
	return Foundation{
		Cluster:     inside,
		Kubeconfig:  existing.Kubeconfig,
		Namespaces:  ownNamespaces(),
		APINetworks: settings.Cluster.APINetworks, NodeNetworks: settings.Cluster.NodeNetworks,
		Images:   localImages,
		Migrator: localImages + migratorRepository,
		// The names that upstream's own images have, though the lab builds them.
		Proxy: "docker.io/library/traefik", CertManager: certificates.DefaultRegistry,
		StateMetrics: "registry.k8s.io/kube-state-metrics/kube-state-metrics",
		Authority:    certificates.DefaultIssuer,
		// A second one would only wait, in memory that the lab lacks.
		Standby: 1,
		Way: Way{
			HostPorts: settings.Ingress.HostPorts, Addresses: addressRecords(settings.Ingress.Addresses),
			Pin: settings.Ingress.Addresses[0],
		},
		RetainClass:   classes.Retain,
		StandardClass: classes.Standard,
		Serve: func(zones []dns.Zone) (Nameserver, error) {
			return serveInside(ctx, settings, versions, zones, inside)
		},
	}, nil
}

// serveInside runs the name servers in the cluster itself.
func serveInside(
	ctx *pulumi.Context, settings Settings, versions Versions, zones []dns.Zone, inside pulumi.ResourceOption,
) (Nameserver, error) {
	entry, err := hosts(settings.Ingress.Addresses)
	if err != nil {
		return Nameserver{}, err
	}
	served, err := dns.New(ctx, "dns", dns.Args{
		Namespace: dnsNamespace, Image: "registry.k8s.io/coredns/coredns:" + versions.CoreDNS,
		ClusterIP: settings.DNS.ClusterIP, HostPort: settings.DNS.HostPort, Replicas: settings.DNS.Replicas,
		// The operator says that clients reach the platform at these, however
		// private they look.
		PublicNetworks: entry,

		MonitoringNamespace: settings.scraper(),
		Zones:               zones,
	}, inside)
	if err != nil {
		return Nameserver{}, err
	}
	address := pulumi.Sprintf("%s:53", served.ClusterIP)
	if port := settings.DNS.HostPort; port > 0 {
		address = pulumi.String(net.JoinHostPort(settings.Ingress.Addresses[0], strconv.Itoa(port))).ToStringOutput()
	}
	return Nameserver{Address: address, Namespace: dnsNamespace}, nil
}

// hosts are the networks that hold exactly one address each.
func hosts(addresses []string) ([]string, error) {
	networks := make([]string, 0, len(addresses))
	for _, address := range addresses {
		parsed, err := netip.ParseAddr(address)
		if err != nil {
			return nil, fmt.Errorf("ingress.addresses: %w", err)
		}
		networks = append(networks, netip.PrefixFrom(parsed, parsed.BitLen()).String())
	}
	return networks, nil
}
