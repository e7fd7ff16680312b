package stacks

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Errors of a stack whose credentials are not the ones it is meant for. Nothing
// has been declared when one is returned.
var (
	ErrAccount = errors.New("the credentials are for another account")
	ErrZones   = errors.New("the region has no such zone")
	ErrAdmin   = errors.New("the credentials have no access to the cluster")
)

// checkAccount makes sure of account, zones and access before anything is
// declared. The provider refuses other accounts as well; here the refusal says
// which one it is.
func (g *ground) checkAccount() error {
	ask := pulumi.Provider(g.cloud)
	caller, err := aws.GetCallerIdentity(g.ctx, &aws.GetCallerIdentityArgs{}, ask)
	if err != nil {
		return fmt.Errorf("asking AWS whose credentials these are (run `aws sts get-caller-identity`; "+
			"expired ones are renewed by `aws sso login`): %w", err)
	}
	available := "available"
	zones, err := aws.GetAvailabilityZones(g.ctx, &aws.GetAvailabilityZonesArgs{State: &available}, ask)
	if err != nil {
		return fmt.Errorf("asking AWS which zones region %s has: %w", g.Region, err)
	}
	return g.fits(caller.AccountId, caller.Arn, zones.Names, g.ctx.DryRun())
}

// fits judges what AWS answered. A preview only reads and may be run by others
// than those who update.
func (a AWS) fits(account, caller string, zones []string, preview bool) error {
	if err := a.owns(account, caller); err != nil {
		return err
	}
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
