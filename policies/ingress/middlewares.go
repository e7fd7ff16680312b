package ingress

import (
	"slices"
	"strconv"
	"strings"

	"slipway.dev/slipway/policies/rule"
)

// Middleware is one of Traefik's; the one key of its spec says what it does.
type Middleware struct {
	Spec map[string]any `json:"spec"`
}

// MiddlewareType is its type token.
var MiddlewareType = rule.Shape[Middleware]("kubernetes:traefik.io/v1alpha1:Middleware")

// orders are what middlewares do, in the order in which they must run. What is
// not among them may stand anywhere.
var orders = [][]string{
	{"headers"}, {"ipAllowList", "ipWhiteList"}, {"basicAuth", "digestAuth", "forwardAuth"}, {"rateLimit", "inFlightReq"}, {"retry"},
}

// ranked is one step of a chain.
type ranked struct {
	name string
	rank int
}

// maxChain bounds how many middlewares are looked at: chains may name each
// other.
const maxChain = 50

// unfold are the steps that references stand for, chains taken apart.
func unfold(s *rule.Stack, namespace string, references []Named) []ranked {
	var steps []ranked
	left := maxChain
	var walk func(namespace string, references []Named, inside []*rule.Resource)
	walk = func(namespace string, references []Named, inside []*rule.Resource) {
		for _, one := range references {
			if left--; left < 0 {
				return
			}
			in := one.Namespace
			if in == "" {
				in = namespace
			}
			m := s.Named(MiddlewareType, in, one.Name)
			if m == nil {
				m = provided(s, one.Name)
			}
			if m == nil {
				steps = append(steps, ranked{one.Name, rankOfName(one.Name)})
				continue
			}
			spec := rule.As[Middleware](m)
			if spec == nil || slices.Contains(inside, m) {
				continue
			}
			for key := range spec.Spec {
				for i, words := range orders {
					if slices.Contains(words, key) {
						steps = append(steps, ranked{one.Name, i + 1})
					}
				}
			}
			var inner []Named
			list, _ := m.Value("spec", "chain", "middlewares").([]any)
			for _, item := range list {
				object, _ := item.(map[string]any)
				name, _ := object["name"].(string)
				of, _ := object["namespace"].(string)
				inner = append(inner, Named{Name: name, Namespace: of})
			}
			walk(m.Namespace(), inner, append(slices.Clone(inside), m))
		}
	}
	walk(namespace, references, nil)
	return steps
}

// provided finds a middleware by the name that Traefik's flags give it:
// namespace-name@kubernetescrd.
func provided(s *rule.Stack, name string) *rule.Resource {
	base, _, ok := strings.Cut(name, "@")
	if !ok {
		return nil
	}
	for _, m := range s.Of(MiddlewareType) {
		if base == m.Namespace()+"-"+m.ObjectName() {
			return m
		}
	}
	return nil
}

// rankOfName guesses what a middleware does that the stack does not declare.
func rankOfName(name string) int {
	name, _, _ = strings.Cut(name, "@")
	for i, word := range []string{"header", "ipallow", "auth", "rate", "retry"} {
		if strings.Contains(strings.ToLower(strings.ReplaceAll(name, "-", "")), word) {
			return i + 1
		}
	}
	return 0
}

func disordered(steps []ranked) (late, early string, bad bool) {
	last, before := 0, ""
	for _, step := range steps {
		if step.rank > 0 {
			if step.rank < last {
				return step.name, before, true
			}
			last, before = step.rank, step.name
		}
	}
	return "", "", false
}

func ordered(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
	if route := rule.As[Route](r); route != nil {
		for i, one := range route.Spec.Routes {
			if late, early, bad := disordered(unfold(s, r.Namespace(), one.Middlewares)); bad {
				return rule.Complain("spec.routes["+strconv.Itoa(i)+"].middlewares", "%s must come before %s", late, early)
			}
		}
	}
	return eachFlag(r, func(flag Flag) []rule.Complaint {
		if !strings.HasSuffix(flag.Name, ".http.middlewares") {
			return nil
		}
		var references []Named
		for _, name := range strings.Split(flag.Value, ",") {
			references = append(references, Named{Name: strings.TrimSpace(name)})
		}
		if late, early, bad := disordered(unfold(s, "", references)); bad {
			return rule.Complain(flag.At, "%s must come before %s", late, early)
		}
		return nil
	})
}
