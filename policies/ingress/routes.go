package ingress

import (
	"slices"
	"strconv"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"slipway.dev/slipway/policies/rule"
)

const (
	traefikDocs = "https://doc.traefik.io/traefik/reference/routing-configuration/kubernetes/crd/"
	colours     = "TraefikService/shop/web-colours"
	legacy      = "Ingress/shop/legacy"
	route       = "IngressRoute/shop/web"
)

// Rules are the package's rules.
func Rules() []*rule.Rule {
	return rule.Group("ingress", slices.Concat(routes(), encryption(), names())...)
}

func routes() []*rule.Rule {
	return []*rule.Rule{
		{
			ID: "weights-sum", Title: "The weights of a blue/green release sum to 100",
			Why:        "Traefik shares requests in proportion, so 100 and 10 is not what anyone meant; and with all weights 0 nobody is served.",
			Remedy:     "Make spec.weighted.services[*].weight sum to 100, each of them between 0 and 100.",
			References: []string{traefikDocs + "traefikservice/"},
			Types:      []string{WeightedType}, Reads: []string{"spec.weighted.services"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, w *Weighted, _ rule.Limits) []rule.Complaint {
				if w.Spec.Weighted == nil {
					return nil
				}
				sum := 0
				for _, to := range w.Spec.Weighted.Services {
					if to.Weight == nil {
						return rule.Complain("spec.weighted.services", "%s has no weight", to.Name)
					}
					if *to.Weight < 0 || *to.Weight > 100 {
						return rule.Complain("spec.weighted.services", "%s weighs %d", to.Name, *to.Weight)
					}
					sum += *to.Weight
				}
				if sum != 100 {
					return rule.Complain("spec.weighted.services", "weights sum to %d", sum)
				}
				return nil
			}),
			Admission: &rule.Admission{Holds: `!has(object.spec.weighted) || (
  object.spec.weighted.?services.orValue([]).all(s, has(s.weight) && int(s.weight) >= 0 && int(s.weight) <= 100) &&
  object.spec.weighted.?services.orValue([]).map(s, int(s.weight)).sum() == 100)`},
			Example: rule.Example{Resource: colours, Set: map[string]any{"spec.weighted.services[1].weight": 10}},
		},
		{
			ID: "both-colours", Title: "A blue/green release has both colours, each with a Service that exists",
			Why:        "Rolling back is one change of weights only while the other colour still runs.",
			Remedy:     "Keep both entries in spec.weighted.services and declare the Service of each.",
			References: []string{traefikDocs + "traefikservice/"},
			Types:      []string{WeightedType}, Reads: []string{"spec.weighted.services", "metadata.namespace"},
			Consults: map[string][]string{rule.Service: {"metadata.name", "metadata.namespace"}},
			Check: rule.On(func(s *rule.Stack, r *rule.Resource, w *Weighted, _ rule.Limits) []rule.Complaint {
				if w.Spec.Weighted == nil {
					return nil
				}
				names := map[string]bool{}
				for _, to := range w.Spec.Weighted.Services {
					names[to.Name] = true
				}
				if n := len(names); n < 2 {
					return rule.Complain("spec.weighted.services", "has %d colour, needs 2", n)
				}
				for i, to := range w.Spec.Weighted.Services {
					if s.Named(rule.Service, r.Namespace(), to.Name) == nil {
						return rule.Complain("spec.weighted.services["+strconv.Itoa(i)+"].name", "there is no Service %s in namespace %s", to.Name, r.Namespace())
					}
				}
				return nil
			}),
			Example: rule.Example{Resource: colours, Set: map[string]any{"spec.weighted.services[1].name": "web-gren"}},
		},
		{
			ID: "middleware-order", Title: "Middlewares run in the order that makes them work",
			Why: "Headers must be added first, or refusals go out without them. Limits must come before retries, " +
				"or a retry is counted as a request and the limit feeds on itself.",
			Remedy:     "Order them: headers, then allow lists and authentication, then rate limits, then retry last. What one does is read from its Middleware, and guessed from its name only where the stack declares none.",
			References: []string{"https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/overview/"},
			Types:      append([]string{RouteType}, rule.Servers...), Reads: append([]string{"spec.routes", "metadata.namespace"}, FlagReads...),
			Consults: map[string][]string{MiddlewareType: {"spec", "metadata.name", "metadata.namespace"}}, EitherWay: true,
			Check:   ordered,
			Example: rule.Example{Resource: route, Set: map[string]any{"spec.routes[0].middlewares": []any{map[string]any{"name": "retry"}, map[string]any{"name": "rate-limit"}}}},
		},
		{
			ID: "dashboard-not-public", Title: "Traefik's dashboard and API are on no entry point that outsiders reach",
			Why:        "They list every host, route and backend.",
			Remedy:     "Remove --api.insecure and TRAEFIK_API_INSECURE, and route api@internal only on an entry point that no Service publishes, with authentication.",
			References: []string{"https://doc.traefik.io/traefik/operations/api/"},
			Types:      append([]string{RouteType}, rule.Servers...), Reads: append([]string{"spec.routes", "spec.entryPoints"}, FlagReads...),
			Check:   dashboard,
			Example: rule.Example{Resource: route, Set: map[string]any{"spec.routes[0].services[0]": map[string]any{"kind": "TraefikService", "name": "api@internal"}}, Also: map[string]map[string]any{}},
		},
		{
			ID: "proxy-drain", Title: "A Traefik that leaves loses no request",
			Why: "From SIGTERM on it has to go on accepting until whatever is in front of it has noticed, then to finish what it began, " +
				"and neither the kubelet nor a load balancer may cut it off before.",
			Remedy: "Set entrypoints.NAME.transport.lifecycle.requestacceptgracetimeout, keep it plus gracetimeout (10s unless said) below " +
				"terminationGracePeriodSeconds, and the deregistration delay of target groups no shorter than both.",
			References: []string{"https://doc.traefik.io/traefik/reference/install-configuration/entrypoints/"},
			Types:      rule.Servers, Reads: append([]string{"pod.terminationGracePeriodSeconds"}, FlagReads...),
			Consults: map[string][]string{targetGroupType: {"deregistrationDelay"}}, Exhaustive: true,
			Check:   proxyDrains,
			Example: rule.Example{Resource: "DaemonSet/slipway-ingress/traefik", Set: map[string]any{"spec.template.spec.terminationGracePeriodSeconds": 15}},
		},
		{
			ID: "ingress-only-https", Title: "Routes and Ingresses serve HTTPS, with a certificate for each host they answer for",
			Why:        "A host that is not in the TLS list is served with a certificate nobody trusts, or in the clear.",
			Remedy:     "Set spec.tls with every host for an Ingress, and tls with entry point websecure for an IngressRoute.",
			References: []string{"https://kubernetes.io/docs/concepts/services-networking/ingress/#tls"},
			Types:      []string{rule.Ingress, RouteType}, Reads: []string{"spec.tls", "spec.rules", "spec.entryPoints"},
			Check: onlyHTTPS,
			Admission: &rule.Admission{Holds: `object.kind == "Ingress" ?
  object.spec.?rules.orValue([]).all(r, object.spec.?tls.orValue([]).exists(t, t.?hosts.orValue([]).exists(h, h == r.?host.orValue("")))) :
  object.spec.?entryPoints.orValue([]) == ["traefik"] || (!object.spec.?entryPoints.orValue([]).exists(e, e == "web") && has(object.spec.tls))`},
			Example: rule.Example{Resource: legacy, Set: map[string]any{"spec.tls": nil}},
		},
		{
			ID: "certificate-for-route", Title: "The certificate that a route names is issued, and for its host",
			Why:        "A route whose secret nobody fills, or that names none, is answered with Traefik's own certificate, which no client accepts.",
			Remedy:     "Name a secret in tls.secretName, and declare a Certificate with that secretName and the route's hosts.",
			References: []string{"https://cert-manager.io/docs/usage/certificate/"},
			Types:      []string{RouteType, rule.Ingress}, Reads: []string{"spec.tls", "spec.routes", "metadata.namespace"},
			Consults: map[string][]string{CertificateType: {"spec.secretName", "spec.dnsNames", "metadata.namespace"}},
			Check:    certified,
			Example:  rule.Example{Resource: route, Set: map[string]any{"spec.tls.secretName": "web-tsl"}},
		},
		{
			ID: "no-wildcard-host", Title: "No route answers for hosts nobody listed",
			Why:        "A wildcard takes over names that other services are given later, and every name that DNS points here by mistake.",
			Remedy:     "List the hosts.",
			References: []string{"https://open-policy-agent.github.io/gatekeeper-library/website/validation/block-wildcard-ingress"},
			Types:      []string{rule.Ingress, RouteType}, Reads: []string{"spec.rules", "spec.routes", "spec.entryPoints"},
			Check: wildcard,
			Admission: &rule.Admission{Holds: `object.kind == "Ingress" ?
  object.spec.?rules.orValue([]).all(r, r.?host.orValue("") != "" && !r.?host.orValue("").contains("*")) :
  object.spec.?entryPoints.orValue([]) == ["traefik"] || object.spec.?routes.orValue([]).all(r,
    r.?match.orValue("").contains("Host(") && !r.?match.orValue("").contains("HostRegexp("))`},
			Example: rule.Example{Resource: legacy, Unknown: "spec.rules[0].host", Set: map[string]any{"spec.rules[0].host": "*.slipway.test", "spec.tls[0].hosts[0]": "*.slipway.test"},
				Also: map[string]map[string]any{
					zones: {`data["db.slipway.test"]`: "$ORIGIN slipway.test.\nweb 60 IN A 203.0.113.7\n* 60 IN A 203.0.113.7\n"}, "Certificate/shop/old": {"spec.dnsNames": []any{"*.slipway.test"}}}}, //nolint:gosec // an example, with no secret in it
		},
		{
			ID: "unique-host-and-path", Title: "No two Ingresses or routes claim the same host and path",
			Why:        "Which of the two answers is decided by length or age, not by anyone.",
			Remedy:     "Change or remove one of them.",
			References: []string{"https://open-policy-agent.github.io/gatekeeper-library/website/validation/uniqueingresshost"},
			Types:      []string{rule.Ingress, RouteType}, Reads: []string{"spec.rules", "spec.routes"},
			Consults: map[string][]string{rule.Ingress: {"spec.rules"}, RouteType: {"spec.routes"}}, Exhaustive: true,
			Check: func(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
				mine := claims(r)
				for _, other := range s.Of(rule.Ingress, RouteType) {
					if other == r || r.ID() < other.ID() {
						continue
					}
					for _, claim := range claims(other) {
						if slices.Contains(mine, claim) {
							return rule.Complain("spec", "%s claims %s as well", other.ID(), claim)
						}
					}
				}
				return nil
			},
			Example: rule.Example{Resource: "IngressRoute/shop/web", Unknown: "spec.routes[0].match", UnknownIn: "IngressRoute/shop/admin",
				Set: map[string]any{}, Also: map[string]map[string]any{"IngressRoute/shop/admin": {"spec.routes[0].match": "Host(`web.slipway.test`) && PathPrefix(`/v1/`)"}}},
		},
	}
}

