package stacks

import (
	"errors"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

func TestFits(t *testing.T) {
	const session = "arn:aws:sts::111122223333:assumed-role/deploy/ci"
	settings := AWS{
		Account: "111122223333", Region: "eu-central-1",
		Network: Network{Zones: []string{"eu-central-1a", "eu-central-1b"}},
		Cluster: EKS{Admins: []string{"arn:aws:iam::111122223333:role/ci/deploy"}},
	}
	all := []string{"eu-central-1a", "eu-central-1b", "eu-central-1c"}
	for name, test := range map[string]struct {
		caller  string
		zones   []string
		preview bool
		want    error
		says    string
	}{
		"fits":               {caller: session, zones: all},
		"no such zone":       {caller: session, zones: all[:1], want: ErrZones, says: "aws.network.zones[1]: the region has no such zone: eu-central-1b; this account sees eu-central-1a"},
		"no access":          {caller: "arn:aws:sts::111122223333:assumed-role/other/ci", zones: all, want: ErrAdmin, says: "aws.cluster.admins: "},
		"a preview may look": {caller: "arn:aws:sts::111122223333:assumed-role/other/ci", zones: all, preview: true},
	} {
		t.Run(name, func(t *testing.T) {
			err := settings.fits(test.caller, test.zones, test.preview)
			if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %v saying %q", err, test.want, test.says)
			}
		})
	}
}

func TestOwns(t *testing.T) {
	settings := AWS{Account: "111122223333"}
	if err := settings.owns("111122223333", "arn:aws:iam::111122223333:user/me"); err != nil {
		t.Error(err)
	}
	err := settings.owns("444455556666", "arn:aws:iam::444455556666:user/me")
	const says = "aws.account is 111122223333, but arn:aws:iam::444455556666:user/me belongs to 444455556666; nothing was changed"
	if !errors.Is(err, ErrAccount) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want %v saying %q", err, ErrAccount, says)
	}
}

func TestStands(t *testing.T) {
	settings := AWS{Region: "eu-west-1"}
	if err := settings.stands("eu-west-1", "dev"); err != nil {
		t.Error(err)
	}
	err := settings.stands("eu-central-1", "dev")
	for _, says := range []string{
		"aws.region is eu-west-1, but stack dev stands in eu-central-1", "nothing was changed",
		"set aws.region back to eu-central-1", "make a stack of another name in eu-west-1",
	} {
		if !errors.Is(err, ErrPlace) || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %v saying %q", err, ErrPlace, says)
		}
	}
}

func TestStaysIn(t *testing.T) {
	accounts := func(list ...string) resource.PropertyValue {
		values := make([]resource.PropertyValue, 0, len(list))
		for _, one := range list {
			values = append(values, resource.NewProperty(one))
		}
		return resource.NewProperty(values)
	}
	const stands = "aws.account is 444455556666, but stack dev stands in 111122223333"
	for name, test := range map[string]struct {
		before, after resource.PropertyMap
		says          string
	}{
		"the same":           {resource.PropertyMap{"allowedAccountIds": accounts("111122223333")}, resource.PropertyMap{"allowedAccountIds": accounts("111122223333")}, ""},
		"the same, as JSON":  {resource.PropertyMap{"allowedAccountIds": accounts("111122223333")}, resource.PropertyMap{"allowedAccountIds": resource.NewProperty(`["111122223333"]`)}, ""},
		"another":            {resource.PropertyMap{"allowedAccountIds": accounts("111122223333")}, resource.PropertyMap{"allowedAccountIds": accounts("444455556666")}, stands},
		"another, as JSON":   {resource.PropertyMap{"allowedAccountIds": resource.NewProperty(`["111122223333"]`)}, resource.PropertyMap{"allowedAccountIds": resource.NewProperty(`["444455556666"]`)}, stands},
		"another, as secret": {resource.PropertyMap{"allowedAccountIds": resource.MakeSecret(accounts("111122223333"))}, resource.PropertyMap{"allowedAccountIds": accounts("444455556666")}, stands},
		// A provider that was made without one tells nothing.
		"not known before": {resource.PropertyMap{}, resource.PropertyMap{"allowedAccountIds": accounts("444455556666")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			err := staysIn("dev")(&pulumi.ResourceHookArgs{OldInputs: test.before, NewInputs: test.after})
			if test.says == "" && err != nil || test.says != "" && (!errors.Is(err, ErrPlace) || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v, want it to say %q", err, test.says)
			}
		})
	}
}

func TestSameRole(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/path/deploy"
	for caller, want := range map[string]bool{
		role: true,
		"arn:aws:sts::111122223333:assumed-role/deploy/ci":  true,
		"arn:aws:sts::111122223333:assumed-role/deploy2/ci": false,
		"arn:aws:sts::111122223333:assumed-role/deploy":     false,
		"arn:aws:iam::111122223333:user/deploy":             false,
		"arn:aws:iam::111122223333:root":                    false,
	} {
		if got := sameRole(caller, role); got != want {
			t.Errorf("%s is the role: %t, want %t", caller, got, want)
		}
	}
}
