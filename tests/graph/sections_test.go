package graph

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/stacks"
)

// TestSectionsOfPoliciesAreStacks: a section of a misspelt name holds for
// nobody, and the stack it was meant for is held to the defaults.
func TestSectionsOfPoliciesAreStacks(t *testing.T) {
	path := filepath.Join(checkout, "policies", settings.File)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sections, err := settings.Sections(path, raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range sections {
		if beginning, open := strings.CutSuffix(name, "*"); open && slices.Contains(rule.DefaultLimits().EphemeralStacks, beginning) {
			continue
		}
		if _, err := os.Stat(filepath.Join(checkout, "Pulumi."+name+".yaml")); err != nil {
			t.Errorf("%s has a section for %q, and there is no such stack", path, name)
		}
	}
	if len(sections) < 4 {
		t.Errorf("only %v have sections", sections)
	}
}

// TestPoliciesAreOfTheStacksAccount: policies stand alone, so an account, region
// or zone that is put into a stack's file has to be put into their settings as
// well. Left out there, the stack's own images and names break mandatory rules.
func TestPoliciesAreOfTheStacksAccount(t *testing.T) {
	path := filepath.Join(checkout, "policies", settings.File)
	for _, stack := range []string{"dev", "prod"} {
		limits, err := settings.Load(path, stack, catalogue.Rules())
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range elsewhere(base(t, stack), limits.Limits) {
			t.Errorf("%s, stack %s: %s, as in Pulumi.%s.yaml; then `make update` writes stacks/admission", path, stack, fault, stack)
		}
	}
	moved := base(t, "dev")
	moved.AWS.Account, moved.DNS.PublicZone, moved.DNS.PrivateZone = "444455556666", "other.example", "other.internal"
	limits, err := settings.Load(path, "dev", catalogue.Rules())
	if err != nil {
		t.Fatal(err)
	}
	if found := elsewhere(moved, limits.Limits); len(found) != 5 {
		t.Errorf("of another account and other zones it says only %q", found)
	}
}

// elsewhere are the limits that do not name the place of a stack.
func elsewhere(s stacks.Settings, limits rule.Limits) []string {
	registry := fmt.Sprintf("%s.dkr.ecr.%s.amazonaws.com/slipway/", s.AWS.Account, s.AWS.Region)
	var faults []string
	for _, limit := range []struct {
		name   string
		values []string
		want   string
	}{
		{"registries", limits.Registries, registry},
		{"immutableRegistries", limits.ImmutableRegistries, registry},
		{"certificateSuffixes", limits.CertificateSuffixes, "." + s.DNS.PublicZone},
		{"certificateSuffixes", limits.CertificateSuffixes, "." + s.DNS.PrivateZone},
		{"privateSuffixes", limits.PrivateSuffixes, s.DNS.PrivateZone},
	} {
		if !slices.Contains(limit.values, limit.want) {
			faults = append(faults, fmt.Sprintf("%s is %q, and lacks %s", limit.name, limit.values, limit.want))
		}
	}
	return faults
}
