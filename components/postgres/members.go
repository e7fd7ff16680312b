package postgres

import (
	"fmt"
	"slices"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// handoverSeconds bounds preStop (the image gives up after 30 s), stopSeconds
// a clean stop with its last checkpoint. The grace period covers both: a
// member that is killed instead recovers by itself, only more slowly.
const (
	handoverSeconds = 30
	stopSeconds     = 90
)

// identify lets members keep their lock in ConfigMaps and label their pods.
func (b *builder) identify() (*corev1.ServiceAccount, error) {
	p := b.plan
	account, err := corev1.NewServiceAccount(b.ctx, p.name+"-account", &corev1.ServiceAccountArgs{
		Metadata: b.meta(p.name, memberPart),
		// Only pods that ask for the token get it.
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, b.under()...)
	if err != nil {
		return nil, fmt.Errorf("creating the members' service account: %w", err)
	}
	role, err := rbacv1.NewRole(b.ctx, p.name+"-role", &rbacv1.RoleArgs{
		Metadata: b.meta(p.name, memberPart),
		Rules:    p.rights(),
	}, b.under()...)
	if err != nil {
		return nil, fmt.Errorf("creating the members' role: %w", err)
	}
	binding, err := rbacv1.NewRoleBinding(b.ctx, p.name+"-binding", &rbacv1.RoleBindingArgs{
		Metadata: b.meta(p.name, memberPart),
		RoleRef: rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("Role"),
			Name: role.Metadata.Name().Elem(),
		},
		Subjects: rbacv1.SubjectArray{rbacv1.SubjectArgs{
			Kind: pulumi.String("ServiceAccount"), Name: account.Metadata.Name().Elem(), Namespace: b.namespace,
		}},
	}, b.under()...)
	if err != nil {
		return nil, fmt.Errorf("binding the members' role: %w", err)
	}
	b.prepared = append(b.prepared, binding)
	return account, nil
}

// rights names every object it can: create, list and watch know no names.
func (p *plan) rights() rbacv1.PolicyRuleArray {
	var state, pods []string
	for _, suffix := range []string{"config", "failover", "leader", "sync"} {
		state = append(state, p.name+"-"+suffix)
	}
	for i := range p.Members {
		pods = append(pods, fmt.Sprintf("%s-%d", p.name, i))
	}
	rule := func(resource string, names []string, verbs ...string) rbacv1.PolicyRuleArgs {
		rule := rbacv1.PolicyRuleArgs{
			ApiGroups: pulumi.ToStringArray([]string{""}),
			Resources: pulumi.ToStringArray([]string{resource}),
			Verbs:     pulumi.ToStringArray(verbs),
		}
		if len(names) > 0 {
			rule.ResourceNames = pulumi.ToStringArray(names)
		}
		return rule
	}
	return rbacv1.PolicyRuleArray{
		rule("configmaps", nil, "create", "list", "watch"),
		rule("configmaps", state, "get", "patch", "update"),
		rule("pods", nil, "list", "watch"),
		rule("pods", pods, "get", "patch", "update"),
	}
}

// runMembers declares the StatefulSet and the budget for its disruption.
func (b *builder) runMembers() (*appsv1.StatefulSet, error) {
	p := b.plan
	account, err := b.identify()
	if err != nil {
		return nil, err
	}
	if _, err := policyv1.NewPodDisruptionBudget(b.ctx, p.name+"-budget", &policyv1.PodDisruptionBudgetArgs{
		Metadata: b.meta(p.name, memberPart),
		Spec: policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable: pulumi.Int(1),
			Selector:       metav1.LabelSelectorArgs{MatchLabels: component.StringMap(p.selector())},
			// A member that is not ready is no reason to keep its node.
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}, b.under()...); err != nil {
		return nil, fmt.Errorf("creating the disruption budget: %w", err)
	}
	metadata := b.meta(p.name, memberPart)
	// Should the set ever be replaced, its pods stay and the next one adopts
	// them: the selector is the same.
	metadata.Annotations = pulumi.StringMap{"pulumi.com/deletionPropagationPolicy": pulumi.String("orphan")}
	options := append(b.stance().Options(), pulumi.DependsOn(b.prepared))
	members, err := appsv1.NewStatefulSet(b.ctx, p.name+"-members", &appsv1.StatefulSetArgs{
		Metadata: metadata,
		Spec: appsv1.StatefulSetSpecArgs{
			ServiceName: pulumi.String(p.name + "-members"),
			Replicas:    pulumi.Int(p.Members),
			Selector:    metav1.LabelSelectorArgs{MatchLabels: component.StringMap(p.selector())},
			// All at once: whoever has the newest data may be any of them, and
			// waiting for the first to be ready could wait for ever.
			PodManagementPolicy: pulumi.String("Parallel"),
			UpdateStrategy:      appsv1.StatefulSetUpdateStrategyArgs{Type: pulumi.String("RollingUpdate")},
			// A member counts once it has streamed for this long.
			MinReadySeconds:                      pulumi.Int(2),
			PersistentVolumeClaimRetentionPolicy: volumesStay,
			RevisionHistoryLimit:                 pulumi.Int(5),
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{
					Labels:      component.StringMap(with(component.Labels("postgres", p.name, memberPart), scopeLabel, p.name)),
					Annotations: firstByDefault("postgres"),
				},
				Spec: b.memberPod(account),
			},
			VolumeClaimTemplates: p.claim("data", p.Storage, p.selector()),
		},
	}, b.under(options...)...)
	if err != nil {
		return nil, fmt.Errorf("creating the members: %w", err)
	}
	return members, nil
}

