package privacy

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/policies/rule"
)

// collectorFile is the key under which a ConfigMap holds the configuration of an
// OpenTelemetry Collector.
const collectorFile = "collector.yaml"

// collector is such a configuration, as far as it is looked at.
type collector struct {
	Processors map[string]struct {
		Profile string `json:"profile"`
	} `json:"processors"`
	Service struct {
		Pipelines map[string]struct {
			Processors []string `json:"processors"`
		} `json:"pipelines"`
	} `json:"service"`
}

func redacted() *rule.Rule {
	const at = `data["` + collectorFile + `"]`
	return &rule.Rule{
		ID: "logs-redacted", Title: "Every pipeline of logs redacts before it stores",
		Why:        "A program that writes an address or a token into its log is found out later; what was archived by then stays.",
		Remedy:     "Put the processor privacy into each pipeline of logs and leave dataProtection.profile at standard.",
		References: []string{gdpr, "https://opentelemetry.io/docs/security/handling-sensitive-data/"},
		Types:      []string{rule.ConfigMap}, Reads: []string{at},
		Check: rule.On(func(_ *rule.Stack, _ *rule.Resource, c *corev1.ConfigMap, _ rule.Limits) []rule.Complaint {
			text, ok := c.Data[collectorFile]
			if !ok {
				return nil
			}
			var config collector
			if err := yaml.Unmarshal([]byte(text), &config); err != nil {
				return rule.Complain(at, "cannot be read, so nobody can say what it removes: %v", err)
			}
			var complaints []rule.Complaint
			for _, name := range slices.Sorted(maps.Keys(config.Service.Pipelines)) {
				if kind(name) != "logs" {
					continue
				}
				processors := config.Service.Pipelines[name].Processors
				i := slices.IndexFunc(processors, func(p string) bool { return kind(p) == "privacy" })
				switch {
				case i < 0:
					complaints = append(complaints, rule.Complain(at, "pipeline %s stores what programs wrote: it lacks the processor privacy", name)...)
				case config.Processors[processors[i]].Profile != "standard":
					complaints = append(complaints, rule.Complain(at, "pipeline %s stores what programs wrote: the profile of %s is %q",
						name, processors[i], config.Processors[processors[i]].Profile)...)
				}
			}
			return complaints
		}),
		Example: rule.Example{Resource: "ConfigMap/slipway-logging/collector", Set: map[string]any{
			at: "processors: {privacy: {profile: 'off'}}\nservice: {pipelines: {logs/all: {processors: [privacy]}}}\n"}},
	}
}

// kind is what stands before the slash in a collector's name for a part.
func kind(name string) string {
	before, _, _ := strings.Cut(name, "/")
	return before
}
