package catalogue_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/example"
	"slipway.dev/slipway/policies/rule"
)

// asked are a rule's own types and those it consults: the only ones of which an
// unknown value may matter to it.
func asked(r *rule.Rule) []string {
	tokens := slices.Clone(r.Types)
	for token := range r.Consults {
		tokens = append(tokens, token)
	}
	return tokens
}

// leaves calls visit with the path of every value below a tree's root, and says
// whether it holds others.
func leaves(path string, value any, visit func(path string, holds bool)) {
	holds := false
	switch v := value.(type) {
	case map[string]any:
		holds = true
		for key, inner := range v {
			at := key
			switch {
			case strings.ContainsAny(key, "./"):
				at = path + "[" + strconv.Quote(key) + "]"
			case path != "":
				at = path + "." + key
			}
			leaves(at, inner, visit)
		}
	case []any:
		holds = true
		for i, inner := range v {
			leaves(path+"["+strconv.Itoa(i)+"]", inner, visit)
		}
	}
	if path != "" {
		visit(path, holds)
	}
}

// identity is what makes an object the one it is; without it there is none.
var identity = []string{"apiVersion", "kind", "metadata", "metadata.name"}

// scanned holds a rule against a stack it fails, once for every value that it
// could have read, with that value unknown; whole also hides maps and lists as
// such. It must have something to say each time.
func scanned(t *testing.T, r *rule.Rule, s *rule.Stack, limits rule.Limits, seen map[string]bool, whole bool) {
	t.Helper()
	judge := rule.NewJudge([]*rule.Rule{r})
	broken := judge.All(s, limits)
	if len(broken) == 0 {
		t.Fatalf("%s: the stack does not break it", r.ID)
	}
	tokens := asked(r)
	var kept []*rule.Resource
	for _, one := range s.Resources {
		if slices.Contains(tokens, one.Type) {
			kept = append(kept, one)
		}
	}
	if got := judge.All(rule.NewStack(s.Name, kept...), limits); len(got) != len(broken) {
		t.Errorf("%s: it looks at types that it does not consult: %d findings with them, %d without", r.ID, len(broken), len(got))
		return
	}
	for i, one := range kept {
		leaves("", one.Properties(), func(path string, holds bool) {
			key := r.ID + " " + one.ID() + " " + path
			if slices.Contains(identity, path) || seen[key] || holds && !whole {
				return
			}
			unknown, err := one.With(path, rule.Unknown{})
			if err != nil {
				t.Fatal(err)
			}
			changed := slices.Clone(kept)
			changed[i] = unknown
			if len(judge.All(rule.NewStack(s.Name, changed...), limits)) == 0 {
				seen[key] = true
				t.Errorf("%s is silent when %s of %s is not known", r.ID, path, one.ID())
			}
		})
	}
}

// TestNoUnknownValueIsAPass: whatever a rule fails, it fails or leaves undecided
// when any one value is not known. Readable is left out: what is not known will
// be read when it is.
func TestNoUnknownValueIsAPass(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range catalogue.Rules() {
		if r.ID == rule.Readable {
			continue
		}
		s, err := example.Broken(r.Example)
		if err != nil {
			t.Fatal(err)
		}
		scanned(t, r, s, example.Settings(s.Name).Limits, seen, true)
	}
	for _, v := range variants(t) {
		if v.Fails != "" && v.Fails != rule.Readable {
			s, limits := v.made(t)
			scanned(t, catalogue.Find(v.Fails), s, limits, seen, false)
		}
	}
}