// memberPod is the pod of one member.
func (b *builder) memberPod(account *corev1.ServiceAccount) corev1.PodSpecArgs {
	p := b.plan
	mounts := []mount{
		{name: "settings", path: etcDir + "/config"},
		{name: "credentials", path: etcDir + "/credentials"},
		{name: "data", path: dataDir, writable: true},
		{name: "run", path: runDir, writable: true},
		{name: "tmp", path: "/tmp", writable: true},
		{name: "shm", path: "/dev/shm", writable: true},
	}
	volumes := corev1.VolumeArray{
		b.settingsVolume(), b.credentialsVolume(), scratch("run", "", "16Mi"), scratch("tmp", "", "64Mi"),
		// PostgreSQL's own shared memory. It counts as the container's memory.
		scratch("shm", "Memory", fmt.Sprintf("%dMi", p.memory/4/mebi)),
	}
	if p.TLS != nil {
		mounts = append(mounts, mount{name: "tls", path: tlsDir})
		volumes = append(volumes, secretVolume("tls", pulumi.String(p.name+"-tls")))
	}
	return corev1.PodSpecArgs{
		ServiceAccountName:            account.Metadata.Name(),
		AutomountServiceAccountToken:  pulumi.Bool(true),
		EnableServiceLinks:            pulumi.Bool(false),
		SecurityContext:               memberSecurity(),
		TerminationGracePeriodSeconds: pulumi.Int(handoverSeconds + stopSeconds),
		Affinity:                      p.affinity(),
		TopologySpreadConstraints:     zones(p.selector()),
		Containers: p.containers(corev1.ContainerArgs{
			Name:            pulumi.String("postgres"),
			Image:           pulumi.String(p.Image),
			ImagePullPolicy: pulumi.String("IfNotPresent"),
			Env: corev1.EnvVarArray{
				fromField("POD_NAME", "metadata.name"), fromField("POD_IP", "status.podIP"),
				fromField("POD_NAMESPACE", "metadata.namespace"),
			},
			Ports: corev1.ContainerPortArray{
				corev1.ContainerPortArgs{Name: pulumi.String("postgres"), ContainerPort: pulumi.Int(Port)},
				corev1.ContainerPortArgs{Name: pulumi.String("patroni"), ContainerPort: pulumi.Int(restPort)},
			},
			Resources:       p.memberLoad().Resources(),
			SecurityContext: workload.ContainerSecurity(),
			Lifecycle: corev1.LifecycleArgs{PreStop: corev1.LifecycleHandlerArgs{Exec: corev1.ExecActionArgs{
				Command: pulumi.ToStringArray([]string{"slipway-postgres", "handover"}),
			}}},
			// Patroni answers as soon as it runs, long before PostgreSQL does:
			// cloning a replica may take hours and is not a fault.
			StartupProbe:   probe("/liveness", 1, 5, 300),
			LivenessProbe:  probe("/liveness", livenessPeriod, 5, p.livenessFailures()),
			ReadinessProbe: probe("/readiness", readinessPeriod, 3, p.readinessFailures()),
			VolumeMounts:   volumeMounts(mounts),
		}, b.memberExporter),
		Volumes: volumes,
	}
}

