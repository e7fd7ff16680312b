package waiver_test

import (
	"strings"
	"testing"
	"time"

	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/waiver"
)

var rules = []*rule.Rule{{ID: "one"}}

func TestFaultsNameFileAndLine(t *testing.T) {
	for text, want := range map[string]string{
		"waivers:\n- rule: one\n": "w.yaml:2: resource is missing",
		"waivers:\n- {rule: two, resource: r, owner: o, reason: x, expires: 2027-01-01}\n": "w.yaml:2: there is no rule two",
		"waivers:\n- {rule: one, resource: r, owner: o, reason: x, expires: soon}\n":       `w.yaml:2: expires is "soon"`,
		"waivers:\n- rule: one\n  resuorce: r\n":                                           "w.yaml:3: field resuorce not found",
		"waiver: []\n":                                                                     "w.yaml:1: field waiver not found",
		"waivers:\n- rule: one\n  stack: [prod]\n":                                         "w.yaml:3: field stack not found",
		"waivers:\n-\n":                   "w.yaml:2: ",
		"waivers:\n- one\n":               "w.yaml:2: cannot unmarshal",
		"waivers: []\n---\nwaivers: []\n": "w.yaml:2: there is a second document",
		"waivers: 3\n":                    "w.yaml:1: cannot unmarshal",
		"waivers:\n- {rule: one, resource: r, owner: o, reason: x, expires: 2027-01-01}\n- {rule: one, resource: r, owner: o, reason: x, expires: 2027-01-01}\n": "w.yaml:3: says the same as line 2",
	} {
		_, err := waiver.Parse("w.yaml", []byte(text), rules)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to say %s", text, err, want)
		}
	}
}

// TestAFileThatCannotBeRead: only a file that is not there means none.
func TestAFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := waiver.Load(dir, rules); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a directory: got %v, want the path", err)
	}
	if found, err := waiver.Load(dir+"/waivers.yaml", rules); err != nil || len(found) > 0 {
		t.Errorf("no file: got %v, %v", found, err)
	}
}

func TestLastDayIsIncluded(t *testing.T) {
	found, err := waiver.Parse("w.yaml", []byte("waivers:\n- {rule: one, resource: r, owner: o, reason: x, expires: 2027-01-01, stacks: [prod]}\n"), rules)
	if err != nil {
		t.Fatal(err)
	}
	w := found[0]
	for day, want := range map[string]bool{"2026-12-31T23:00:00Z": false, "2027-01-01T23:59:59Z": false, "2027-01-02T00:00:00Z": true} {
		now, err := time.Parse(time.RFC3339, day)
		if err != nil {
			t.Fatal(err)
		}
		if w.Expired(now) != want {
			t.Errorf("on %s expired is %t", day, !want)
		}
	}
	if !w.Covers("one", "r", "prod") || w.Covers("one", "r", "dev") || w.Covers("one", "s", "prod") || w.Covers("two", "r", "prod") {
		t.Error("it covers something else")
	}
}
