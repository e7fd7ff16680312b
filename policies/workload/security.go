package workload

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"slipway.dev/slipway/policies/rule"
)

func security() []*rule.Rule {
	return []*rule.Rule{
		{
			ID: "run-as-non-root", Title: "Containers run as a user and a group that are not root",
			Why:        "Root in a container is root on the node as soon as anything else gives way.",
			Remedy:     "Set runAsNonRoot: true, runAsUser and runAsGroup to numbers above 0, for the pod or for each container.",
			References: []string{podStandards, "CIS Kubernetes 5.2.7", nsa},
			Types:      rule.Workloads,
			Reads:      []string{"pod.securityContext", "container.securityContext"},
			Check:      rule.Containers(nonRoot),
			Admission: &rule.Admission{Holds: `variables.containers.all(c,
  c.?securityContext.?runAsNonRoot.orValue(variables.pod.?securityContext.?runAsNonRoot.orValue(false)) == true &&
  c.?securityContext.?runAsUser.orValue(variables.pod.?securityContext.?runAsUser.orValue(0)) > 0 &&
  c.?securityContext.?runAsGroup.orValue(variables.pod.?securityContext.?runAsGroup.orValue(0)) > 0)`},
			Example: rule.Example{Resource: web, Set: map[string]any{pod + ".securityContext.runAsUser": 0}},
		},
		{
			ID: "no-privilege-escalation", Title: "No process gains more rights than the one that started it",
			Why:        "A set-uid program in the image undoes running as a user that is not root.",
			Remedy:     "Set securityContext.allowPrivilegeEscalation: false on each container.",
			References: []string{podStandards, "CIS Kubernetes 5.2.6", nsa},
			Types:      rule.Workloads,
			Reads:      []string{"container.securityContext.allowPrivilegeEscalation"},
			Check: rule.Containers(func(_ *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
				if sc := c.SecurityContext; sc != nil && sc.AllowPrivilegeEscalation != nil && !*sc.AllowPrivilegeEscalation {
					return nil
				}
				return rule.Complain(c.Path+".securityContext.allowPrivilegeEscalation", "container %s may gain rights: set it to false", c.Name)
			}),
			Admission: &rule.Admission{Holds: `variables.containers.all(c,
  c.?securityContext.?allowPrivilegeEscalation.orValue(true) == false)`},
			Example: rule.Example{Resource: web, Set: map[string]any{container + ".securityContext.allowPrivilegeEscalation": true}},
		},
		{
			ID: "drop-all-capabilities", Title: "Containers drop all capabilities and add back none but NET_BIND_SERVICE",
			Why:        "The default set allows forging packets and creating device nodes; servers need none of it.",
			Remedy:     "Set securityContext.capabilities.drop: [ALL]; add NET_BIND_SERVICE only for ports below 1024.",
			References: []string{podStandards, "CIS Kubernetes 5.2.9", nsa},
			Types:      rule.Workloads,
			Reads:      []string{"container.securityContext.capabilities"},
			Check:      rule.Containers(capabilities),
			Admission: &rule.Admission{Holds: `variables.containers.all(c,
  c.?securityContext.?capabilities.?drop.orValue([]).exists(d, d == "ALL") &&
  c.?securityContext.?capabilities.?add.orValue([]).all(a, a == "NET_BIND_SERVICE"))`},
			Example: rule.Example{Resource: web, Set: map[string]any{container + ".securityContext.capabilities.drop": []any{"NET_RAW"}}},
		},
		{
			ID: "seccomp-runtime-default", Title: "System calls are filtered by the runtime's profile or a stricter one",
			Why:        "Most escapes from containers go through system calls that no server makes.",
			Remedy:     "Set securityContext.seccompProfile.type: RuntimeDefault for the pod.",
			References: []string{podStandards, "CIS Kubernetes 5.7.2", nsa},
			Types:      rule.Workloads,
			Reads:      []string{"pod.securityContext.seccompProfile", "container.securityContext.seccompProfile"},
			Check:      rule.Containers(seccomp),
			Admission: &rule.Admission{Holds: `variables.containers.all(c,
  c.?securityContext.?seccompProfile.?type.orValue(variables.pod.?securityContext.?seccompProfile.?type.orValue("")) in ["RuntimeDefault", "Localhost"])`},
			Example: rule.Example{Resource: web, Set: map[string]any{pod + ".securityContext.seccompProfile.type": "Unconfined"}},
		},
		{
			ID: "not-privileged", Title: "No container is privileged",
			Why:        "A privileged container is a process of the node with another file system.",
			Remedy:     "Remove securityContext.privileged; what needs it belongs on the node, not in a pod.",
			References: []string{podStandards, "CIS Kubernetes 5.2.2", nsa},
			Types:      rule.Workloads,
			Reads:      []string{"container.securityContext.privileged"},
			Check: rule.Containers(func(_ *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
				if sc := c.SecurityContext; sc != nil && sc.Privileged != nil && *sc.Privileged {
					return rule.Complain(c.Path+".securityContext.privileged", "container %s is privileged", c.Name)
				}
				return nil
			}),
			Admission: &rule.Admission{Holds: `variables.containers.all(c, c.?securityContext.?privileged.orValue(false) == false)`},
			Example:   rule.Example{Resource: web, Set: map[string]any{container + ".securityContext.privileged": true}},
		},
		{
			ID: "no-host-namespaces", Title: "Pods share no network, process or IPC namespace with the node",
			Why:        "With the node's network a pod is outside every NetworkPolicy; with its processes it can signal the kubelet.",
			Remedy:     "Remove hostNetwork, hostPID and hostIPC; publish ports through a Service.",
			References: []string{podStandards, "CIS Kubernetes 5.2.3 to 5.2.5", nsa},
			Types:      rule.Workloads,
			Reads:      []string{"pod.hostNetwork", "pod.hostPID", "pod.hostIPC"},
			Check: rule.Pods(func(p *rule.Pod, _ rule.Limits) []rule.Complaint {
				var complaints []rule.Complaint
				for _, shared := range []struct {
					field string
					on    bool
				}{{"hostNetwork", p.Spec.HostNetwork}, {"hostPID", p.Spec.HostPID}, {"hostIPC", p.Spec.HostIPC}} {
					if shared.on {
						complaints = append(complaints, rule.Complain(p.Path+"."+shared.field, "the pod shares it with the node")...)
					}
				}
				return complaints
			}),
			Admission: &rule.Admission{Holds: `variables.pod.?hostNetwork.orValue(false) == false &&
variables.pod.?hostPID.orValue(false) == false && variables.pod.?hostIPC.orValue(false) == false`},
			Example: rule.Example{Resource: web, Set: map[string]any{pod + ".hostNetwork": true}},
		},
		{
			ID: "no-host-path", Title: "Pods mount nothing of the node, log collectors excepted, and those read-only but for what they remember",
			Why: "A writable path of the node is a way to run anything there; a readable one shows other pods' secrets.",
			Remedy: "Use a PersistentVolumeClaim or an emptyDir; name log collectors in hostPathReaders and mount read-only; " +
				"name what has to remember something of its node, with the one path for it, in hostPathWriters.",
			References: []string{podStandards, "CIS Kubernetes 5.2.12", nsa},
			Types:      rule.Workloads,
			Reads:      []string{"pod.volumes", "container.volumeMounts", "metadata.name", "metadata.namespace"},
			Check:      hostPath,
			Example: rule.Example{Resource: web, Unknown: pod + ".volumes[0]",
				Set: map[string]any{pod + ".volumes[0]": map[string]any{"name": "tmp", "hostPath": map[string]any{"path": "/var/log"}}}},
		},
		{
			ID: "read-only-root-filesystem", Title: "Containers cannot write into their image's file system",
			Why:        "What an intruder cannot write it cannot run, and files written there vanish with the pod.",
			Remedy:     "Set securityContext.readOnlyRootFilesystem: true and mount an emptyDir with a sizeLimit where files must go.",
			References: []string{nsa, "https://kubernetes.io/docs/tasks/configure-pod-container/security-context/"},
			Types:      rule.Workloads,
			Reads:      []string{"container.securityContext.readOnlyRootFilesystem"},
			Check: rule.Containers(func(_ *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
				if sc := c.SecurityContext; sc != nil && sc.ReadOnlyRootFilesystem != nil && *sc.ReadOnlyRootFilesystem {
					return nil
				}
				return rule.Complain(c.Path+".securityContext.readOnlyRootFilesystem", "container %s can write into its image: set it to true", c.Name)
			}),
			Admission: &rule.Admission{Holds: `variables.containers.all(c, c.?securityContext.?readOnlyRootFilesystem.orValue(false) == true)`},
			Example:   rule.Example{Resource: web, Set: map[string]any{container + ".securityContext.readOnlyRootFilesystem": false}},
		},
	}
}

