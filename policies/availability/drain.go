package availability

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/slipway/policies/ingress"
	"slipway.dev/slipway/policies/rule"
)

// drains checks the chain of timings from SIGTERM to the end.
func drains(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
	p := rule.PodOf(r)
	if p == nil || !serves(p) {
		return nil
	}
	grace := 30
	if p.Spec.TerminationGracePeriodSeconds != nil {
		grace = int(*p.Spec.TerminationGracePeriodSeconds)
	}
	for _, c := range p.Containers {
		if !c.Serves() || c.ReadinessProbe == nil {
			continue
		}
		pause, known := preStop(c.Lifecycle)
		if c.Lifecycle == nil || c.Lifecycle.PreStop == nil {
			if routed(s, r) {
				return rule.Complain(c.Path+".lifecycle.preStop", "container %s stops listening before Traefik knows", c.Name)
			}
			continue
		}
		if !known && routed(s, r) {
			return rule.Complain(c.Path+".lifecycle.preStop", "nobody can read from it how long container %s pauses; use sleep", c.Name)
		}
		drain, shutdown, keep := timing(s, r, c, "SLIPWAY_DRAIN_SECONDS"), timing(s, r, c, "SLIPWAY_SHUTDOWN_SECONDS"), timing(s, r, c, "SLIPWAY_KEEPALIVE_SECONDS")
		if known && grace <= pause+drain+shutdown {
			return rule.Complain(p.Path+".terminationGracePeriodSeconds", "is %d, must exceed preStop %d + drain %d + shutdown %d", grace, pause, drain, shutdown)
		}
		if notice := int(max(c.ReadinessProbe.PeriodSeconds, 1) * max(c.ReadinessProbe.FailureThreshold, 1)); drain > 0 && drain <= notice {
			return rule.Complain(c.Path+".readinessProbe", "needs %d s to notice that container %s drains, which takes %d s", notice, c.Name, drain)
		}
		for _, other := range s.In(r.Namespace(), ingress.TransportType) {
			idle, err := time.ParseDuration(rule.As[ingress.Transport](other).Spec.ForwardingTimeouts.IdleConnTimeout)
			if err == nil && keep > 0 && idle >= time.Duration(keep)*time.Second {
				return rule.Complain(c.Path+".envFrom", "container %s closes idle connections after %d s, before %s does after %s", c.Name, keep, other.ID(), idle)
			}
		}
	}
	return nil
}

// shells run the command that follows -c.
var shells = []string{"sh", "ash", "bash", "dash"}

// preStop is how long the hook pauses, where that can be seen.
func preStop(l *corev1.Lifecycle) (int, bool) {
	if l == nil || l.PreStop == nil {
		return 0, false
	}
	if l.PreStop.Sleep != nil {
		return int(l.PreStop.Sleep.Seconds), true
	}
	if l.PreStop.Exec == nil {
		return 0, false
	}
	words := l.PreStop.Exec.Command
	if len(words) == 3 && slices.Contains(shells, path.Base(words[0])) && words[1] == "-c" {
		words = strings.Fields(words[2])
	}
	if len(words) != 2 || path.Base(words[0]) != "sleep" {
		return 0, false
	}
	seconds, err := strconv.Atoi(words[1])
	return seconds, err == nil
}

// timing is a number of seconds the container is told in a variable, or 0.
func timing(s *rule.Stack, r *rule.Resource, c rule.Container, name string) int {
	for _, env := range c.Env {
		if env.Name == name {
			seconds, _ := strconv.Atoi(env.Value)
			return seconds
		}
	}
	for _, from := range c.EnvFrom {
		if from.ConfigMapRef == nil {
			continue
		}
		if config := rule.As[corev1.ConfigMap](s.Named(rule.ConfigMap, r.Namespace(), from.ConfigMapRef.Name)); config != nil {
			if seconds, err := strconv.Atoi(config.Data[name]); err == nil {
				return seconds
			}
		}
	}
	return 0
}
