package stacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Errors of a stack whose credentials, or whose place, are not the ones it is
// meant for. Nothing has been declared when one is returned.
var (
	ErrAccount = errors.New("the credentials are for another account")
	ErrPlace   = errors.New("the stack stands elsewhere")
	ErrZones   = errors.New("the region has no such zone")
	ErrAdmin   = errors.New("the credentials have no access to the cluster")
)

// checkPlace makes sure of region and account before anything is declared, and
// returns the ARN of whoever runs this. The provider refuses other accounts as
// well; here the refusal says which one it is.
func (g *ground) checkPlace() (caller string, err error) {
	ask := pulumi.Provider(g.cloud)
	// The provider stays where it was made, so it answers with where the stack
	// stands.
	here, err := aws.GetRegion(g.ctx, &aws.GetRegionArgs{}, ask)
	if err != nil {
		return "", fmt.Errorf("asking the AWS provider for its region: %w", err)
	}
	if err := g.stands(here.Name, g.ctx.Stack()); err != nil {
		return "", err
	}
	identity, err := aws.GetCallerIdentity(g.ctx, &aws.GetCallerIdentityArgs{}, ask)
	if err != nil {
		return "", fmt.Errorf("asking AWS whose credentials these are (run `aws sts get-caller-identity`; "+
			"expired ones are renewed by `aws sso login`): %w", err)
	}
	return identity.Arn, g.owns(identity.AccountId, identity.Arn)
}

// checkAccount makes sure of place, zones and access before anything is
// declared.
func (g *ground) checkAccount() error {
	caller, err := g.checkPlace()
	if err != nil {
		return err
	}
	ask := pulumi.Provider(g.cloud)
	available := "available"
	zones, err := aws.GetAvailabilityZones(g.ctx, &aws.GetAvailabilityZonesArgs{State: &available}, ask)
	if err != nil {
		return fmt.Errorf("asking AWS which zones region %s has: %w", g.Region, err)
	}
	return g.fits(caller, zones.Names, g.ctx.DryRun())
}

// moving refuses to move a stack: it names the setting, then where the stack
// stands, then what to do.
func moving(setting, wanted, stands, stack string) error {
	return fmt.Errorf("%w: %s is %s, but stack %s stands in %s, and going on would delete or forget all of it; nothing was changed; "+
		"set %s back to %s, or make a stack of another name in %s and destroy this one when its data is there",
		ErrPlace, setting, wanted, stack, stands, setting, stands, wanted)
}

// stands refuses another region than the one where the stack is.
func (a AWS) stands(region, stack string) error {
	if region == a.Region {
		return nil
	}
	return moving("aws.region", a.Region, region, stack)
}

// staysIn is called by the engine before it changes a provider that exists, and
// refuses to let it go to another account: with the credentials of that one, the
// provider would have nothing against it.
func staysIn(stack string) pulumi.ResourceHookFunction {
	return func(args *pulumi.ResourceHookArgs) error {
		before, after := allowedAccounts(args.OldInputs), allowedAccounts(args.NewInputs)
		if before == "" || before == after {
			return nil
		}
		return moving("aws.account", after, before, stack)
	}
}

// allowedAccounts are the accounts that a provider with these inputs talks to.
// The engine hands over what is not a string as JSON.
func allowedAccounts(inputs resource.PropertyMap) string {
	value := inputs["allowedAccountIds"]
	for value.IsSecret() {
		value = value.SecretValue().Element
	}
	var list []string
	switch {
	case value.IsString():
		if json.Unmarshal([]byte(value.StringValue()), &list) != nil {
			return value.StringValue()
		}
	case value.IsArray():
		for _, one := range value.ArrayValue() {
			if one.IsString() {
				list = append(list, one.StringValue())
			}
		}
	}
	return strings.Join(list, ", ")
}

// fits judges what AWS answered. A preview only reads and may be run by others
// than those who update.
func (a AWS) fits(caller string, zones []string, preview bool) error {
	var faults []error
	for i, zone := range a.Network.Zones {
		if !slices.Contains(zones, zone) {
			faults = append(faults, fmt.Errorf("aws.network.zones[%d]: %w: %s; this account sees %s in %s",
				i, ErrZones, zone, strings.Join(zones, ", "), a.Region))
		}
	}
	if !preview && !slices.ContainsFunc(a.Cluster.Admins, func(role string) bool { return sameRole(caller, role) }) {
		faults = append(faults, fmt.Errorf("aws.cluster.admins: %w: %s is none of them, "+
			"so nothing could be declared in the cluster; add its role, or use another", ErrAdmin, caller))
	}
	return errors.Join(faults...)
}

// owns refuses credentials of another account.
func (a AWS) owns(account, caller string) error {
	if account == a.Account {
		return nil
	}
	return fmt.Errorf("%w: aws.account is %s, but %s belongs to %s; nothing was changed; "+
		"choose other credentials (AWS_PROFILE) or another stack", ErrAccount, a.Account, caller, account)
}

// sameRole reports whether the ARN of a session is one of a role. A session
// names its role without the role's path.
func sameRole(session, role string) bool {
	if session == role {
		return true
	}
	_, name, found := strings.Cut(session, ":assumed-role/")
	name, _, inSession := strings.Cut(name, "/")
	return found && inSession && name == role[strings.LastIndex(role, "/")+1:]
}