// Seconds between two probes.
const (
	livenessPeriod  = 10
	readinessPeriod = 2
)

// livenessFailures is how many bad answers restart a member. Patroni itself
// answers badly once its loop has stood still for TTL; by then a leader has
// lost its lock. It gets as long again, since a restart cures a stuck process
// and makes a slow machine slower.
func (p *plan) livenessFailures() int { return max(3, ceil(p.TTL, livenessPeriod)) }

// readinessFailures is how many bad answers take a member out of the services.
// A replica without a primary streams nothing, so it must be longer than any
// failover, or reads would fail along with writes.
func (p *plan) readinessFailures() int { return ceil(2*p.TTL+p.LoopWait, readinessPeriod) }

func ceil(value, step int) int { return (value + step - 1) / step }

func probe(path string, period, timeout, failures int) corev1.ProbeArgs {
	return corev1.ProbeArgs{
		HttpGet:          corev1.HTTPGetActionArgs{Path: pulumi.String(path), Port: pulumi.String("patroni")},
		PeriodSeconds:    pulumi.Int(period),
		TimeoutSeconds:   pulumi.Int(timeout),
		FailureThreshold: pulumi.Int(failures),
	}
}

// memberSecurity is that of every pod that mounts the volume. Walking a large
// volume at each start to change its owner would take minutes.
func memberSecurity() corev1.PodSecurityContextArgs {
	security := workload.PodSecurity(memberUser)
	security.FsGroupChangePolicy = pulumi.String("OnRootMismatch")
	return security
}

// affinity keeps two members off one node, so that no node takes two copies
// of the data with it.
func (p *plan) affinity() corev1.AffinityArgs {
	term := corev1.PodAffinityTermArgs{
		TopologyKey:   pulumi.String("kubernetes.io/hostname"),
		LabelSelector: metav1.LabelSelectorArgs{MatchLabels: component.StringMap(p.selector())},
	}
	apart := corev1.PodAntiAffinityArgs{}
	if p.ShareNodes {
		apart.PreferredDuringSchedulingIgnoredDuringExecution = corev1.WeightedPodAffinityTermArray{
			corev1.WeightedPodAffinityTermArgs{Weight: pulumi.Int(100), PodAffinityTerm: term},
		}
	} else {
		apart.RequiredDuringSchedulingIgnoredDuringExecution = corev1.PodAffinityTermArray{term}
	}
	return corev1.AffinityArgs{PodAntiAffinity: apart}
}

// zones spreads pods over zones as far as there are any.
func zones(selector map[string]string) corev1.TopologySpreadConstraintArray {
	return corev1.TopologySpreadConstraintArray{corev1.TopologySpreadConstraintArgs{
		MaxSkew:           pulumi.Int(1),
		TopologyKey:       pulumi.String("topology.kubernetes.io/zone"),
		WhenUnsatisfiable: pulumi.String("ScheduleAnyway"),
		LabelSelector:     metav1.LabelSelectorArgs{MatchLabels: component.StringMap(selector)},
	}}
}

// mount is where a container finds a volume.
type mount struct {
	name, path string
	writable   bool
}

func volumeMounts(mounts []mount) corev1.VolumeMountArray {
	var list corev1.VolumeMountArray
	for _, one := range slices.Clone(mounts) {
		args := corev1.VolumeMountArgs{Name: pulumi.String(one.name), MountPath: pulumi.String(one.path)}
		if !one.writable {
			args.ReadOnly = pulumi.Bool(true)
		}
		list = append(list, args)
	}
	return list
}