func nonRoot(p *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
	var of corev1.PodSecurityContext
	if p.Spec.SecurityContext != nil {
		of = *p.Spec.SecurityContext
	}
	at := p.Path + ".securityContext"
	nonRoot, user, group := of.RunAsNonRoot, of.RunAsUser, of.RunAsGroup
	if sc := c.SecurityContext; sc != nil {
		if sc.RunAsNonRoot != nil {
			nonRoot, at = sc.RunAsNonRoot, c.Path+".securityContext"
		}
		if sc.RunAsUser != nil {
			user, at = sc.RunAsUser, c.Path+".securityContext"
		}
		if sc.RunAsGroup != nil {
			group, at = sc.RunAsGroup, c.Path+".securityContext"
		}
	}
	switch {
	case nonRoot == nil || !*nonRoot:
		return rule.Complain(at+".runAsNonRoot", "container %s may run as root", c.Name)
	case user == nil || *user <= 0:
		return rule.Complain(at+".runAsUser", "container %s has no user above 0", c.Name)
	case group == nil || *group <= 0:
		return rule.Complain(at+".runAsGroup", "container %s has no group above 0", c.Name)
	}
	return nil
}

func capabilities(_ *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
	at := c.Path + ".securityContext.capabilities"
	if c.SecurityContext == nil || c.SecurityContext.Capabilities == nil ||
		!slices.Contains(c.SecurityContext.Capabilities.Drop, "ALL") {
		return rule.Complain(at+".drop", "container %s keeps capabilities: drop ALL", c.Name)
	}
	for _, added := range c.SecurityContext.Capabilities.Add {
		if added != "NET_BIND_SERVICE" {
			return rule.Complain(at+".add", "container %s adds capability %s", c.Name, added)
		}
	}
	return nil
}

