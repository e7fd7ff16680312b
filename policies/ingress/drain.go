package ingress

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway.dev/slipway/policies/rule"
)

// targetGroupType is what a load balancer of AWS sends to.
const targetGroupType = "aws:lb/targetGroup:TargetGroup"

// finishDefault is how long Traefik lets requests finish when nobody says.
const finishDefault = 10 * time.Second

// ending is what an entry point does once Traefik is told to stop.
type ending struct {
	at             string
	accept, finish time.Duration
}

// endings are those of a container's entry points, by name; there are none when
// it is not Traefik.
func endings(c rule.Container) map[string]ending {
	flags := Flags(c)
	found := map[string]ending{}
	for _, f := range flags {
		if name, ok := entryPoint(f.Name, ".address"); ok {
			found[name] = ending{at: f.At, finish: finishDefault}
		}
	}
	for _, f := range flags {
		if name, ok := entryPoint(f.Name, ".transport.lifecycle.requestacceptgracetimeout"); ok {
			if e, has := found[name]; has {
				e.at, e.accept = f.At, seconds(f.Value)
				found[name] = e
			}
		}
		if name, ok := entryPoint(f.Name, ".transport.lifecycle.gracetimeout"); ok {
			if e, has := found[name]; has {
				e.finish = seconds(f.Value)
				found[name] = e
			}
		}
	}
	return found
}

func entryPoint(flag, end string) (string, bool) {
	rest, ok := strings.CutPrefix(flag, "entrypoints.")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, end)
}

// seconds reads a duration as Traefik does, for which a bare number is seconds.
// What is neither counts as no time.
func seconds(text string) time.Duration {
	if n, err := strconv.Atoi(text); err == nil {
		return time.Duration(n) * time.Second
	}
	d, _ := time.ParseDuration(text)
	return d
}

// deregistration is how long a target that leaves keeps its connections; AWS's
// default is five minutes.
func deregistration(group *rule.Resource) time.Duration {
	delay := group.Value("deregistrationDelay")
	if delay == nil {
		return 5 * time.Minute
	}
	return seconds(fmt.Sprint(delay))
}

// proxyDrains checks that what is in front of Traefik hears of its end before it
// stops listening, and that nobody cuts off what it has begun.
func proxyDrains(s *rule.Stack, r *rule.Resource, _ rule.Limits) []rule.Complaint {
	pod := rule.PodOf(r)
	if pod == nil {
		return nil
	}
	grace := 30 * time.Second
	if pod.Spec.TerminationGracePeriodSeconds != nil {
		grace = time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second
	}
	for _, c := range pod.Containers {
		all := endings(c)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			e := all[name]
			if e.accept <= 0 {
				return rule.Complain(e.at, "entry point %s stops listening before anybody in front of it knows", name)
			}
			if grace <= e.accept+e.finish {
				return rule.Complain(pod.Path+".terminationGracePeriodSeconds", "is %s, must exceed the %s for which entry point %s accepts and the %s for which it finishes",
					grace, e.accept, name, e.finish)
			}
			for _, group := range s.Of(targetGroupType) {
				if delay := deregistration(group); delay < e.accept+e.finish {
					return rule.Complain(e.at, "entry point %s accepts for %s and finishes for %s, but after %s %s cuts connections off", name, e.accept, e.finish, delay, group.ID())
				}
			}
		}
	}
	return nil
}
