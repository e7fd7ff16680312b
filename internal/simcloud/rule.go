package simcloud

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// rule bounds the values at one path of a resource's inputs. Zero fields do
// not bound.
type rule struct {
	path string
	// enum are the only values allowed.
	enum []string
	// pattern must match the whole text.
	pattern *regexp.Regexp
	// min and max bound a number, or the length of a text.
	min, max float64
	// bounded says that min and max count, as both may be zero.
	bounded bool
	// want describes the pattern to people.
	want string
}

func oneOf(path string, values ...string) rule { return rule{path: path, enum: values} }

func between(path string, low, high float64) rule {
	return rule{path: path, min: low, max: high, bounded: true}
}

func matches(path, pattern, want string) rule {
	return rule{path: path, pattern: regexp.MustCompile(`^(?:` + pattern + `)$`), want: want}
}

// judge reports the values in the inputs that break the rule. Values that a
// preview does not know are judged again during the update.
func (r rule) judge(in Props, report fault) {
	for _, f := range Walk(map[string]any(in), r.path) {
		switch v := f.Value.(type) {
		case string:
			switch length := float64(utf8.RuneCountInString(v)); {
			case r.enum != nil && !slices.Contains(r.enum, v):
				report(f.Path, fmt.Sprintf("is %q, must be one of %s", v, strings.Join(r.enum, ", ")))
			case r.pattern != nil && !r.pattern.MatchString(v):
				report(f.Path, fmt.Sprintf("is %q, must be %s", v, r.want))
			case r.bounded && (length < r.min || length > r.max):
				report(f.Path, fmt.Sprintf("has %v characters, must have %v to %v", length, r.min, r.max))
			}
		case float64:
			if r.bounded && (v < r.min || v > r.max) {
				report(f.Path, fmt.Sprintf("is %v, must be from %v to %v", v, r.min, r.max))
			}
		case []any:
			if r.bounded && (float64(len(v)) < r.min || float64(len(v)) > r.max) {
				report(f.Path, fmt.Sprintf("has %d elements, must have %v to %v", len(v), r.min, r.max))
			}
		}
	}
}
