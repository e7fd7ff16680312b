package simcloud

import (
	"regexp"
	"strings"
	"time"
)

var (
	signingKey = token("route53", "KeySigningKey")
	zoneDNSSEC = token("route53", "HostedZoneDnsSec")
	queryLog   = token("route53", "QueryLog")
)

// dnsHome is the only region whose keys and log groups Route 53 uses.
const dnsHome = "us-east-1"

func dnssecKinds() []*kind {
	return []*kind{
		{
			token: signingKey, called: "Route 53 key-signing key", action: "route53:CreateKeySigningKey", global: true, id: "{hostedZoneId},{name}",
			missing: "NoSuchKeySigningKey", taken: "KeySigningKeyAlreadyExists", replace: words("hostedZoneId keyManagementServiceArn name"),
			naming: &naming{property: "name", max: 128, pattern: regexp.MustCompile(`^[a-zA-Z0-9._-]{3,128}$`)}, defaults: Props{"status": "ACTIVE"},
			rules: []rule{oneOf("status", "ACTIVE", "INACTIVE")}, refs: []ref{{path: "hostedZoneId", token: dnsZone}},
			create: func(o *op) error {
				if !empty(o.target("hostedZoneId").Properties["vpcs"]) {
					return refuse("InvalidArgument", "hostedZoneId: a private zone cannot be signed")
				}
				key := o.everywhere(kmsKey, "arn", o.in.Text("keyManagementServiceArn"))
				switch {
				case key == nil:
					return refuse("InvalidKMSArn", "keyManagementServiceArn: key %s does not exist", o.in["keyManagementServiceArn"])
				case key.Region != dnsHome:
					return refuse("InvalidKMSArn", "keyManagementServiceArn: the key is in %s, and must be in %s", key.Region, dnsHome)
				case key.Properties["customerMasterKeySpec"] != "ECC_NIST_P256" || key.Properties["keyUsage"] != "SIGN_VERIFY":
					return refuse("InvalidKMSArn", "keyManagementServiceArn: the key must be of the kind ECC_NIST_P256 for SIGN_VERIFY")
				}
				document, _ := parsePolicy(key.Properties["policy"])
				for _, p := range o.All(kmsKeyPolicy) {
					if p.Properties["keyId"] == key.ID {
						document, _ = parsePolicy(p.Properties["policy"])
					}
				}
				for _, action := range words("kms:DescribeKey kms:GetPublicKey kms:Sign") {
					if !lets(document, "dnssec-route53.amazonaws.com", action) {
						return refuse("InvalidKMSArn", "keyManagementServiceArn: the key's policy does not let dnssec-route53.amazonaws.com do %s", action)
					}
				}
				o.keep("digestAlgorithmMnemonic", "SHA-256")
				o.keep("digestAlgorithmType", 2.0)
				o.keep("flag", 257.0)
				o.keep("keyTag", 12345.0)
				o.keep("signingAlgorithmMnemonic", "ECDSAP256SHA256")
				o.keep("signingAlgorithmType", 13.0)
				sum := strings.ToUpper(digest(64, o.record.URN, o.Operations))
				o.keep("digestValue", sum)
				o.keep("dsRecord", "12345 13 2 "+sum)
				o.keep("publicKey", digest(64, "public", sum))
				o.keep("dnskeyRecord", "257 3 13 "+digest(64, "public", sum))
				return nil
			},
			remove: func(o *op) error {
				if o.Get(zoneDNSSEC, o.out.Text("hostedZoneId"), "global") != nil {
					return refuse("KeySigningKeyInUse", "the zone %s is signed with the key: switch DNSSEC off first", o.out["hostedZoneId"])
				}
				return nil
			},
			creating: 10 * time.Second, deleting: 10 * time.Second,
		},
		{
			token: zoneDNSSEC, called: "Route 53 DNSSEC", action: "route53:EnableHostedZoneDNSSEC", global: true, id: "{hostedZoneId}", missing: "DNSSECNotFound",
			replace: words("hostedZoneId"), defaults: Props{"signingStatus": "SIGNING"}, rules: []rule{oneOf("signingStatus", "SIGNING", "NOT_SIGNING")},
			refs: []ref{{path: "hostedZoneId", token: dnsZone}},
			create: func(o *op) error {
				for _, k := range o.find(signingKey) {
					if k.Properties["hostedZoneId"] == o.in["hostedZoneId"] && k.Properties["status"] == "ACTIVE" {
						return nil
					}
				}
				return refuse("KeySigningKeyWithActiveStatusNotFound", "the zone %s has no active key-signing key", o.in["hostedZoneId"])
			},
			creating: 45 * time.Second, deleting: 45 * time.Second,
		},
		{
			token: queryLog, called: "Route 53 query log", action: "route53:CreateQueryLoggingConfig", global: true, missing: "NoSuchQueryLoggingConfig",
			prefix: "ql", arn: "arn:{partition}:route53:::queryloggingconfig/{id}", replace: words("*"), unique: "{zoneId}", taken: "QueryLoggingConfigAlreadyExists",
			refs: []ref{{path: "zoneId", token: dnsZone}},
			create: func(o *op) error {
				arn := strings.TrimSuffix(o.in.Text("cloudwatchLogGroupArn"), ":*")
				group := o.everywhere(logGroup, "arn", arn)
				switch {
				case group == nil:
					return refuse("NoSuchCloudWatchLogsLogGroup", "cloudwatchLogGroupArn: the log group %s does not exist", arn)
				case group.Region != dnsHome:
					return refuse("InvalidInput", "cloudwatchLogGroupArn: the log group is in %s, and must be in %s", group.Region, dnsHome)
				case !empty(o.target("zoneId").Properties["vpcs"]):
					return refuse("InvalidInput", "zoneId: queries of a private zone cannot be logged this way")
				}
				for _, p := range o.All(logResourcePolicy) {
					document, _ := parsePolicy(p.Properties["policyDocument"])
					if p.Region == dnsHome && lets(document, "route53.amazonaws.com", "logs:PutLogEvents") && lets(document, "route53.amazonaws.com", "logs:CreateLogStream") {
						return nil
					}
				}
				return refuse("InsufficientCloudWatchLogsResourcePolicy", "no resource policy of CloudWatch Logs in %s lets route53.amazonaws.com write", dnsHome)
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
	}
}

// everywhere finds a thing of the account by a property, in whatever region.
func (o *op) everywhere(token, property, value string) *Record {
	for _, r := range o.All(token) {
		if r.Account == o.record.Account && r.Properties[property] == value {
			return r
		}
	}
	return nil
}