func dashboard(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
	if route := rule.As[Route](r); route != nil {
		internalOnly := len(route.Spec.EntryPoints) == 1 && route.Spec.EntryPoints[0] == "traefik"
		for i, one := range route.Spec.Routes {
			for _, to := range one.Services {
				if (to.Name == "api@internal" || to.Name == "dashboard@internal") && !internalOnly {
					return rule.Complain("spec.routes["+strconv.Itoa(i)+"].services", "leads outsiders to %s", to.Name)
				}
			}
		}
	}
	return eachFlag(r, func(flag Flag) []rule.Complaint {
		if flag.Name == "api.insecure" && flag.Value != "false" {
			return rule.Complain(flag.At, "opens the dashboard to whoever reaches the pod")
		}
		return nil
	})
}

func onlyHTTPS(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
	if route := rule.As[Route](r); route != nil {
		if slices.Equal(route.Spec.EntryPoints, []string{"traefik"}) {
			return nil // the entry point of probes and metrics, which no Service publishes
		}
		if slices.Contains(route.Spec.EntryPoints, "web") {
			return rule.Complain("spec.entryPoints", "serve in the clear")
		}
		if route.Spec.TLS == nil {
			return rule.Complain("spec.tls", "is missing")
		}
	}
	in := rule.As[networkingv1.Ingress](r)
	if in == nil {
		return nil
	}
	listed := map[string]bool{}
	for _, tls := range in.Spec.TLS {
		for _, host := range tls.Hosts {
			listed[host] = true
		}
	}
	for _, one := range in.Spec.Rules {
		if !listed[one.Host] {
			return rule.Complain("spec.tls", "does not cover host %q", one.Host)
		}
	}
	return nil
}

