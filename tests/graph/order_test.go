package graph

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"slipway.dev/slipway/components/component/componenttest"
)

// What is made later goes first when a stack is destroyed, so one graph proves
// both orders.

// before maps each resource to those that must exist before it, directly.
func before(g *componenttest.Graph) map[string][]string {
	needs := map[string][]string{}
	for _, node := range g.Nodes() {
		at := node.TypeToken + " " + node.Name
		urns := node.RegisterRPC.GetDependencies()
		if provider := node.RegisterRPC.GetProvider(); provider != "" {
			urns = append(urns, provider[:strings.LastIndex(provider, "::")])
		}
		for _, urn := range urns {
			needs[at] = append(needs[at], string(resource.URN(urn).Type())+" "+resource.URN(urn).Name())
		}
	}
	return needs
}

// reaches reports whether from comes after to, directly or over others.
func reaches(needs map[string][]string, from, to string, seen map[string]bool) bool {
	for _, next := range needs[from] {
		if next == to {
			return true
		}
		if !seen[next] {
			seen[next] = true
			if reaches(needs, next, to, seen) {
				return true
			}
		}
	}
	return false
}

func TestOrder(t *testing.T) {
	// nat is the last way out that a stack has.
	for stack, nat := range map[string]string{"dev": "network-nat-a", "prod": "network-nat-c"} {
		t.Run(stack, func(t *testing.T) { order(t, stack, nat) })
	}
}

func order(t *testing.T, stack, nat string) {
	t.Helper()
	g := declared(t, stack, false)
	needs := before(g)
	for _, test := range []struct{ from, to string }{
		{"aws:lb/loadBalancer:LoadBalancer balancer-nlb", "aws:ec2/subnet:Subnet network-public-a"},
		{"aws:lb/loadBalancer:LoadBalancer balancer-nlb", "aws:ec2/route:Route network-public-out"},
		{"aws:eks/nodeGroup:NodeGroup cluster-nodes-general", "aws:eks/addon:Addon cluster-addon-vpc-cni"},
		{"aws:eks/nodeGroup:NodeGroup cluster-nodes-general", "aws:ec2/natGateway:NatGateway " + nat},
		{"aws:eks/cluster:Cluster cluster-cluster", "aws:cloudwatch/logGroup:LogGroup cluster-logs"},
		{"aws:route53/record:Record records-public-api-cname", "aws:lb/loadBalancer:LoadBalancer balancer-nlb"},
		{"kubernetes:cert-manager.io/v1:ClusterIssuer certificates-acme-production", "kubernetes:apps/v1:Deployment certificates-controller"},
		{"kubernetes:cert-manager.io/v1:ClusterIssuer certificates-acme-production", "aws:route53/zone:Zone zones-public"},
		{"kubernetes:core/v1:ServiceAccount certificates-controller-account", "aws:iam/rolePolicy:RolePolicy identity-certificates-policy"},
		{"kubernetes:core/v1:ServiceAccount postgres-repository-account", "aws:iam/rolePolicy:RolePolicy identity-backups-policy"},
		{"kubernetes:core/v1:ServiceAccount logging-account", "aws:iam/rolePolicy:RolePolicy identity-logs-policy"},
		{"kubernetes:apps/v1:DaemonSet logging-agents", "kubernetes:core/v1:ServiceAccount logging-account"},
		{"kubernetes:snapshot.storage.k8s.io/v1:VolumeSnapshotClass storage-snapshots", "aws:eks/addon:Addon cluster-addon-snapshot-controller"},
	} {
		if !reaches(needs, test.from, test.to, map[string]bool{}) {
			t.Errorf("%s does not come after %s", test.from, test.to)
		}
	}
	// Everything in the cluster is gone before its nodes, add-ons and access.
	objects := 0
	for _, node := range g.Of("kubernetes:") {
		objects++
		for _, to := range []string{
			"aws:eks/nodeGroup:NodeGroup cluster-nodes-general", "aws:eks/addon:Addon cluster-addon-coredns",
			"aws:eks/accessPolicyAssociation:AccessPolicyAssociation cluster-access-slipway-" + stack + "-deploy-policy",
		} {
			if at := node.TypeToken + " " + node.Name; !reaches(needs, at, to, map[string]bool{}) {
				t.Errorf("%s does not come after %s", at, to)
			}
		}
	}
	if objects < 80 {
		t.Errorf("only %d objects were looked at", objects)
	}
	// What need not wait does not: the balancer is made beside the cluster's add-ons.
	if reaches(needs, "aws:lb/loadBalancer:LoadBalancer balancer-nlb", "aws:eks/cluster:Cluster cluster-cluster", map[string]bool{}) {
		t.Error("the balancer waits for the cluster")
	}
}

// controllers are what acts on the custom resources of a group, and what their
// definitions are called. cert-manager's objects need it whole: its webhooks
// judge them, and its controller takes off the finalizers of what it made.
// Traefik only reads: it has no webhook and puts no finalizer on anything, and
// its pods are ready once a route is there, so its own objects come before it.
var controllers = map[string]struct {
	definitions string
	acting      []string
	least       int
}{
	"cert-manager.io": {"certificates-crd-", []string{
		"kubernetes:apps/v1:Deployment certificates-controller", "kubernetes:apps/v1:Deployment certificates-webhook",
		"kubernetes:apps/v1:Deployment certificates-cainjector",
		"kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration certificates-webhook-validating",
		"kubernetes:admissionregistration.k8s.io/v1:MutatingWebhookConfiguration certificates-webhook-mutating",
	}, 8},
	"traefik.io": {"ingress-crd-", nil, 7},
}

// TestOrderOfCustomResources: each goes before its definition, which would take
// it along, and before what acts on it.
func TestOrderOfCustomResources(t *testing.T) {
	for _, stack := range []string{"dev", "prod"} {
		t.Run(stack, func(t *testing.T) {
			g := declared(t, stack, false)
			needs := before(g)
			for group, by := range controllers {
				for _, acting := range by.acting {
					token, name, _ := strings.Cut(acting, " ")
					g.One(t, token, name)
				}
				objects := g.Of("kubernetes:" + group + "/")
				for _, node := range objects {
					kind := strings.ToLower(node.TypeToken[strings.LastIndex(node.TypeToken, ":")+1:])
					definition := "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition " + by.definitions + kind + "s." + group
					for _, to := range append([]string{definition}, by.acting...) {
						if at := node.TypeToken + " " + node.Name; !reaches(needs, at, to, map[string]bool{}) {
							t.Errorf("%s does not come after %s", at, to)
						}
					}
				}
				if len(objects) < by.least {
					t.Errorf("only %d objects of %s were looked at", len(objects), group)
				}
			}
		})
	}
}