func seccomp(p *rule.Pod, c rule.Container, _ rule.Limits) []rule.Complaint {
	at := p.Path + ".securityContext.seccompProfile.type"
	var profile *corev1.SeccompProfile
	if p.Spec.SecurityContext != nil {
		profile = p.Spec.SecurityContext.SeccompProfile
	}
	if sc := c.SecurityContext; sc != nil && sc.SeccompProfile != nil {
		profile, at = sc.SeccompProfile, c.Path+".securityContext.seccompProfile.type"
	}
	if profile == nil || profile.Type != corev1.SeccompProfileTypeRuntimeDefault && profile.Type != corev1.SeccompProfileTypeLocalhost {
		return rule.Complain(at, "container %s makes system calls unfiltered: set RuntimeDefault", c.Name)
	}
	return nil
}

func hostPath(_ *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
	p := rule.PodOf(r)
	if p == nil {
		return nil
	}
	name := r.Namespace() + "/" + r.ObjectName()
	reads := func(path string) bool {
		return slices.Contains(limits.HostPathReaders, name) || slices.Contains(limits.HostPathReaders, name+":"+path)
	}
	var complaints []rule.Complaint
	for i, volume := range p.Spec.Volumes {
		if volume.HostPath == nil {
			continue
		}
		at := p.Path + ".volumes" + index(i)
		daemon, path := r.Type == rule.DaemonSet, volume.HostPath.Path
		if daemon && slices.Contains(limits.HostPathWriters, name+":"+path) {
			continue
		}
		if !daemon || !reads(path) {
			complaints = append(complaints, rule.Unless("metadata.namespace", rule.Complain(at, "volume %s is a path of the node", volume.Name))...)
			continue
		}
		for _, c := range p.Containers {
			for _, mount := range c.VolumeMounts {
				if mount.Name == volume.Name && !mount.ReadOnly {
					complaints = append(complaints, rule.Complain(at, "container %s can write to the node's path of volume %s", c.Name, volume.Name)...)
				}
			}
		}
	}
	return complaints
}

// secretEnv matches names of variables that usually hold a secret.
var secretEnv = []string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "PRIVATE_KEY", "ACCESS_KEY", "API_KEY"}

// looksSecret tells whether a variable's name promises a secret; one that ends
// in _FILE names where the secret lies.
func looksSecret(name string) bool {
	upper := strings.ToUpper(name)
	return !strings.HasSuffix(upper, "_FILE") && slices.ContainsFunc(secretEnv, func(word string) bool {
		return strings.Contains(upper, word)
	})
}
