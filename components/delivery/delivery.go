package delivery

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/grant"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:delivery:Delivery"

// Args describes who delivers what.
type Args struct {
	// Account and Region are where environments run. Required.
	Account, Region string
	// Repository is the one whose CI delivers, as owner/name. Required.
	Repository string
	// Environments are GitHub's environments, each also the name of a stack. At
	// least one.
	Environments []string
	// People are ARNs of users and roles of the account, by environment, that may
	// take its deploy role beside CI, without the approval that GitHub asks for.
	// Default: nobody.
	People map[string][]string
	// Prefix is what roles are called before the environment. Required.
	Prefix string
	// StateBucket holds Pulumi's state. StateKeyARN encrypts the bucket, and
	// SecretsKeyARN the secrets in the state. Required; two keys, because a
	// preview reads the state and must not read the secrets.
	StateBucket                string
	StateKeyARN, SecretsKeyARN pulumi.StringInput
}

// Delivery is the roles of CI.
type Delivery struct {
	pulumi.ResourceState

	// Roles are the ARNs of the roles, by name.
	Roles pulumi.StringMapOutput `pulumi:"roles"`
}

var (
	slug        = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$`)
	environment = regexp.MustCompile(`^[a-z][a-z0-9-]{0,20}$`)
	person      = regexp.MustCompile(`^arn:aws:iam::[0-9]{12}:(user|role)/[\w+=,.@/-]+$`)
)

// issuer is who signs the tokens of runs.
const issuer = "token.actions.githubusercontent.com"

// Check reports every fault of the arguments, each with its path.
func (args Args) Check() error {
	var faults []error
	fault := func(path, format string, values ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
	}
	for _, required := range []struct{ path, value string }{
		{"account", args.Account}, {"region", args.Region}, {"prefix", args.Prefix}, {"stateBucket", args.StateBucket},
	} {
		if required.value == "" {
			fault(required.path, "is empty")
		}
	}
	if args.StateKeyARN == nil || args.SecretsKeyARN == nil {
		fault("stateKeyARN", "and secretsKeyARN must both be set")
	}
	if !slug.MatchString(args.Repository) {
		fault("repository", "%q is not owner/name, without wildcards", args.Repository)
	}
	if len(args.Environments) == 0 {
		fault("environments", "is empty, there must be at least one")
	}
	for i, name := range args.Environments {
		at := fmt.Sprintf("environments[%d]", i)
		if !environment.MatchString(name) {
			fault(at, "%q is not a name of up to 21 lower-case letters, digits and dashes", name)
		} else if slices.Index(args.Environments, name) < i {
			fault(at, "%s is there twice", name)
		}
	}
	for _, env := range slices.Sorted(maps.Keys(args.People)) {
		if !slices.Contains(args.Environments, env) {
			fault("people."+env, "is for none of the environments")
		}
		for i, arn := range args.People[env] {
			at := fmt.Sprintf("people.%s[%d]", env, i)
			if !person.MatchString(arn) {
				fault(at, "%q is not the ARN of a user or role, without wildcards; a session's is not its role's", arn)
			} else if account := strings.Split(arn, ":")[4]; account != args.Account {
				fault(at, "%s is of account %s, not of %s", arn, account, args.Account)
			}
		}
	}
	return errors.Join(faults...)
}

// New declares the roles of CI.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Delivery, error) {
	if err := args.Check(); err != nil {
		return nil, fmt.Errorf("delivery %q: %w", name, err)
	}
	args.Environments, args.People = slices.Clone(args.Environments), maps.Clone(args.People)
	delivery := &Delivery{}
	if err := ctx.RegisterComponentResource(TypeToken, name, delivery, opts...); err != nil {
		return nil, fmt.Errorf("registering delivery %q: %w", name, err)
	}
	if err := delivery.build(ctx, name, args); err != nil {
		return nil, fmt.Errorf("building delivery %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(delivery, pulumi.Map{"roles": delivery.Roles}); err != nil {
		return nil, fmt.Errorf("publishing delivery %q: %w", name, err)
	}
	return delivery, nil
}

func (d *Delivery) build(ctx *pulumi.Context, name string, args Args) error {
	if _, err := iam.NewOpenIdConnectProvider(ctx, name+"-issuer", &iam.OpenIdConnectProviderArgs{
		Url: pulumi.String("https://" + issuer), ClientIdLists: pulumi.ToStringArray([]string{"sts.amazonaws.com"}),
	}, component.Under(d)...); err != nil {
		return fmt.Errorf("trusting the tokens of runs: %w", err)
	}
	roles := pulumi.StringMap{}
	for _, env := range args.Environments {
		for _, kind := range []role{preview, drift, deploy} {
			arn, err := d.role(ctx, name, args, env, kind)
			if err != nil {
				return fmt.Errorf("creating the %s role of %s: %w", kind.name, env, err)
			}
			roles[env+"-"+kind.name] = arn
		}
	}
	d.Roles = roles.ToStringMapOutput()
	return nil
}

// role is a kind of role that each environment has.
type role struct {
	name string
	// managed is AWS's policy for most of what it does.
	managed string
	// subject is what the token of a run must say of it.
	subject func(repository, env string) string
	// people says whether an environment's people may take it.
	people bool
	// own are its own statements.
	own func(args Args, known keys) []grant.Statement
}

// keys are ARNs of the keys of the state and of the secrets in it.
type keys struct{ state, secrets string }

var preview = role{
	name: "preview", managed: "ReadOnlyAccess",
	subject: func(repository, _ string) string { return "repo:" + repository + ":pull_request" },
	own:     previewStatements,
}

// drift compares every night, without anybody's approval, and so only for what
// was reviewed: a run of the main branch.
var drift = role{
	name: "drift", managed: "ReadOnlyAccess",
	subject: func(repository, _ string) string { return "repo:" + repository + ":ref:refs/heads/main" },
	own:     driftStatements,
}

var deploy = role{
	name: "deploy", managed: "AdministratorAccess", people: true,
	subject: func(repository, env string) string { return "repo:" + repository + ":environment:" + env },
	own:     deployStatements,
}

func (d *Delivery) role(ctx *pulumi.Context, name string, args Args, env string, kind role) (pulumi.StringOutput, error) {
	full := args.Prefix + "-" + env + "-" + kind.name
	trusted := []grant.Statement{args.trust(kind.subject(args.Repository, env))}
	if people := args.People[env]; kind.people && len(people) > 0 {
		trusted = append(trusted, grant.Statement{Principals: grant.Conditions{"AWS": people}, Actions: []string{"sts:AssumeRole"}})
	}
	trust, err := grant.Document(trusted...)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	made, err := iam.NewRole(ctx, name+"-"+env+"-"+kind.name, &iam.RoleArgs{
		Name: pulumi.String(full), AssumeRolePolicy: pulumi.String(trust), MaxSessionDuration: pulumi.Int(2 * 60 * 60),
		Description: pulumi.String("CI of " + args.Repository + ": " + kind.name + " " + env),
	}, component.Under(d)...)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	if _, err := iam.NewRolePolicyAttachment(ctx, name+"-"+env+"-"+kind.name+"-most", &iam.RolePolicyAttachmentArgs{
		Role: made.Name, PolicyArn: pulumi.String("arn:aws:iam::aws:policy/" + kind.managed),
	}, component.Under(d)...); err != nil {
		return pulumi.StringOutput{}, err
	}
	if _, err := iam.NewRolePolicy(ctx, name+"-"+env+"-"+kind.name+"-policy", &iam.RolePolicyArgs{
		Role: made.Name, Name: pulumi.String("own"),
		Policy: grant.Later(func(known []string) []grant.Statement {
			return kind.own(args, keys{known[0], known[1]})
		}, args.StateKeyARN, args.SecretsKeyARN),
	}, component.Under(d)...); err != nil {
		return pulumi.StringOutput{}, err
	}
	return made.Arn, nil
}

// trust admits runs whose token says exactly this.
func (args Args) trust(subject string) grant.Statement {
	return grant.Statement{
		Principals: grant.Conditions{"Federated": {fmt.Sprintf("arn:aws:iam::%s:oidc-provider/%s", args.Account, issuer)}},
		Actions:    []string{"sts:AssumeRoleWithWebIdentity"},
		When: map[string]grant.Conditions{"StringEquals": {
			issuer + ":aud": {"sts.amazonaws.com"}, issuer + ":sub": {subject},
		}},
	}
}

// previewStatements let the state be read, and deny what reading must not
// become.
func previewStatements(args Args, known keys) []grant.Statement {
	throughS3 := args.throughS3()
	return append([]grant.Statement{
		{
			Sid: "State", Actions: []string{"kms:Decrypt"}, Resources: []string{known.state},
			When: map[string]grant.Conditions{"StringEquals": {"kms:ViaService": {throughS3}}},
		},
		{
			Sid: "NoSecrets", Deny: true, Actions: []string{"kms:Decrypt"}, Resources: []string{"*"},
			When: map[string]grant.Conditions{"StringNotEquals": {"kms:ViaService": {throughS3}}},
		},
	}, readOnly(args)...)
}

// driftStatements let the state be read with the secrets in it, without which
// nothing can be compared, and deny what reading must not become.
func driftStatements(args Args, known keys) []grant.Statement {
	return append([]grant.Statement{
		{
			Sid: "State", Actions: []string{"kms:Decrypt"}, Resources: []string{known.state},
			When: map[string]grant.Conditions{"StringEquals": {"kms:ViaService": {args.throughS3()}}},
		},
		{Sid: "SecretsOfTheState", Actions: []string{"kms:Decrypt"}, Resources: []string{known.secrets}},
		{
			Sid: "NoOtherSecrets", Deny: true, Actions: []string{"kms:Decrypt"},
			NotResources: []string{known.state, known.secrets},
		},
	}, readOnly(args)...)
}

// throughS3 is S3 as the caller of a key.
func (args Args) throughS3() string { return "s3." + args.Region + ".amazonaws.com" }

// readOnly denies what the policy for reading allows or may come to allow and
// what is no reading of what a stack declares: other secrets, data, and changes.
func readOnly(args Args) []grant.Statement {
	return []grant.Statement{
		{
			Sid: "NoSecretsElsewhere", Deny: true, Resources: []string{"*"},
			Actions: []string{
				"kms:CreateGrant", "kms:GenerateDataKey*", "kms:ReEncrypt*", "secretsmanager:GetSecretValue",
				"ssm:GetParameter", "ssm:GetParameterHistory", "ssm:GetParameters", "ssm:GetParametersByPath",
			},
		},
		{
			Sid: "NoChange", Deny: true, Resources: []string{"*"},
			Actions: []string{
				"iam:Attach*", "iam:Create*", "iam:Delete*", "iam:Put*", "iam:Update*", "s3:Delete*", "s3:Put*", "sts:AssumeRole",
			},
		},
		{
			Sid: "NoData", Deny: true, Actions: []string{"s3:GetObject", "s3:GetObjectVersion"},
			Resources: []string{
				"arn:aws:s3:::" + args.Prefix + "-*-backups-" + args.Account + "/*",
				"arn:aws:s3:::" + args.Prefix + "-*-logs-" + args.Account + "/*",
			},
		},
	}
}

// deployStatements let the state be written, and deny what no update needs.
func deployStatements(args Args, known keys) []grant.Statement {
	return []grant.Statement{
		{
			Sid: "State", Actions: []string{"s3:DeleteObject", "s3:GetObject", "s3:PutObject"},
			Resources: []string{"arn:aws:s3:::" + args.StateBucket + "/*"},
		},
		{Sid: "StateList", Actions: []string{"s3:ListBucket"}, Resources: []string{"arn:aws:s3:::" + args.StateBucket}},
		{
			Sid: "Keys", Actions: []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"},
			Resources: []string{known.state, known.secrets},
		},
		{
			Sid: "NoPeople", Deny: true, Resources: []string{"*"},
			Actions: []string{
				"account:*", "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:CreateUser", "iam:UpdateLoginProfile",
				"organizations:LeaveOrganization", "s3:BypassGovernanceRetention",
			},
		},
		{
			Sid: "NotItself", Deny: true,
			Actions: []string{
				"iam:AttachRolePolicy", "iam:DeleteRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy", "iam:PutRolePolicy",
				"iam:UpdateAssumeRolePolicy",
			},
			Resources: []string{
				fmt.Sprintf("arn:aws:iam::%s:role/%s-*-deploy", args.Account, args.Prefix),
				fmt.Sprintf("arn:aws:iam::%s:role/%s-*-drift", args.Account, args.Prefix),
				fmt.Sprintf("arn:aws:iam::%s:role/%s-*-preview", args.Account, args.Prefix),
			},
		},
	}
}
