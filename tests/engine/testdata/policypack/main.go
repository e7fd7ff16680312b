// Command policypack forbids short passwords.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"
)

func main() {
	if err := policyx.Main(pack); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func pack(*pulumi.Context) (policyx.PolicyPack, error) {
	rule := policyx.NewResourceValidationPolicy("long-passwords", policyx.ResourceValidationPolicyArgs{
		Description:      "Passwords have at least 16 characters.",
		EnforcementLevel: policyx.EnforcementLevelMandatory,
		ValidateResource: func(_ context.Context, args policyx.ResourceValidationArgs) error {
			if args.Resource.Type != "random:index/randomPassword:RandomPassword" {
				return nil
			}
			length, ok := args.Resource.Properties.GetOk("length")
			if ok && length.IsNumber() && length.AsNumber() < 16 {
				args.Manager.ReportViolation(fmt.Sprintf("a password of %v characters is guessed too soon", length.AsNumber()), args.Resource.URN)
			}
			return nil
		},
	})
	return policyx.NewPolicyPack("enginetest", semver.MustParse("0.1.0"), policyx.EnforcementLevelMandatory, []policyx.Policy{rule})
}
