// Package workload holds the rules about pods: what they may do to the machine
// they run on, what they may use of it, and how they say that they are well.
package workload

import "slipway.dev/slipway/policies/rule"

// The workload of the example platform and its first container.
const (
	web       = "Deployment/shop/web"
	pod       = "spec.template.spec"
	container = "spec.template.spec.containers[0]"
)

const (
	podStandards = "https://kubernetes.io/docs/concepts/security/pod-security-standards/"
	nsa          = "NSA/CISA Kubernetes Hardening Guidance 1.2, section Kubernetes Pod security"
)

// Rules are the package's rules.
func Rules() []*rule.Rule {
	return rule.Group("workload", append(append(security(), usage()...), health()...)...)
}
