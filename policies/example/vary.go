package example

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"slipway.dev/slipway/policies/rule"
)

// errTooFew is returned when hardly any variation is one that was asked for.
var errTooFew = errors.New("too few of the variations are accepted")

// Vary makes n objects out of those of the platform, each changed in a few
// places that rules look at. Half of them are aimed at a rule, so that what
// breaks one is no accident. accept says which variations count. The same seed
// makes the same objects.
func Vary(rules []*rule.Rule, seed uint64, n int, accept func(*rule.Resource) bool) ([]*rule.Resource, error) {
	platform, err := Platform()
	if err != nil {
		return nil, err
	}
	draw := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // examples that are to be made again
	paths, values := places(rules)
	made := make([]*rule.Resource, 0, n)
	for attempt := 0; len(made) < n; attempt++ {
		if attempt > 400*n {
			return nil, errTooFew
		}
		aim := rules[draw.IntN(len(rules))]
		r := platform.Resources[draw.IntN(len(platform.Resources))]
		if !r.IsKubernetes() || !slices.Contains(aim.Types, r.Type) {
			continue
		}
		own := slices.Sorted(maps.Keys(aim.Example.Set))
		if draw.IntN(4) == 0 {
			for _, path := range own {
				if changed, err := r.With(within(r.Type, path), aim.Example.Set[path]); err == nil {
					r = changed
				}
			}
		}
		for range 1 + draw.IntN(3) {
			path, value := paths[draw.IntN(len(paths))], values[draw.IntN(len(values))]
			if draw.IntN(2) == 0 && len(own) > 0 {
				path = own[draw.IntN(len(own))]
				if draw.IntN(2) == 0 {
					value = aim.Example.Set[path]
				}
			}
			// A place that the object does not have is left as it is.
			if changed, err := r.With(within(r.Type, path), value); err == nil {
				r = changed
			}
		}
		if accept(r) {
			made = append(made, r)
		}
	}
	return made, nil
}

// within is a path of a Deployment where another type has it.
func within(token, path string) string {
	switch token {
	case rule.CronJob:
		if rest, ok := strings.CutPrefix(path, "spec.template."); ok {
			return "spec.jobTemplate.spec.template." + rest
		}
	case rule.PodType:
		return strings.Replace(path, "spec.template.spec.", "spec.", 1)
	}
	return path
}

// places are what a variation is made different by: the paths and values of all
// examples, and others that are likely to matter there.
func places(rules []*rule.Rule) (paths []string, values []any) {
	seen := map[string]bool{}
	for _, r := range rules {
		for _, path := range slices.Sorted(maps.Keys(r.Example.Set)) {
			if !seen[path] {
				seen[path] = true
				paths = append(paths, path)
			}
			values = append(values, r.Example.Set[path])
		}
	}
	for _, path := range []string{"runAsNonRoot", "runAsUser", "runAsGroup", "privileged", "allowPrivilegeEscalation", "capabilities.add[0]",
		"capabilities.drop", "seccompProfile", "seccompProfile.type", "readOnlyRootFilesystem"} {
		paths = append(paths, "spec.template.spec.containers[0].securityContext."+path, "spec.template.spec.securityContext."+path)
	}
	paths = append(paths, "spec.template.spec.initContainers[0]", "spec.template.spec.containers[0].securityContext", "spec.template.spec.securityContext",
		"spec.template.spec.volumes[0]", "spec.template.spec.containers[0].env[0].name", "spec.template.spec.containers[0].env[0].value", "rules[0].apiGroups",
		"spec.weighted", "spec.cipherSuites", "metadata.labels", "spec.concurrencyPolicy",
		"spec.strategy", "spec.strategy.type", "spec.updateStrategy.type", "spec.template.spec.containers[0].readinessProbe", "spec.template.spec.containers[0].ports",
		"spec.template.spec.initContainers[0].ports", "spec.template.spec.containers[0].image", "spec.tls", "spec.entryPoints", "spec.rules", "spec.routes[0].match",
		"spec.rules[0].host", "metadata.annotations", "spec.volumeClaimTemplates", "spec.persistentVolumeClaimRetentionPolicy.whenScaled",
		"spec.template.spec.containers[0].resources.requests.memory", "spec.weighted.services[0].weight")
	slices.Sort(paths)
	values = append(values, nil, true, false, int64(0), int64(7), "ALL", "RuntimeDefault", "Localhost", "NET_BIND_SERVICE", "PASSWORD", "x:latest", "x", "a/b:1@sha256:0",
		[]any{}, []any{"ALL"}, []any{"*"}, []any{"endpoints"}, []any{"TLS_RSA_WITH_AES_128_CBC_SHA"}, map[string]any{},
		map[string]any{"name": "first", "image": "docker.io/library/x", "securityContext": map[string]any{"privileged": true}},
		map[string]any{"name": "beside", "image": "slipway.dev/x:1", "restartPolicy": "Always", "ports": []any{map[string]any{"containerPort": int64(1)}}},
		"Recreate", "OnDelete", "Delete", "Retain", "0%", "25%", "2Gi", "384Mi", "docker.io/anyone/x:1", "privileged", "baseline", int64(-1), int64(150),
		[]any{"traefik"}, []any{"web"}, []any{"websecure"}, "HostRegexp(`.*`)", "Host(`a.slipway.test`)", "PathPrefix(`/`)", "*.slipway.test",
		[]any{map[string]any{"name": "m", "containerPort": int64(1)}}, []any{map[string]any{"name": "http-metrics", "containerPort": int64(1)}})
	return paths, values
}
