package settings_test

import (
	"strings"
	"testing"

	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
)

var rules = []*rule.Rule{{ID: "one"}, {ID: "two", Level: rule.Advisory}}

func TestLevelsAndLimitsPerStack(t *testing.T) {
	const text = `
levels: {one: advisory}
limits: {maxLogDays: 30, registries: [a/]}
stacks:
  prod: {levels: {one: mandatory, two: disabled}, limits: {requireDigest: true}}
`
	for stack, want := range map[string]struct {
		one, two rule.Level
		digest   bool
	}{"prod": {rule.Mandatory, rule.Disabled, true}, "dev": {rule.Advisory, rule.Advisory, false}} {
		s, err := settings.Parse("settings.yaml", []byte(text), stack, rules)
		if err != nil {
			t.Fatal(err)
		}
		if s.Level(rules[0]) != want.one || s.Level(rules[1]) != want.two || s.Limits.RequireDigest != want.digest {
			t.Errorf("%s: levels %s and %s, digest %t", stack, s.Level(rules[0]), s.Level(rules[1]), s.Limits.RequireDigest)
		}
		if s.Limits.MaxLogDays != 30 || len(s.Limits.Registries) != 1 || s.Limits.MinReplicas != 2 {
			t.Errorf("%s: limits %+v", stack, s.Limits)
		}
	}
}

func TestSectionsOfManyStacks(t *testing.T) {
	const text = `
stacks:
  pr-1: {limits: {maxLogDays: 4}}
  "pr-*": {levels: {one: disabled}, limits: {maxLogDays: 2, minReplicas: 7}}
  "*": {limits: {maxLogDays: 1}}
  "pr-1*": {limits: {maxLogDays: 3}}
`
	for stack, want := range map[string]struct {
		days, replicas int
		one            rule.Level
	}{
		"pr-1": {4, 7, rule.Disabled}, "pr-12": {3, 7, rule.Disabled}, "pr-2": {2, 7, rule.Disabled},
		"pr": {1, 2, rule.Mandatory}, "prod": {1, 2, rule.Mandatory},
	} {
		s, err := settings.Parse("settings.yaml", []byte(text), stack, rules)
		if err != nil {
			t.Fatal(err)
		}
		if s.Limits.MaxLogDays != want.days || s.Limits.MinReplicas != want.replicas || s.Level(rules[0]) != want.one {
			t.Errorf("%s: %d days, %d replicas, %s; want %+v", stack, s.Limits.MaxLogDays, s.Limits.MinReplicas, s.Level(rules[0]), want)
		}
	}
}

func TestFaultsNameFileAndLine(t *testing.T) {
	for text, want := range map[string]string{
		"levels:\n  one: strict\n":                          `f.yaml:2: levels.one: "strict" is no enforcement level`,
		"levels:\n  three: advisory\n":                      "f.yaml:2: levels.three: there is no such rule",
		"levels: {}\nlevles: {}\n":                          "f.yaml:2: field levles not found",
		"limits:\n  maxLogDay: 3\n":                         "f.yaml:2: limits.maxLogDay: there is no such limit",
		"limits:\n  maxLogDays: many\n":                     "f.yaml:2: cannot unmarshal",
		"stacks:\n  prod:\n    levels:\n      one: maybe\n": `f.yaml:4: levels.one: "maybe"`,
		"stacks:\n  prod:\n    limits: [1]\n":               "f.yaml:3: limits must be a mapping",
		"limits:\n  maxLogDays: -1\n":                       "f.yaml:2: limits.maxLogDays: is -1, must be at least 1",
		"limits:\n  minReplicas: 0\n":                       "f.yaml:2: limits.minReplicas: is 0, must be at least 1",
		"limits:\n  publicPorts: [443, 70000]\n":            "f.yaml:2: limits.publicPorts: is 70000, must be at most 65535",
		"stacks:\n  dev:\n    limits: {minBackupDays: 0}\n": "f.yaml:3: limits.minBackupDays: is 0",
		"levels:\n  one:\n":                                 `f.yaml:2: levels.one: "" is no enforcement level`,
		"levels:\n  one: Mandatory\n":                       `f.yaml:2: levels.one: "Mandatory" is no enforcement level`,
		"levels:\n  one: [mandatory]\n":                     "f.yaml:2: cannot unmarshal",
		"levels:\n  one: advisory\n  one: disabled\n":       `f.yaml:3: mapping key "one" already defined at line 2`,
		"levels: {}\n---\nlevels:\n  one: disabled\n":       "f.yaml:2: there is a second document",
		"- levels\n":                      "f.yaml:1: cannot unmarshal",
		"levels:\n\tone: advisory\n":      "f.yaml:2: found character that cannot start any token",
		"\x00":                            "f.yaml: ",
		"levels: [\n":                     "f.yaml:",
		"levels:\n  one: no\n  two: no\n": "f.yaml:3: levels.two",
		"stacks:\n  dev:\n    limits: {x: 1}\n  prod: {}\n": "f.yaml:3: limits.x",
	} {
		_, err := settings.Parse("f.yaml", []byte(text), "prod", rules)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want it to say %s", text, err, want)
		}
	}
}

// TestAFileThatCannotBeRead: only a file that is not there means the defaults.
func TestAFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := settings.Load(dir, "prod", rules); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a directory: got %v, want the path", err)
	}
}

func TestDefaultsAreInBounds(t *testing.T) {
	if faults := rule.DefaultLimits().Faults(); len(faults) > 0 {
		t.Error(faults)
	}
	unbounded := rule.DefaultLimits()
	unbounded.MaxCertificateHours = 0 // bounds nothing, as it says
	if faults := unbounded.Faults(); len(faults) > 0 {
		t.Error(faults)
	}
}

func TestNoFileMeansDefaults(t *testing.T) {
	s, err := settings.Load(t.TempDir()+"/settings.yaml", "prod", rules)
	if err != nil || s.Level(rules[0]) != rule.Mandatory || s.Limits.MaxLogDays != rule.DefaultLimits().MaxLogDays {
		t.Errorf("%+v, %v", s, err)
	}
}
