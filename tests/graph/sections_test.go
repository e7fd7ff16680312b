package graph

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
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
