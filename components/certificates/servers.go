package certificates

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// The three programs of cert-manager, by the role they have.
const (
	controller = "controller"
	cainjector = "cainjector"
	webhook    = "webhook"
)

// Ports inside the pods.
const (
	metricsPort = 9402
	webhookPort = 10250
	healthPort  = 6080
)

// webhookSecret is where the webhook keeps the authority for its own TLS.
const webhookSecret = "cert-manager-webhook-ca"

// user is whom the programs run as; any unprivileged number does.
const user = 65532

// settle is how long a pod must have been ready before it counts, in seconds:
// longer than it takes every node to learn that traffic may go there.
const settle = 3

// controllers are the parts of the controller that a private authority needs.
// The others, for foreign authorities, stay off with their rights, and those for
// ACME unless it is asked for.
var controllers = []string{
	"issuers", "clusterissuers",
	"certificates-trigger", "certificates-issuing", "certificates-key-manager", "certificates-request-manager",
	"certificates-readiness", "certificates-revision-manager", "certificates-metrics",
	"certificaterequests-approver", "certificaterequests-issuer-ca", "certificaterequests-issuer-selfsigned",
}

// server is one of the programs.
type server struct {
	role, image string
	args        []string
	ports       []containerPort
	live, ready corev1.ProbePtrInput
	load        component.Load
	flows       workload.Flows
}

type containerPort struct {
	name   string
	number int
}

// object is what the program's objects are called; the plain product name is
// the controller's, as in every other installation.
func (s server) object() string {
	if s.role == controller {
		return product
	}
	return product + "-" + s.role
}

// election are the arguments by which replicas agree on one that works. The
// lease is short: a program that was killed is followed within half a minute.
func election(namespace string) []string {
	return []string{
		"--leader-election-namespace=" + namespace, "--leader-election-lease-duration=30s",
		"--leader-election-renew-deadline=20s", "--leader-election-retry-period=5s",
	}
}

func servers(p parts) []server {
	image := func(role string) string { return fmt.Sprintf("%s/cert-manager-%s:%s", p.Registry, role, p.Version) }
	api := workload.Flows{}
	api.Egress = append(api.Egress, workload.ToAPI(p.APIServer))
	scraped, called := api, api
	if p.MonitoringNamespace != "" {
		scraped.Ingress = append(scraped.Ingress,
			workload.FromNamespace(p.MonitoringNamespace, workload.Port{Number: metricsPort, Protocol: "TCP"}))
	}
	scraped.Egress = append(slices.Clone(scraped.Egress), p.outside()...)
	// Nobody but the API server asks it, which is no pod.
	called.Ingress = append(called.Ingress, workload.FromNetworks(p.APIServer, workload.Port{Number: webhookPort, Protocol: "TCP"}))
	names := []string{"cert-manager-webhook", "cert-manager-webhook." + p.Namespace, "cert-manager-webhook." + p.Namespace + ".svc"}
	return []server{
		{
			role: controller, image: image(controller), flows: scraped,
			args: append([]string{
				"--v=2", "--cluster-resource-namespace=" + p.Namespace,
				"--controllers=" + strings.Join(p.controllers(), ","),
				"--metrics-listen-address=0.0.0.0:" + strconv.Itoa(metricsPort),
				// How long this program waits for a certificate is of no interest to
				// the requests made for it.
				"--copied-annotation-prefixes=*,-kubectl.kubernetes.io/,-pulumi.com/",
			}, append(p.selfCheck(), election(p.Namespace)...)...),
			ports: []containerPort{{"http-metrics", metricsPort}},
			ready: corev1.ProbeArgs{
				TcpSocket:     corev1.TCPSocketActionArgs{Port: pulumi.Int(metricsPort)},
				PeriodSeconds: pulumi.Int(5),
			},
			load: component.Load{Pods: p.ControllerReplicas, Rolls: true, CPU: "10m", Memory: "48Mi", MemoryLimit: "192Mi"},
		},
		{
			// It has no port and no probe: whether it works is seen by what it
			// injects, and the provider waits for that.
			role: cainjector, image: image(cainjector), flows: api,
			args: append([]string{"--v=2", "--namespace=" + p.Namespace}, election(p.Namespace)...),
			load: component.Load{Pods: p.ControllerReplicas, Rolls: true, CPU: "10m", Memory: "48Mi", MemoryLimit: "192Mi"},
		},
		{
			role: webhook, image: image(webhook), flows: called,
			args: []string{
				"--v=2", "--secure-port=" + strconv.Itoa(webhookPort), "--healthz-port=" + strconv.Itoa(healthPort),
				"--tls-min-version=VersionTLS12",
				"--dynamic-serving-ca-secret-namespace=" + p.Namespace, "--dynamic-serving-ca-secret-name=" + webhookSecret,
				"--dynamic-serving-dns-names=" + strings.Join(names, ","),
			},
			ports: []containerPort{{"https", webhookPort}},
			live:  workload.Probe("/livez", pulumi.Int(healthPort), 10),
			ready: workload.Probe("/healthz", pulumi.Int(healthPort), 2),
			load:  component.Load{Pods: p.WebhookReplicas, Rolls: true, CPU: "10m", Memory: "32Mi", MemoryLimit: "128Mi"},
		},
	}
}

