package monitoring

import (
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/monitoring/rules"
	"slipway.dev/slipway/components/workload"
)

// routes is Alertmanager's configuration. It names the receivers' addresses,
// which are secret.
func (p *plan) routes() (string, error) {
	webhook := func(url string, resolved bool) map[string]any {
		return map[string]any{"url": url, "send_resolved": resolved, "max_alerts": 0}
	}
	people := map[string]any{"name": "people"}
	if p.Receiver.WebhookURL != "" {
		people["webhook_configs"] = []any{webhook(p.Receiver.WebhookURL, true)}
	}
	deadman := map[string]any{"name": "deadman"}
	if p.Receiver.DeadmanURL != "" {
		deadman["webhook_configs"] = []any{webhook(p.Receiver.DeadmanURL, false)}
	}
	text, err := yaml.Marshal(map[string]any{
		"route": map[string]any{
			"receiver": "people", "group_by": []string{"alertname", "namespace"},
			// One fault makes several alerts; they come in one message.
			"group_wait": "15s", "group_interval": "2m", "repeat_interval": "4h",
			"routes": []any{
				map[string]any{
					"matchers": []string{fmt.Sprintf("alertname=%q", rules.Watchdog)}, "receiver": "deadman",
					"group_wait": "0s", "group_interval": "1m", "repeat_interval": "1m",
				},
				map[string]any{
					"matchers": []string{fmt.Sprintf("severity=%q", rules.Critical)}, "receiver": "people", "repeat_interval": "1h",
				},
			},
		},
		// Who is woken by the fast alert knows what the slow one says.
		"inhibit_rules": []any{
			inhibit("ApiAvailabilityBurningFast", "ApiAvailabilityBurningSlow"),
			inhibit("ApiLatencyBurningFast", "ApiLatencyBurningSlow"),
			inhibit("IngressDown", "ApiAvailabilityBurningFast"), inhibit("ApiDown", "ApiAvailabilityBurningFast"),
		},
		"receivers": []any{people, deadman},
	})
	if err != nil {
		return "", fmt.Errorf("writing Alertmanager's configuration: %w", err)
	}
	return string(text), nil
}

func inhibit(source, target string) map[string]any {
	return map[string]any{
		"source_matchers": []string{fmt.Sprintf("alertname=%q", source)},
		"target_matchers": []string{fmt.Sprintf("alertname=%q", target)},
	}
}

// notify declares Alertmanager. What it remembers, silences and what was sent,
// its pods tell each other; it is lost when all of them are gone at once.
func (b *builder) notify() error {
	p := &b.plan
	text, err := p.routes()
	if err != nil {
		return err
	}
	config, err := corev1.NewSecret(b.ctx, b.name+"-routes", &corev1.SecretArgs{
		Metadata:   metav1.ObjectMetaArgs{Namespace: b.namespace, Labels: component.StringMap(b.labels(alertmanager))},
		Immutable:  pulumi.Bool(true),
		StringData: pulumi.StringMap{"alertmanager.yaml": pulumi.ToSecret(pulumi.String(text)).(pulumi.StringOutput)},
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("storing Alertmanager's configuration: %w", err)
	}
	ports := []port{{"http", "TCP", alertmanagerPort}, {"gossip", "TCP", gossipPort}, {"gossip-udp", "UDP", gossipPort}}
	if err := b.headless(alertmanager, ports); err != nil {
		return err
	}
	if err := b.budget(alertmanager); err != nil {
		return err
	}
	args := []string{
		"--config.file=/etc/alertmanager/alertmanager.yaml", "--storage.path=/alertmanager", "--log.format=json",
	}
	if p.Replicas > 1 {
		args = append(args, fmt.Sprintf("--cluster.listen-address=:%d", gossipPort),
			fmt.Sprintf("--cluster.peer=%s.%s.svc:%d", alertmanager, p.Namespace, gossipPort))
	} else {
		args = append(args, "--cluster.listen-address=")
	}
	_, err = appsv1.NewDeployment(b.ctx, b.name+"-"+alertmanager, &appsv1.DeploymentArgs{
		Metadata: b.meta(alertmanager),
		Spec: appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(p.Replicas), Selector: b.match(alertmanager), RevisionHistoryLimit: pulumi.Int(3),
			Strategy: rolling(),
			Template: b.pod(alertmanager, nil, corev1.ContainerArgs{
				Image:          pulumi.String(p.Image),
				Command:        pulumi.ToStringArray([]string{"alertmanager"}),
				Args:           pulumi.ToStringArray(args),
				Ports:          containerPorts(ports),
				LivenessProbe:  workload.Probe("/-/healthy", pulumi.String("http"), 10),
				ReadinessProbe: workload.Probe("/-/ready", pulumi.String("http"), 5),
				Resources:      b.plan.alertmanagerLoad().Resources(),
				VolumeMounts:   corev1.VolumeMountArray{mounted("config", "/etc/alertmanager", false), mounted("state", "/alertmanager", true)},
			}, corev1.VolumeArray{
				corev1.VolumeArgs{
					Name:   pulumi.String("config"),
					Secret: corev1.SecretVolumeSourceArgs{SecretName: config.Metadata.Name(), DefaultMode: pulumi.Int(0o440)},
				},
				corev1.VolumeArgs{
					Name:     pulumi.String("state"),
					EmptyDir: corev1.EmptyDirVolumeSourceArgs{SizeLimit: pulumi.String("64Mi")},
				},
			}),
		},
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("creating Alertmanager: %w", err)
	}
	return nil
}

func rolling() appsv1.DeploymentStrategyArgs {
	return appsv1.DeploymentStrategyArgs{
		Type: pulumi.String("RollingUpdate"),
		RollingUpdate: appsv1.RollingUpdateDeploymentArgs{
			MaxUnavailable: pulumi.Int(0), MaxSurge: pulumi.Int(1),
		},
	}
}
