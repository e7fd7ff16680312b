// Package privacy holds the rules that data protection asks for: what is
// logged, for how long, and where data may lie.
package privacy

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/slipway/policies/data"
	"slipway.dev/slipway/policies/ingress"
	"slipway.dev/slipway/policies/rule"
)

// LogGroup is a CloudWatch log group.
type LogGroup struct {
	Name            string `json:"name,omitempty"`
	RetentionInDays int    `json:"retentionInDays,omitempty"`
}

// provider is the AWS provider's configuration.
type provider struct {
	Region string `json:"region,omitempty"`
}

// Type tokens of what is asked about.
var (
	LogGroupType = rule.Shape[LogGroup]("aws:cloudwatch/logGroup:LogGroup")
	providerType = rule.Shape[provider]("pulumi:providers:aws")
)

// controlPlane begins the name of the log group of an EKS cluster's control
// plane; AWS gives it.
const controlPlane = "/aws/eks/"

// personal are fields of an access log that identify a person.
var personal = []string{"clientaddr", "clienthost", "clientport", "clientusername", "requestaddr", "requestpath", "requestline", "requestquery"}

const gdpr = "GDPR article 5(1)(c) and (e)"

// Rules are the package's rules.
func Rules() []*rule.Rule {
	const proxy = "DaemonSet/slipway-ingress/traefik"
	const args = "spec.template.spec.containers[0].args"
	return rule.Group("privacy",
		&rule.Rule{
			ID: "access-log-minimal", Title: "Access logs hold no client address, authorization header or query",
			Why:        "Each of them identifies a person or is a credential, and logs are copied to more places than anyone remembers.",
			Remedy:     "Log JSON with fields.defaultmode=drop and headers.defaultmode=drop, and keep only fields that say nothing about who asked.",
			References: []string{gdpr, "https://github.com/traefik/traefik/issues/13517"},
			Types:      rule.Servers, Reads: ingress.FlagReads,
			Check:   rule.Containers(minimal),
			Example: rule.Example{Resource: proxy, Set: map[string]any{args + "[5]": "--accesslog.fields.names.ClientAddr=keep"}},
		},
		&rule.Rule{
			ID: "database-log-minimal", Title: "The database logs no values and no client addresses",
			Why:        "A slow statement's parameters are people's data, and log_connections writes down where everyone came from.",
			Remedy:     "Set log_parameter_max_length: 0, log_parameter_max_length_on_error: 0 and log_min_error_statement: panic; leave log_connections off, log_min_duration_statement unset and %h out of log_line_prefix.",
			References: []string{gdpr, "https://www.postgresql.org/docs/current/runtime-config-logging.html"},
			Types:      []string{rule.ConfigMap}, Reads: []string{`data["dynamic.yaml"]`},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, c *corev1.ConfigMap, _ rule.Limits) []rule.Complaint {
				parameters, ok := data.Parameters(c)
				if !ok {
					return nil
				}
				const at = `data["dynamic.yaml"]`
				text := func(key string) string { return strings.ToLower(strings.TrimSpace(sprint(parameters[key]))) }
				for _, key := range []string{"log_parameter_max_length", "log_parameter_max_length_on_error"} {
					if text(key) != "0" {
						return rule.Complain(at, "%s is not 0", key)
					}
				}
				if text("log_min_error_statement") != "panic" {
					return rule.Complain(at, "log_min_error_statement is not panic: failed statements are logged with their values")
				}
				for _, key := range []string{"log_connections", "log_disconnections"} {
					if v := text(key); v == "on" || v == "true" || v == "1" || v == "all" {
						return rule.Complain(at, "%s is on", key)
					}
				}
				if v := text("log_statement"); v == "all" || v == "mod" {
					return rule.Complain(at, "log_statement is %s", v)
				}
				if prefix := text("log_line_prefix"); strings.Contains(prefix, "%h") || strings.Contains(prefix, "%r") {
					return rule.Complain(at, "log_line_prefix holds the client's address")
				}
				if v := text("log_min_duration_statement"); v != "" && v != "-1" {
					return rule.Complain(at, "log_min_duration_statement logs statements with their values")
				}
				return nil
			}),
			Example: rule.Example{Resource: "ConfigMap/data/postgres-settings", Set: map[string]any{`data["dynamic.yaml"]`: "ttl: 20\nloop_wait: 5\nretry_timeout: 5\nsynchronous_mode: quorum\npostgresql:\n  parameters: {log_parameter_max_length: 1024, log_parameter_max_length_on_error: 0, log_min_error_statement: panic}\n"}},
		},
		redacted(),
		&rule.Rule{
			ID: "log-retention", Title: "Every log says when it ends, and that is soon enough",
			Why:        "A log without retention is kept for ever and paid for ever.",
			Remedy:     "Set retentionInDays to at most maxLogDays, for the log of an EKS control plane to at most maxAuditLogDays.",
			References: []string{gdpr},
			Types:      []string{LogGroupType}, Reads: []string{"retentionInDays", "name"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, g *LogGroup, limits rule.Limits) []rule.Complaint {
				if g.RetentionInDays < 1 {
					return rule.Complain("retentionInDays", "is not set: it is kept for ever")
				}
				most := limits.MaxLogDays
				if strings.HasPrefix(g.Name, controlPlane) {
					most = limits.MaxAuditLogDays
				}
				if g.RetentionInDays > most {
					return rule.Complain("retentionInDays", "is %d, at most %d are allowed", g.RetentionInDays, most)
				}
				return nil
			}),
			Example: rule.Example{Resource: LogGroupType + "/cluster", Set: map[string]any{"retentionInDays": 0}},
		},
		&rule.Rule{
			ID: "region-allowed", Title: "Data lies in regions somebody agreed to",
			Why:        "Moving personal data out of its region is a transfer that needs a contract.",
			Remedy:     "Choose a region of regions; one of globalRegions only for what a service without a region keeps there.",
			References: []string{"GDPR article 44"},
			Types:      []string{providerType}, Reads: []string{"region"},
			Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, p *provider, limits rule.Limits) []rule.Complaint {
				allowed := slices.Concat(limits.Regions, limits.GlobalRegions)
				if !slices.Contains(allowed, p.Region) {
					return rule.Complain("region", "is %q, allowed are %s", p.Region, strings.Join(allowed, ", "))
				}
				return nil
			}),
			Example: rule.Example{Resource: providerType + "/aws", Set: map[string]any{"region": "us-east-1"}},
		},
	)
}

