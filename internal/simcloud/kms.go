package simcloud

import (
	"fmt"
	"strings"
	"time"
)

var (
	kmsKey       = token("kms", "Key")
	kmsAlias     = token("kms", "Alias")
	kmsKeyPolicy = token("kms", "KeyPolicy")
)

func kmsKinds() []*kind {
	return []*kind{
		{
			token: kmsKey, called: "KMS key", action: "kms:CreateKey", missing: "NotFoundException", quota: "keys", prefix: "key",
			arn:     "arn:{partition}:kms:{region}:{account}:key/{id}",
			replace: words("customerMasterKeySpec keyUsage multiRegion customKeyStoreId xksKeyId"),
			defaults: Props{
				"customerMasterKeySpec": "SYMMETRIC_DEFAULT", "keyUsage": "ENCRYPT_DECRYPT", "isEnabled": true, "enableKeyRotation": false,
				"multiRegion": false, "description": "",
			},
			outputs: map[string]string{"keyId": "{id}"},
			rules: []rule{
				between("deletionWindowInDays", 7, 30), between("rotationPeriodInDays", 90, 2560), between("description", 0, 8192),
				oneOf("keyUsage", "ENCRYPT_DECRYPT", "SIGN_VERIFY", "GENERATE_VERIFY_MAC", "KEY_AGREEMENT"),
				oneOf("customerMasterKeySpec", words(`SYMMETRIC_DEFAULT RSA_2048 RSA_3072 RSA_4096 HMAC_224 HMAC_256 HMAC_384 HMAC_512
					ECC_NIST_P256 ECC_NIST_P384 ECC_NIST_P521 ECC_SECG_P256K1 ML_DSA_44 ML_DSA_65 ML_DSA_87 SM2`)...),
			},
			check: func(in Props, report fault) {
				symmetric := in["customerMasterKeySpec"] == "SYMMETRIC_DEFAULT"
				switch {
				case in.Flag("enableKeyRotation") && !symmetric:
					report("enableKeyRotation", "is only for symmetric keys")
				case in["rotationPeriodInDays"] != nil && !in.Flag("enableKeyRotation"):
					report("rotationPeriodInDays", "needs enableKeyRotation")
				case symmetric && in["keyUsage"] != "ENCRYPT_DECRYPT":
					report("keyUsage", fmt.Sprintf("is %v, which a symmetric key cannot do", in["keyUsage"]))
				case strings.HasPrefix(in.Text("customerMasterKeySpec"), "ECC_") && in["keyUsage"] == "ENCRYPT_DECRYPT":
					report("keyUsage", "must be SIGN_VERIFY for an elliptic curve key")
				}
				checkPolicy(resourcePolicy, "policy", in["policy"], report)
				checkSize("policy", in["policy"], 32768, report)
			},
			create:   createKey,
			creating: 15 * time.Second, updating: 10 * time.Second, deleting: time.Second,
		},
		{
			token: kmsAlias, called: "KMS alias", action: "kms:CreateAlias", id: "{name}", missing: "NotFoundException", taken: "AlreadyExistsException",
			naming: &naming{property: "name", max: 256}, replace: words("name namePrefix"), arn: "arn:{partition}:kms:{region}:{account}:{name}",
			rules: []rule{matches("name", `alias/[a-zA-Z0-9/_-]+`, "alias/ and letters, digits, / _ -")},
			refs:  []ref{{path: "targetKeyId", token: kmsKey, loose: true, skip: func(v string) bool { return strings.HasPrefix(v, "arn:") }}},
			check: func(in Props, report fault) {
				if strings.HasPrefix(in.Text("name"), "alias/aws/") {
					report("name", "begins with alias/aws/, which is reserved for AWS")
				}
			},
			create: func(o *op) error {
				key := o.key(o.in.Text("targetKeyId"))
				if key == nil {
					return refuse("NotFoundException", "targetKeyId: key %s does not exist", o.in.Text("targetKeyId"))
				}
				o.out["targetKeyArn"], o.out["targetKeyId"] = key.Properties["arn"], o.in["targetKeyId"]
				return nil
			},
			creating: time.Second, deleting: time.Second,
		},
		{
			token: kmsKeyPolicy, called: "KMS key policy", action: "kms:PutKeyPolicy", id: "{keyId}", missing: "NotFoundException",
			replace: words("keyId"),
			refs:    []ref{{path: "keyId", token: kmsKey, loose: true, skip: func(v string) bool { return strings.HasPrefix(v, "arn:") }}},
			check: func(in Props, report fault) {
				checkPolicy(resourcePolicy, "policy", in["policy"], report)
				checkSize("policy", in["policy"], 32768, report)
			},
			create: func(o *op) error {
				if o.key(o.in.Text("keyId")) == nil {
					return refuse("NotFoundException", "keyId: key %s does not exist", o.in.Text("keyId"))
				}
				document, _ := parsePolicy(o.in["policy"])
				if !o.in.Flag("bypassPolicyLockoutSafetyCheck") && !o.administers(document) {
					return refuse("MalformedPolicyDocumentException", "the new key policy will not allow you to update the key policy in the future")
				}
				return o.principals(document)
			},
			creating: time.Second, deleting: time.Second,
		},
	}
}

func createKey(o *op) error {
	if o.old == nil {
		id := digest(32, o.record.URN, o.Operations)
		o.record.ID = fmt.Sprintf("%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:])
	}
	if o.in["policy"] == nil {
		o.keep("policy", fmt.Sprintf(`{"Id":"key-default-1","Statement":[{"Action":"kms:*","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:root"},"Resource":"*","Sid":"Enable IAM User Permissions"}],"Version":"2012-10-17"}`, o.p.Settings.Account))
		return nil
	}
	if o.in.Flag("enableKeyRotation") {
		o.keep("rotationPeriodInDays", 365.0)
	}
	document, _ := parsePolicy(o.in["policy"])
	if !o.in.Flag("bypassPolicyLockoutSafetyCheck") && !o.administers(document) {
		return refuse("MalformedPolicyDocumentException", "the new key policy will not allow you to update the key policy in the future")
	}
	return o.principals(document)
}

// administers tells whether the policy leaves this account in charge of a key.
func (o *op) administers(document Props) bool {
	for _, s := range statements("", document) {
		object, _ := s.Props["Principal"].(map[string]any)
		if s.Props["Effect"] != "Allow" {
			continue
		}
		for _, arn := range texts(object["AWS"]) {
			if arn != "*" && arn != o.p.Settings.Account && !strings.HasPrefix(arn, "arn:aws:iam::"+o.p.Settings.Account+":") {
				continue
			}
			for _, action := range texts(s.Props["Action"]) {
				if wildcard(action, "kms:PutKeyPolicy") {
					return true
				}
			}
		}
	}
	return false
}

// key finds a key by its ID, its ARN, or the ARN or name of an alias. A key is
// only found in its own region.
func (o *op) key(name string) *Record {
	for _, key := range o.find(kmsKey) {
		if key.ID == name || key.Properties["arn"] == name {
			return key
		}
	}
	for _, alias := range o.find(kmsAlias) {
		if alias.ID == name || alias.Properties["arn"] == name {
			return o.key(alias.Properties.Text("targetKeyId"))
		}
	}
	return nil
}
