package key

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/kms"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/grant"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:key:Key"

// Args describes one key.
type Args struct {
	// Alias is what people call the key, without "alias/", such as
	// "slipway-prod/volumes". Required, unique in account and region.
	Alias string
	// Description says what is encrypted with it. Required.
	Description string
	// Account and Region are where the key lies. Required.
	Account, Region string
	// Through lists services whose callers in this account may use the key by way
	// of them, such as "ec2" for volumes. Default: none.
	Through []string
	// Logs allows CloudWatch Logs to write the log groups whose names begin with
	// this, such as "/aws/eks/prod/". Empty: none.
	Logs string
	// Delivery lists AWS services that write on their own account, such as
	// "delivery.logs.amazonaws.com". Default: none.
	Delivery []string
	// Signing makes the key one that signs DNS records and encrypts nothing.
	Signing bool
	// Unprotected lets a destroy schedule the key for deletion, and with it lose
	// everything encrypted with it; for 30 days it can be called back. Default:
	// guarded.
	Unprotected bool
}

// Key is a key at work.
type Key struct {
	pulumi.ResourceState

	// ARN is by what others refer to the key.
	ARN pulumi.StringOutput `pulumi:"arn"`
}

var (
	alias   = regexp.MustCompile(`^[A-Za-z0-9/_-]{1,200}$`)
	account = regexp.MustCompile(`^\d{12}$`)
)

func resolve(args Args) error {
	var faults []error
	if !alias.MatchString(args.Alias) {
		faults = append(faults, fmt.Errorf("alias: %q is not made of letters, digits, '/', '_' and '-'", args.Alias))
	}
	if args.Description == "" {
		faults = append(faults, errors.New("description: is empty, must say what the key encrypts"))
	}
	if !account.MatchString(args.Account) {
		faults = append(faults, fmt.Errorf("account: %q is not an account of twelve digits", args.Account))
	}
	if args.Region == "" {
		faults = append(faults, errors.New("region: is empty"))
	}
	if args.Signing && (args.Logs != "" || len(args.Through) > 0 || len(args.Delivery) > 0) {
		faults = append(faults, errors.New("signing: is set, so nothing can be encrypted with the key; leave out logs, through and delivery"))
	}
	return errors.Join(faults...)
}

// New declares a key and its alias.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Key, error) {
	if err := resolve(args); err != nil {
		return nil, fmt.Errorf("key %q: %w", name, err)
	}
	key := &Key{}
	if err := ctx.RegisterComponentResource(TypeToken, name, key, opts...); err != nil {
		return nil, fmt.Errorf("registering key %q: %w", name, err)
	}
	if err := key.build(ctx, name, args); err != nil {
		return nil, fmt.Errorf("building key %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(key, pulumi.Map{"arn": key.ARN}); err != nil {
		return nil, fmt.Errorf("publishing key %q: %w", name, err)
	}
	return key, nil
}

func (k *Key) build(ctx *pulumi.Context, name string, args Args) error {
	policy, err := grant.Document(policy(args)...)
	if err != nil {
		return err
	}
	spec := &kms.KeyArgs{
		Description:          pulumi.String(args.Description),
		Policy:               pulumi.String(policy),
		DeletionWindowInDays: pulumi.Int(30),
		EnableKeyRotation:    pulumi.Bool(true),
	}
	if args.Signing {
		// Keys of this kind cannot be rotated by AWS.
		spec.EnableKeyRotation = nil
		spec.CustomerMasterKeySpec = pulumi.String("ECC_NIST_P256")
		spec.KeyUsage = pulumi.String("SIGN_VERIFY")
	}
	made, err := kms.NewKey(ctx, name+"-key", spec, component.Under(k, component.Guard(args.Unprotected).Options()...)...)
	if err != nil {
		return fmt.Errorf("creating the key: %w", err)
	}
	_, err = kms.NewAlias(ctx, name+"-alias", &kms.AliasArgs{
		Name: pulumi.String("alias/" + args.Alias), TargetKeyId: made.KeyId,
	}, component.Under(k)...)
	if err != nil {
		return fmt.Errorf("creating the alias: %w", err)
	}
	k.ARN = made.Arn
	return nil
}

// use is what encrypting and decrypting needs.
var use = []string{"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"}

// policy says who may use the key. The account's administrators come first:
// without them a mistake here could only be mended by AWS itself, and it is
// what makes IAM policies count for the key at all.
func policy(args Args) []grant.Statement {
	anyKey := []string{"*"} // in a key's own policy, the key
	statements := []grant.Statement{{
		Sid: "Account", Principals: grant.Conditions{"AWS": {"arn:aws:iam::" + args.Account + ":root"}},
		Actions: []string{"kms:*"}, Resources: anyKey,
	}}
	if len(args.Through) > 0 {
		var services []string
		for _, service := range slices.Sorted(slices.Values(args.Through)) {
			services = append(services, service+"."+args.Region+".amazonaws.com")
		}
		conditions := grant.Conditions{"kms:CallerAccount": {args.Account}, "kms:ViaService": services}
		statements = append(statements,
			// As AWS's own keys do. Autoscaling's role is a principal that may not
			// exist yet, and a policy that names one that does not is refused.
			grant.Statement{
				Sid: "Through", Principals: grant.Conditions{"AWS": {"*"}}, Actions: use, Resources: anyKey,
				When: map[string]grant.Conditions{"StringEquals": conditions},
			},
			grant.Statement{
				Sid: "ThroughGrants", Principals: grant.Conditions{"AWS": {"*"}},
				Actions: []string{"kms:CreateGrant"}, Resources: anyKey,
				When: map[string]grant.Conditions{
					"StringEquals": conditions, "Bool": {"kms:GrantIsForAWSResource": {"true"}},
				},
			})
	}
	if args.Logs != "" {
		group := fmt.Sprintf("arn:aws:logs:%s:%s:log-group:%s*", args.Region, args.Account, args.Logs)
		statements = append(statements, grant.Statement{
			Sid: "Logs", Principals: grant.Services("logs." + args.Region + ".amazonaws.com"), Actions: use, Resources: anyKey,
			When: map[string]grant.Conditions{"ArnLike": {"kms:EncryptionContext:aws:logs:arn": {group}}},
		})
	}
	if len(args.Delivery) > 0 {
		statements = append(statements, grant.Statement{
			Sid: "Delivery", Principals: grant.Services(args.Delivery...),
			Actions: []string{"kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"}, Resources: anyKey,
			When: map[string]grant.Conditions{"StringEquals": {"aws:SourceAccount": {args.Account}}},
		})
	}
	if args.Signing {
		statements = append(statements,
			grant.Statement{
				Sid: "Sign", Principals: grant.Services("dnssec-route53.amazonaws.com"),
				Actions: []string{"kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"}, Resources: anyKey,
				When: map[string]grant.Conditions{"StringEquals": {"aws:SourceAccount": {args.Account}}},
			},
			grant.Statement{
				Sid: "SignGrants", Principals: grant.Services("dnssec-route53.amazonaws.com"),
				Actions: []string{"kms:CreateGrant"}, Resources: anyKey,
				When: map[string]grant.Conditions{"Bool": {"kms:GrantIsForAWSResource": {"true"}}},
			})
	}
	return statements
}