// minimal asks what Traefik's flags let into its access log.
func minimal(_ *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
	values := map[string]string{}
	at := map[string]string{}
	for _, flag := range ingress.Flags(c) {
		values[flag.Name], at[flag.Name] = strings.ToLower(flag.Value), flag.At
	}
	if values["accesslog"] != "true" {
		return nil
	}
	where := func(flag string) string {
		if place, ok := at[flag]; ok {
			return place
		}
		return at["accesslog"]
	}
	if values["accesslog.format"] != "json" {
		return rule.Complain(where("accesslog.format"), "only JSON obeys the choice of fields")
	}
	kept := values["accesslog.fields.defaultmode"] != "drop"
	for _, field := range personal {
		mode, said := values["accesslog.fields.names."+field]
		if said && mode != "drop" || !said && kept {
			return rule.Complain(where("accesslog.fields.names."+field), "keeps field %s", field)
		}
	}
	if mode := values["accesslog.fields.headers.defaultmode"]; mode == "keep" {
		return rule.Complain(where("accesslog.fields.headers.defaultmode"), "keeps every header")
	}
	for _, header := range []string{"authorization", "cookie", "x-forwarded-for", "x-real-ip"} {
		if values["accesslog.fields.headers.names."+header] == "keep" {
			return rule.Complain(where("accesslog.fields.headers.names."+header), "keeps header %s", header)
		}
	}
	return nil
}

func sprint(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}