func certified(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
	if route := rule.As[Route](r); route != nil && route.Spec.TLS != nil {
		var named []string
		for _, one := range route.Spec.Routes {
			named = append(named, hosts(one.Match)...)
		}
		return covered(s, r, "spec.tls", route.Spec.TLS.SecretName, named)
	}
	if in := rule.As[networkingv1.Ingress](r); in != nil {
		for i, tls := range in.Spec.TLS {
			if found := covered(s, r, "spec.tls["+strconv.Itoa(i)+"]", tls.SecretName, tls.Hosts); found != nil {
				return found
			}
		}
	}
	return nil
}

// covered asks whether a Certificate fills the secret of a tls section, and
// names its hosts.
func covered(s *rule.Stack, r *rule.Resource, at, secret string, named []string) []rule.Complaint {
	if secret == "" {
		return rule.Complain(at, "names no secret")
	}
	var names []string
	for _, other := range s.In(r.Namespace(), CertificateType) {
		if c := rule.As[Certificate](other); c != nil && c.Spec.SecretName == secret {
			names = append(names, c.Spec.DNSNames...)
		}
	}
	if names == nil {
		return rule.Complain(at+".secretName", "no Certificate in namespace %s fills %s", r.Namespace(), secret)
	}
	for _, host := range named {
		if !slices.Contains(names, host) {
			return rule.Complain(at, "the certificate in %s does not name host %s", secret, host)
		}
	}
	return nil
}

