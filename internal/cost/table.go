package cost

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"slipway.dev/slipway/policies/settings"
)

// Table is a file of prices.
type Table struct {
	Currency string            `yaml:"currency"`
	Region   string            `yaml:"region"`
	Hours    float64           `yaml:"hours"`
	Sources  map[string]Source `yaml:"sources"`
	Prices   map[string]Price  `yaml:"prices"`
	Machines map[string]Price  `yaml:"machines"`
	Usage    map[string]Price  `yaml:"usage"`
	Free     []string          `yaml:"free"`
}

// Price is one price of one unit.
type Price struct {
	// What is paid for, where the thing's own name does not say it.
	What string  `yaml:"what"`
	USD  float64 `yaml:"usd"`
	Per  string  `yaml:"per"`
	// Sources are where it was read, each by itself: more of them say the same.
	Sources []string `yaml:"sources"`
	// Caution says what makes it worth less than it looks: that the region's own
	// figure was not found, that the copy is old. It is shown with the price.
	Caution string `yaml:"caution"`

	line int
}

// UnmarshalYAML remembers the line, for messages.
func (p *Price) UnmarshalYAML(node *yaml.Node) error {
	p.line = node.Line
	return fields(node, map[string]any{"what": &p.What, "usd": &p.USD, "per": &p.Per, "sources": &p.Sources, "caution": &p.Caution})
}

// fields decodes a mapping and names the key of what is wrong. The decoder's own
// strictness ends at values that unmarshal themselves.
func fields(node *yaml.Node, into map[string]any) error {
	if node.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: %q is not keys with values", node.Line, node.Value)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		target, ok := into[key.Value]
		switch {
		case !ok:
			return fmt.Errorf("line %d: field %s not found", key.Line, key.Value)
		case seen[key.Value]:
			return fmt.Errorf("line %d: %s stands there twice", key.Line, key.Value)
		}
		seen[key.Value] = true
		if err := value.Decode(target); err != nil {
			wanted := map[string]string{"*float64": "a number", "*string": "text", "*[]string": "a list"}[fmt.Sprintf("%T", target)]
			return fmt.Errorf("line %d: %s is %q, must be %s", value.Line, key.Value, value.Value, wanted)
		}
	}
	return nil
}

// named are the prices that Estimate asks for.
var named = []string{
	"cluster", "nat-gateway", "public-address", "endpoint", "network-balancer", "key", "zone", "gp3-gib", "gp3-iops", "gp3-mib-per-second",
}

// Load reads a table. Every fault is reported with the file and line.
func Load(path string) (*Table, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the table of prices: %w", err)
	}
	t := &Table{}
	if err := text(path, raw); err != nil {
		return nil, fmt.Errorf("reading the table of prices: %w", err)
	}
	if err := settings.Strict(path, raw, t); err != nil {
		return nil, fmt.Errorf("reading the table of prices: %w", err)
	}
	var faults []error
	fault := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s:%d: %s", path, cmp.Or(line, 1), fmt.Sprintf(format, args...)))
	}
	t.check(fault)
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("reading the table of prices:\n%w", err)
	}
	return t, nil
}

// text names the line where a file stops being text, which the decoder does not.
func text(path string, raw []byte) error {
	for i, line := range bytes.Split(raw, []byte("\n")) {
		if !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0 {
			return fmt.Errorf("%s:%d: this is not text; a table of prices is YAML, as internal/cost/prices.yaml is", path, i+1)
		}
	}
	return nil
}

// check reports what is missing or cannot be. Comparisons are written so that
// what is not a number fails them.
func (t *Table) check(fault func(line int, format string, args ...any)) {
	if t.Currency != "USD" {
		fault(0, "currency is %q, must be USD", t.Currency)
	}
	if t.Region == "" {
		fault(0, "region is missing")
	}
	if !(t.Hours >= 672 && t.Hours <= 744) {
		fault(0, "hours is %v, and a month has 672 to 744", t.Hours)
	}
	cited := map[string]bool{}
	for _, group := range []struct {
		name   string
		prices map[string]Price
	}{{"prices", t.Prices}, {"machines", t.Machines}, {"usage", t.Usage}} {
		for _, name := range slices.Sorted(maps.Keys(group.prices)) {
			price := group.prices[name]
			price.check(group.name+"."+name, group.name == "usage", fault)
			for _, source := range price.Sources {
				cited[source] = true
				if _, ok := t.Sources[source]; !ok {
					fault(price.line, "%s.%s.sources has %q, which is not among sources", group.name, name, source)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Sources)) {
		source := t.Sources[name]
		source.check("sources."+name, fault)
		if !cited[name] {
			fault(source.line, "sources.%s is where no price was read; take it out", name)
		}
	}
	for _, name := range named {
		if _, ok := t.Prices[name]; !ok {
			fault(0, "prices.%s is missing", name)
		}
	}
}

// check reports what is wrong with one price by itself.
func (p Price) check(at string, used bool, fault func(line int, format string, args ...any)) {
	if !(p.USD > 0) || math.IsInf(p.USD, 0) {
		fault(p.line, "%s.usd is %v, must be above 0; what costs nothing belongs under free", at, p.USD)
	}
	switch {
	case used && (p.What == "" || p.Per == ""):
		fault(p.line, "%s must have what and per, which say what is paid for being used", at)
	case !used && p.Per != "hour" && p.Per != "month":
		fault(p.line, "%s.per is %q, must be hour or month", at, p.Per)
	case !used && p.What != "":
		fault(p.line, "%s.what has no effect; only usage says what it is", at)
	}
	if len(p.Sources) == 0 {
		fault(p.line, "%s.sources is missing: where was the figure read?", at)
	}
}

// month is what one costs in a month.
func (t *Table) month(p Price) float64 {
	if p.Per == "hour" {
		return p.USD * t.Hours
	}
	return p.USD
}
