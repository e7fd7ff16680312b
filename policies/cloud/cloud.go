package cloud

import (
	"fmt"
	"slices"
	"strings"

	"slipway.dev/slipway/policies/rule"
)

const everyone, everyone6 = "0.0.0.0/0", "::/0"

// Rules are the package's rules.
func Rules() []*rule.Rule {
	return rule.Group("cloud", slices.Concat(machines(), buckets(), logs())...)
}

// ownKey tells whether a key is named, and is none of those that Amazon keeps in
// every account under an alias of its own.
func ownKey(id string) bool { return id != "" && !strings.Contains(id, "alias/aws/") }

func machines() []*rule.Rule {
	const main = "/main"
	return []*rule.Rule{
		{
			ID: "eks-endpoint-restricted", Title: "The cluster's API is private, or open to named networks only",
			Why:        "An API open to the internet is one leaked kubeconfig away from everyone.",
			Remedy:     "Set endpointPrivateAccess: true and publicAccessCidrs to your own networks, or endpointPublicAccess: false.",
			References: []string{"CIS EKS 5.4.1, 5.4.2"},
			Types:      []string{clusterType}, Reads: []string{"vpcConfig"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, c *cluster, _ rule.Limits) []rule.Complaint {
				v := c.VPCConfig
				if public := v.EndpointPublicAccess == nil || *v.EndpointPublicAccess; public &&
					(len(v.PublicAccessCidrs) == 0 || slices.Contains(v.PublicAccessCidrs, everyone) || slices.Contains(v.PublicAccessCidrs, everyone6)) {
					return rule.Complain("vpcConfig.publicAccessCidrs", "opens the API to everyone")
				}
				if !v.EndpointPrivateAccess {
					return rule.Complain("vpcConfig.endpointPrivateAccess", "is off: nodes leave the network to reach the API")
				}
				return nil
			}),
			Example: rule.Example{Resource: clusterType + main, Set: map[string]any{"vpcConfig.publicAccessCidrs": []any{everyone}}},
		},
		{
			ID: "eks-secrets-encrypted", Title: "Secrets are encrypted with a key of our own, and the control plane writes its logs",
			Why:        "Without envelope encryption a copy of etcd's disk is a copy of every password; without audit logs nobody sees who took it.",
			Remedy:     "Set encryptionConfig with resources: [secrets], and enabledClusterLogTypes with api, audit and authenticator.",
			References: []string{"CIS EKS 5.3.1, 2.1.1"},
			Types:      []string{clusterType}, Reads: []string{"encryptionConfig", "enabledClusterLogTypes"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, c *cluster, _ rule.Limits) []rule.Complaint {
				if c.EncryptionConfig == nil || !slices.Contains(c.EncryptionConfig.Resources, "secrets") {
					return rule.Complain("encryptionConfig.resources", "does not name secrets")
				}
				for _, log := range []string{"api", "audit", "authenticator"} {
					if !slices.Contains(c.EnabledClusterLogTypes, log) {
						return rule.Complain("enabledClusterLogTypes", "lacks %s", log)
					}
				}
				return nil
			}),
			Example: rule.Example{Resource: clusterType + main, Unknown: "encryptionConfig.resources", Set: map[string]any{"encryptionConfig": nil}},
		},
		{
			ID: "volumes-encrypted", Title: "Disks are encrypted with a key of our own",
			Why:        "A snapshot shared by mistake is then nothing but noise, and who may read one still needs the right to use the key.",
			Remedy:     "Set encrypted: true and kmsKeyId on volumes and on every block device of launch templates.",
			References: []string{"CIS AWS 2.2.1"},
			Types:      []string{volumeType, templateType}, Reads: []string{"encrypted", "kmsKeyId", "blockDeviceMappings"},
			Check: func(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				if v := rule.As[volume](r); v != nil {
					switch {
					case !v.Encrypted:
						return rule.Complain("encrypted", "is not true")
					case !ownKey(v.KMSKeyID):
						return rule.Complain("kmsKeyId", "names no key of our own")
					}
				}
				if t := rule.As[launchTemplate](r); t != nil {
					for i, device := range t.BlockDeviceMappings {
						path := fmt.Sprintf("blockDeviceMappings[%d].ebs", i)
						switch {
						case device.EBS == nil: // an instance's own disk
						case fmt.Sprint(device.EBS.Encrypted) != "true":
							return rule.Complain(path+".encrypted", "is not true")
						case !ownKey(device.EBS.KMSKeyID):
							return rule.Complain(path+".kmsKeyId", "names no key of our own")
						}
					}
				}
				return nil
			},
			Example: rule.Example{Resource: templateType + "/nodes", Set: map[string]any{"blockDeviceMappings[0].ebs.encrypted": "false"}},
		},
		{
			ID: "nodes-private", Title: "Nodes have no public address and give pods no credentials of theirs",
			Why:        "Without IMDSv2 and a hop limit of 1 any pod can ask the node's metadata service for the node's own role.",
			Remedy:     "Set metadataOptions.httpTokens: required and httpPutResponseHopLimit: 1; leave associatePublicIpAddress off.",
			References: []string{"CIS EKS 5.4.3", "https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html"},
			Types:      []string{templateType}, Reads: []string{"metadataOptions", "networkInterfaces"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, t *launchTemplate, _ rule.Limits) []rule.Complaint {
				if t.MetadataOptions == nil || t.MetadataOptions.HTTPTokens != "required" {
					return rule.Complain("metadataOptions.httpTokens", "is not required")
				}
				if t.MetadataOptions.HopLimit != 1 {
					return rule.Complain("metadataOptions.httpPutResponseHopLimit", "is %d, must be 1", t.MetadataOptions.HopLimit)
				}
				for i, nic := range t.NetworkInterfaces {
					if fmt.Sprint(nic.AssociatePublicIPAddress) == "true" {
						return rule.Complain(fmt.Sprintf("networkInterfaces[%d].associatePublicIpAddress", i), "is true")
					}
				}
				return nil
			}),
			Example: rule.Example{Resource: templateType + "/nodes", Set: map[string]any{"metadataOptions.httpTokens": "optional"}},
		},
		{
			ID: "security-group-closed", Title: "No security group lets everyone in, except to ports that are meant to be public",
			Why:        "Whatever listens is then found within minutes by scanners.",
			Remedy:     "Name the networks or the security group that may come in; the ports of publicPorts may be open.",
			References: []string{"CIS AWS 5.2, 5.3"},
			Types:      []string{groupType, defaultGroupType, ruleType, oldRuleType},
			Reads:      []string{"ingress", "cidrIpv4", "cidrIpv6", "fromPort", "toPort", "type", "cidrBlocks", "ipv6CidrBlocks"},
			Check: func(_ *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
				if g := rule.As[securityGroup](r); g != nil {
					for i, p := range g.Ingress {
						if open(p.CidrBlocks, p.IPv6Blocks) && !public(p.FromPort, p.ToPort, limits) {
							return rule.Complain(fmt.Sprintf("ingress[%d]", i), "lets everyone in")
						}
					}
				}
				if p := rule.As[ingressRule](r); p != nil && (p.IPv4 == everyone || p.IPv6 == everyone6) && !public(p.FromPort, p.ToPort, limits) {
					return rule.Complain("cidrIpv4", "lets everyone in")
				}
				if p := rule.As[oldRule](r); p != nil && p.Type != "egress" && open(p.CidrBlocks, p.IPv6Blocks) && !public(p.FromPort, p.ToPort, limits) {
					return rule.Complain("cidrBlocks", "lets everyone in")
				}
				return nil
			},
			Example: rule.Example{Resource: groupType + "/nodes", Set: map[string]any{"ingress[0].cidrBlocks": []any{everyone}}},
		},
		{
			ID: "kms-rotation", Title: "Keys rotate, and take their time to be deleted",
			Why:        "A key deleted by mistake takes everything encrypted with it along.",
			Remedy:     "Set enableKeyRotation: true and deletionWindowInDays to 7 or more.",
			References: []string{"CIS AWS 3.6"},
			Types:      []string{keyType}, Reads: []string{"enableKeyRotation", "deletionWindowInDays", "customerMasterKeySpec"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, k *key, _ rule.Limits) []rule.Complaint {
				symmetric := k.Spec == "" || k.Spec == "SYMMETRIC_DEFAULT"
				if symmetric && !k.EnableKeyRotation {
					return rule.Complain("enableKeyRotation", "is not true")
				}
				if k.DeletionWindow != 0 && k.DeletionWindow < 7 {
					return rule.Complain("deletionWindowInDays", "is %d", k.DeletionWindow)
				}
				return nil
			}),
			Example: rule.Example{Resource: keyType + main, Set: map[string]any{"enableKeyRotation": false}},
		},
		{
			ID: "ecr-immutable", Title: "Image tags cannot be moved, and images are scanned",
			Why:        "A tag that moves changes what runs without an update; an unscanned image is a known hole nobody knows.",
			Remedy:     "Set imageTagMutability: IMMUTABLE and imageScanningConfiguration.scanOnPush: true.",
			References: []string{"CIS EKS 5.1.1"},
			Types:      []string{registryType}, Reads: []string{"imageTagMutability", "imageScanningConfiguration"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, r *repository, _ rule.Limits) []rule.Complaint {
				if r.ImageTagMutability != "IMMUTABLE" {
					return rule.Complain("imageTagMutability", "is not IMMUTABLE")
				}
				if r.Scanning == nil || !r.Scanning.ScanOnPush {
					return rule.Complain("imageScanningConfiguration.scanOnPush", "is not true")
				}
				return nil
			}),
			Example: rule.Example{Resource: registryType + "/api", Set: map[string]any{"imageTagMutability": "MUTABLE"}},
		},
		{
			ID: "lb-tls", Title: "Load balancers speak TLS 1.2 or newer, and send plain HTTP on to HTTPS",
			Why:        "A listener's default policy still allows TLS 1.0.",
			Remedy:     "Set sslPolicy to one that begins with ELBSecurityPolicy-TLS13; redirect HTTP.",
			References: []string{"https://docs.aws.amazon.com/elasticloadbalancing/latest/network/describe-ssl-policies.html"},
			Types:      []string{listenerType, albListenerType}, Reads: []string{"protocol", "sslPolicy", "defaultActions"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, l *listener, _ rule.Limits) []rule.Complaint {
				switch l.Protocol {
				case "HTTPS", "TLS":
					if !strings.HasPrefix(l.SSLPolicy, "ELBSecurityPolicy-TLS13") && !strings.HasPrefix(l.SSLPolicy, "ELBSecurityPolicy-FS-1-2") {
						return rule.Complain("sslPolicy", "is %q", l.SSLPolicy)
					}
				case "HTTP":
					for i, action := range l.Actions {
						if action.Redirect == nil || action.Redirect.Protocol != "HTTPS" {
							return rule.Complain(fmt.Sprintf("defaultActions[%d]", i), "serves in the clear")
						}
					}
				}
				return nil
			}),
			Example: rule.Example{Resource: listenerType + "/https", Set: map[string]any{"sslPolicy": "ELBSecurityPolicy-2016-08"}},
		},
		{
			ID: "lb-access-logs", Title: "Load balancers that see requests log them",
			Why:        "Without them nobody can say afterwards who was refused and why.",
			Remedy:     "Set accessLogs.enabled: true with a bucket. Network load balancers log only TLS and are left out.",
			References: []string{"CIS AWS 3.x, Security Hub ELB.5"}, Level: rule.Advisory,
			Types: []string{balancerType, albType}, Reads: []string{"accessLogs", "loadBalancerType"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, l *loadBalancer, _ rule.Limits) []rule.Complaint {
				if l.Type != "network" && (l.AccessLogs == nil || !l.AccessLogs.Enabled) {
					return rule.Complain("accessLogs.enabled", "is not true")
				}
				return nil
			}),
			Example: rule.Example{Resource: balancerType + "/public", Set: map[string]any{"accessLogs.enabled": false}},
		},
	}
}

// open tells whether everyone may come in.
func open(networks, networks6 []string) bool {
	return slices.Contains(networks, everyone) || slices.Contains(networks6, everyone6)
}

// public tells whether a range is one port, and one of those that everyone may
// reach.
func public(from, to *int, limits rule.Limits) bool {
	return from != nil && to != nil && *from == *to && slices.Contains(limits.PublicPorts, *from)
}