func wildcard(_ *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
	if route := rule.As[Route](r); route != nil && !slices.Equal(route.Spec.EntryPoints, []string{"traefik"}) {
		for i, one := range route.Spec.Routes {
			at := "spec.routes[" + strconv.Itoa(i) + "].match"
			if strings.Contains(one.Match, "HostRegexp(") {
				return rule.Complain(at, "answers for every host that fits a pattern")
			}
			if len(hosts(one.Match)) == 0 {
				return rule.Complain(at, "answers for every host")
			}
		}
	}
	if in := rule.As[networkingv1.Ingress](r); in != nil {
		for i, one := range in.Spec.Rules {
			if one.Host == "" || strings.Contains(one.Host, "*") {
				return rule.Complain("spec.rules["+strconv.Itoa(i)+"].host", "is %q", one.Host)
			}
		}
	}
	return nil
}

// claims are what a resource answers for, each written in one way.
func claims(r *rule.Resource) []string {
	var found []string
	if route := rule.As[Route](r); route != nil {
		for _, one := range route.Spec.Routes {
			if len(hosts(one.Match)) > 0 {
				found = append(found, plain(one.Match))
			}
		}
	}
	if in := rule.As[networkingv1.Ingress](r); in != nil {
		for _, one := range in.Spec.Rules {
			if one.HTTP == nil {
				continue
			}
			for _, path := range one.HTTP.Paths {
				matcher := "PathPrefix"
				if path.PathType != nil && *path.PathType == networkingv1.PathTypeExact {
					matcher = "Path"
				}
				found = append(found, plain("Host(`"+one.Host+"`) && "+matcher+"(`"+path.Path+"`)"))
			}
		}
	}
	return found
}

// spelling leaves out of a match what changes nothing.
var spelling = strings.NewReplacer(" ", "", `"`, "`", "'", "`")

// plain writes a match without spaces, with one kind of quotes, its conditions
// in the order of the alphabet, and without the path that every request has.
func plain(match string) string {
	match = spelling.Replace(match)
	if strings.Contains(match, "||") {
		return match
	}
	terms := slices.DeleteFunc(strings.Split(match, "&&"), func(term string) bool { return term == "PathPrefix(`/`)" || term == "PathPrefix(``)" })
	slices.Sort(terms)
	return strings.Join(terms, " && ")
}