// server declares one program with what it may send and receive, to start
// after the given resources exist.
func (c *Certificates) server(ctx *pulumi.Context, p parts, s server, after []pulumi.Resource) (*appsv1.Deployment, error) {
	selector := component.Selector(product, p.name, s.role)
	match := metav1.LabelSelectorArgs{MatchLabels: component.StringMap(selector)}
	prefix := p.name + "-" + s.role
	if err := workload.Allow(ctx, c, prefix+"-flows", p.namespace, selector, s.flows); err != nil {
		return nil, err
	}
	made, err := appsv1.NewDeployment(ctx, prefix, &appsv1.DeploymentArgs{
		Metadata: p.object(s.object(), s.role, false),
		Spec: appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(s.load.Pods), Selector: match, RevisionHistoryLimit: pulumi.Int(3),
			MinReadySeconds: pulumi.Int(settle),
			Strategy: appsv1.DeploymentStrategyArgs{
				Type: pulumi.String("RollingUpdate"),
				RollingUpdate: appsv1.RollingUpdateDeploymentArgs{
					MaxUnavailable: pulumi.Int(0), MaxSurge: pulumi.Int(1),
				},
			},
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{Labels: component.StringMap(component.Labels(product, p.name, s.role))},
				Spec: corev1.PodSpecArgs{
					ServiceAccountName:           pulumi.String(s.object()),
					AutomountServiceAccountToken: pulumi.Bool(true),
					EnableServiceLinks:           pulumi.Bool(false),
					PriorityClassName:            pulumi.String(workload.Critical),
					SecurityContext:              workload.PodSecurity(user),
					TopologySpreadConstraints:    workload.Spread(selector),
					Containers:                   corev1.ContainerArray{s.container()},
				},
			},
		},
	}, component.Under(c, pulumi.DependsOn(after))...)
	if err != nil {
		return nil, fmt.Errorf("creating the %s: %w", s.role, err)
	}
	if s.load.Pods < 2 {
		return made, nil // a budget over one pod would block every drain
	}
	_, err = policyv1.NewPodDisruptionBudget(ctx, prefix+"-budget", &policyv1.PodDisruptionBudgetArgs{
		Metadata: p.object(s.object(), s.role, false),
		Spec: policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable: pulumi.Int(1), Selector: match,
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}, component.Under(c)...)
	if err != nil {
		return nil, fmt.Errorf("creating the %s's disruption budget: %w", s.role, err)
	}
	return made, nil
}

func (s server) container() corev1.ContainerArgs {
	ports := make(corev1.ContainerPortArray, 0, len(s.ports))
	for _, port := range s.ports {
		ports = append(ports, corev1.ContainerPortArgs{
			Name: pulumi.String(port.name), ContainerPort: pulumi.Int(port.number), Protocol: pulumi.String("TCP"),
		})
	}
	return corev1.ContainerArgs{
		Name:            pulumi.String(s.object()),
		Image:           pulumi.String(s.image),
		ImagePullPolicy: pulumi.String("IfNotPresent"),
		Args:            pulumi.ToStringArray(s.args),
		Ports:           ports,
		LivenessProbe:   s.live,
		ReadinessProbe:  s.ready,
		SecurityContext: workload.ContainerSecurity(),
		Resources:       s.load.Resources(),
	}
}
