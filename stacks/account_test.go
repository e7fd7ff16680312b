package stacks

import (
	"errors"
	"strings"
	"testing"
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
		account, caller string
		zones           []string
		preview         bool
		want            error
		says            string
	}{
		"fits":                {account: "111122223333", caller: session, zones: all},
		"another account":     {account: "444455556666", caller: "arn:aws:iam::444455556666:user/me", zones: all, want: ErrAccount, says: "aws.account is 111122223333, but arn:aws:iam::444455556666:user/me belongs to 444455556666; nothing was changed"},
		"no such zone":        {account: "111122223333", caller: session, zones: all[:1], want: ErrZones, says: "aws.network.zones[1]: the region has no such zone: eu-central-1b; this account sees eu-central-1a"},
		"no access":           {account: "111122223333", caller: "arn:aws:sts::111122223333:assumed-role/other/ci", zones: all, want: ErrAdmin, says: "aws.cluster.admins: "},
		"a preview may look":  {account: "111122223333", caller: "arn:aws:sts::111122223333:assumed-role/other/ci", zones: all, preview: true},
		"but in this account": {account: "444455556666", caller: session, zones: all, preview: true, want: ErrAccount},
	} {
		t.Run(name, func(t *testing.T) {
			err := settings.fits(test.account, test.caller, test.zones, test.preview)
			if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %v saying %q", err, test.want, test.says)
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
