// Package settings reads the file that says, for all stacks and for each, how
// strictly rules are enforced and what they compare with.
package settings

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"slipway.dev/slipway/policies/rule"
)

// File is the settings' name in the directory of the policy pack.
const File = "settings.yaml"

// Settings hold for one stack.
type Settings struct {
	Limits rule.Limits
	levels map[string]rule.Level
}

// Level is how a rule is enforced.
func (s Settings) Level(r *rule.Rule) rule.Level {
	if level, ok := s.levels[r.ID]; ok {
		return level
	}
	return r.DefaultLevel()
}

// Defaults are the settings where nothing is said.
func Defaults() Settings {
	return Settings{Limits: rule.DefaultLimits(), levels: map[string]rule.Level{}}
}

// document is the file's shape. A section of a stack may end in *, and then holds
// for all whose names begin so; a longer beginning goes before a shorter one, and
// the whole name before any.
type document struct {
	Levels map[string]yaml.Node `yaml:"levels"`
	Limits yaml.Node            `yaml:"limits"`
	Stacks map[string]section   `yaml:"stacks"`
}

// section is what one stack says differently.
type section struct {
	Levels map[string]yaml.Node `yaml:"levels"`
	Limits yaml.Node            `yaml:"limits"`
}

// Load reads the settings of a stack. Every fault is reported with the file and
// line. A file that is not there means the defaults.
func Load(path, stack string, rules []*rule.Rule) (Settings, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Defaults(), nil
	}
	if err != nil {
		return Settings{}, fmt.Errorf("reading policy settings: %w", err)
	}
	return Parse(path, raw, stack, rules)
}

// Parse is Load for text that was read already.
func Parse(path string, raw []byte, stack string, rules []*rule.Rule) (Settings, error) {
	var doc document
	if err := Strict(path, raw, &doc); err != nil {
		return Settings{}, err
	}
	settings := Defaults()
	var faults []error
	known := map[string]bool{}
	for _, r := range rules {
		known[r.ID] = true
	}
	take := func(levels map[string]yaml.Node, use bool) {
		for id, node := range levels {
			var text string
			if err := node.Decode(&text); err != nil {
				faults = append(faults, located(path, err))
				continue
			}
			parsed, err := rule.ParseLevel(text)
			switch {
			case err != nil:
				faults = append(faults, fmt.Errorf("%s:%d: levels.%s: %w", path, node.Line, id, err))
			case !known[id]:
				faults = append(faults, fmt.Errorf("%s:%d: levels.%s: there is no such rule; `slipway policy list` names them", path, node.Line, id))
			case use:
				settings.levels[id] = parsed
			}
		}
	}
	limits := func(node yaml.Node, into *rule.Limits) {
		if node.IsZero() {
			return
		}
		if err := overlay(path, node, into); err != nil {
			faults = append(faults, err)
		}
	}
	take(doc.Levels, true)
	limits(doc.Limits, &settings.Limits)
	for _, name := range general(doc.Stacks) {
		// Faults of other stacks are told as well: the file is one.
		section, holds := doc.Stacks[name], Covers(name, stack)
		take(section.Levels, holds)
		scratch := rule.DefaultLimits()
		target := &scratch
		if holds {
			target = &settings.Limits
		}
		limits(section.Limits, target)
	}
	slices.SortFunc(faults, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	if err := errors.Join(faults...); err != nil {
		return Settings{}, err
	}
	return settings, nil
}

// Sections are the names of the stacks, or beginnings of names with a *, that a
// file says something of.
func Sections(path string, raw []byte) ([]string, error) {
	var doc document
	if err := Strict(path, raw, &doc); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(doc.Stacks)), nil
}

// general are the names of sections in the order in which they apply: what holds
// for more stacks comes first.
func general(sections map[string]section) []string {
	return slices.SortedFunc(maps.Keys(sections), func(a, b string) int {
		long := func(name string) int {
			if !strings.HasSuffix(name, "*") {
				return math.MaxInt
			}
			return len(name)
		}
		return cmp.Or(cmp.Compare(long(a), long(b)), strings.Compare(a, b))
	})
}

// Covers tells whether a section is about a stack.
func Covers(name, stack string) bool {
	beginning, open := strings.CutSuffix(name, "*")
	return name == stack || open && strings.HasPrefix(stack, beginning)
}

// overlay sets the limits a mapping names and leaves the others.
func overlay(path string, node yaml.Node, into *rule.Limits) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("%s:%d: limits must be a mapping", path, node.Line)
	}
	var faults []error
	fields := reflect.TypeFor[rule.Limits]()
	for i := 0; i < len(node.Content); i += 2 {
		key := node.Content[i]
		ok := slices.ContainsFunc(reflect.VisibleFields(fields), func(f reflect.StructField) bool { return f.Tag.Get("yaml") == key.Value })
		if !ok {
			faults = append(faults, fmt.Errorf("%s:%d: limits.%s: there is no such limit", path, key.Line, key.Value))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	if err := node.Decode(into); err != nil {
		return located(path, err)
	}
	out := into.Faults()
	for i := 0; i < len(node.Content); i += 2 {
		if key := node.Content[i]; out[key.Value] != "" {
			faults = append(faults, fmt.Errorf("%s:%d: limits.%s: %s", path, key.Line, key.Value, out[key.Value]))
		}
	}
	return errors.Join(faults...)
}

// Strict decodes YAML into a value, and refuses unknown keys and a second
// document, with the file and line of each fault.
func Strict(path string, raw []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return located(path, err)
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return located(path, err)
	}
	return fmt.Errorf("%s:%d: there is a second document, which nobody would go by; put all into one", path, second.Line)
}

var lineOf = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
var goType = regexp.MustCompile(` (in|into) (type )?[\w.\[\]*]+$`)

// located turns "line 3: …" into "path:3: …".
func located(path string, err error) error {
	messages := []string{err.Error()}
	var types *yaml.TypeError
	if errors.As(err, &types) {
		messages = types.Errors
	}
	var faults []error
	for _, message := range messages {
		message = goType.ReplaceAllString(message, "")
		if match := lineOf.FindStringSubmatch(message); match != nil {
			faults = append(faults, fmt.Errorf("%s:%s: %s", path, match[1], match[2]))
			continue
		}
		faults = append(faults, fmt.Errorf("%s: %s", path, message))
	}
	return errors.Join(faults...)
}
