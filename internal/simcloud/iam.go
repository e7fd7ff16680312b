package simcloud

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"
	"time"
)

var (
	iamRole         = token("iam", "Role")
	rolePolicy      = token("iam", "RolePolicy")
	roleAttachment  = token("iam", "RolePolicyAttachment")
	iamPolicy       = token("iam", "Policy")
	oidcProvider    = token("iam", "OpenIdConnectProvider")
	instanceProfile = token("iam", "InstanceProfile")
)

// managedPolicies are the policies that AWS itself keeps, one a line, without
// the leading arn:aws:iam::aws:policy/.
//
//go:embed managed_policies.txt
var managedPolicies string

var managed = func() map[string]bool {
	names := map[string]bool{}
	for name := range strings.FieldsSeq(managedPolicies) {
		names[awsPolicy+name] = true
	}
	return names
}()

const awsPolicy = "arn:aws:iam::aws:policy/"

var identityName = regexp.MustCompile(`^[\w+=,.@-]+$`)

func iamKinds() []*kind {
	return []*kind{
		{
			token: iamRole, called: "IAM role", action: "iam:CreateRole", id: "{name}", global: true, missing: "NoSuchEntity", quota: "roles",
			naming:  &naming{property: "name", max: 64, pattern: identityName},
			arn:     "arn:{partition}:iam::{account}:role{path}{name}",
			replace: words("name namePrefix path"),
			defaults: Props{
				"path": "/", "maxSessionDuration": 3600.0, "forceDetachPolicies": false,
			},
			rules: []rule{between("maxSessionDuration", 3600, 43200), between("description", 0, 1000), matches("path", `/|/[!-~]+/`, "a path that begins and ends with /")},
			refs:  []ref{{path: "permissionsBoundary", token: iamPolicy, by: "arn", code: "NoSuchEntity", skip: isManaged}},
			check: func(in Props, report fault) {
				checkPolicy(trustPolicy, "assumeRolePolicy", in["assumeRolePolicy"], report)
			},
			create: func(o *op) error {
				o.keep("uniqueId", "AROA"+strings.ToUpper(digest(17, o.record.URN, o.Operations)))
				o.keep("createDate", "2026-01-01T00:00:00Z")
				document, _ := parsePolicy(o.in["assumeRolePolicy"])
				return o.principals(document)
			},
			creating: 8 * time.Second, updating: 2 * time.Second, deleting: 2 * time.Second,
		},
		{
			token: rolePolicy, called: "IAM role policy", action: "iam:PutRolePolicy", id: "{role}:{name}", global: true, missing: "NoSuchEntity",
			naming: &naming{property: "name", max: 128, pattern: identityName}, replace: words("name namePrefix role"),
			refs: []ref{{path: "role", token: iamRole}},
			check: func(in Props, report fault) {
				checkPolicy(identityPolicy, "policy", in["policy"], report)
				checkSize("policy", in["policy"], 10240, report)
			},
			creating: time.Second, deleting: time.Second,
		},
		{
			token: roleAttachment, called: "IAM role policy attachment", action: "iam:AttachRolePolicy", id: "{role}-{policyArn}", global: true, missing: "NoSuchEntity",
			replace: words("*"),
			refs:    []ref{{path: "role", token: iamRole}, {path: "policyArn", token: iamPolicy, by: "arn", skip: isManaged}},
			create: func(o *op) error {
				arn := o.in.Text("policyArn")
				if strings.HasPrefix(arn, awsPolicy) && !managed[arn] {
					return refuse("NoSuchEntity", "policyArn: policy %s does not exist or is not attachable", arn)
				}
				attached := 0
				for _, other := range o.find(roleAttachment) {
					if other.Properties["role"] == o.in["role"] {
						attached++
					}
				}
				if limit := o.quota("policiesOfRole"); attached >= limit {
					return refuse("LimitExceeded", "cannot exceed quota for PoliciesPerRole: %d", limit)
				}
				return nil
			},
			creating: time.Second, deleting: time.Second,
		},
		{
			token: iamPolicy, called: "IAM policy", action: "iam:CreatePolicy", id: "{arn}", global: true, missing: "NoSuchEntity",
			naming: &naming{property: "name", max: 128, pattern: identityName}, replace: words("name namePrefix path description"),
			arn: "arn:{partition}:iam::{account}:policy{path}{name}", defaults: Props{"path": "/"},
			check: func(in Props, report fault) {
				checkPolicy(identityPolicy, "policy", in["policy"], report)
				checkSize("policy", in["policy"], 6144, report)
			},
			create: func(o *op) error {
				o.out["arn"] = o.vars().fill(o.kind.arn)
				o.keep("policyId", "ANPA"+strings.ToUpper(digest(17, o.record.URN, o.Operations)))
				return nil
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
		{
			token: oidcProvider, called: "IAM OIDC provider", action: "iam:CreateOpenIDConnectProvider", id: "{arn}", global: true, missing: "NoSuchEntity",
			quota: "providers", replace: words("url"), rules: []rule{matches("thumbprintLists[]", `[0-9a-fA-F]{40}`, "40 hexadecimal digits")},
			check: func(in Props, report fault) {
				url := in.Text("url")
				if !IsUnknown(in["url"]) && (!strings.HasPrefix(url, "https://") || strings.ContainsAny(url, "?# ")) {
					report("url", fmt.Sprintf("is %q, must begin with https:// and have no query", url))
				}
				if list, ok := in["clientIdLists"].([]any); ok && (len(list) == 0 || len(list) > 100) {
					report("clientIdLists", "must have 1 to 100 elements")
				}
			},
			create: func(o *op) error {
				o.out["arn"] = "arn:aws:iam::" + o.p.Settings.Account + ":oidc-provider/" + strings.TrimPrefix(o.in.Text("url"), "https://")
				if empty(o.out["thumbprintLists"]) {
					o.out["thumbprintLists"] = []any{digest(40, o.in.Text("url"))}
				}
				return nil
			},
			creating: 2 * time.Second, deleting: time.Second,
		},
		{
			token: instanceProfile, called: "IAM instance profile", action: "iam:CreateInstanceProfile", id: "{name}", global: true, missing: "NoSuchEntity",
			naming: &naming{property: "name", max: 128, pattern: identityName}, replace: words("name namePrefix path"), defaults: Props{"path": "/"},
			arn: "arn:{partition}:iam::{account}:instance-profile{path}{name}", refs: []ref{{path: "role", token: iamRole}},
			creating: 5 * time.Second, deleting: time.Second,
		},
	}
}

func isManaged(arn string) bool { return strings.HasPrefix(arn, awsPolicy) }

func checkSize(path string, value any, most int, report fault) {
	if text, ok := value.(string); ok {
		// White space does not count.
		if size := len(strings.Join(strings.Fields(text), "")); size > most {
			report(path, fmt.Sprintf("has %d characters without white space, at most %d are allowed", size, most))
		}
	}
}

// principals refuses a policy that lets in somebody who does not exist in this
// account. Others' accounts cannot be looked into.
func (o *op) principals(document Props) error {
	own := "arn:aws:iam::" + o.p.Settings.Account + ":"
	for _, s := range statements("", document) {
		object, _ := s.Props["Principal"].(map[string]any)
		// Identity providers are not looked up by AWS either.
		for _, arn := range texts(object["AWS"]) {
			rest, ours := strings.CutPrefix(arn, own)
			if ours && rest != "root" && !strings.HasPrefix(rest, "user/") && !o.exists(arn) {
				return refuse("MalformedPolicyDocument", "invalid principal in policy: \"AWS\": %q", arn)
			}
		}
	}
	return nil
}

func (o *op) exists(arn string) bool {
	for _, token := range []string{iamRole, oidcProvider} {
		for _, r := range o.find(token) {
			if r.Properties["arn"] == arn {
				return true
			}
		}
	}
	return false
}

// attached are the ARNs of the policies attached to the role.
func (o *op) attached(role string) []string {
	var arns []string
	for _, a := range o.find(roleAttachment) {
		if a.Properties["role"] == role {
			arns = append(arns, a.Properties.Text("policyArn"))
		}
	}
	return append(arns, o.Get(iamRole, role, "global").Properties.Texts("managedPolicyArns")...)
}
