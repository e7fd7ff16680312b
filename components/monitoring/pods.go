package monitoring

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// port is one of a container and of the Service before it.
type port struct {
	name, protocol string
	number         int
}

func containerPorts(ports []port) corev1.ContainerPortArray {
	var list corev1.ContainerPortArray
	for _, one := range ports {
		list = append(list, corev1.ContainerPortArgs{
			Name: pulumi.String(one.name), ContainerPort: pulumi.Int(one.number), Protocol: pulumi.String(one.protocol),
		})
	}
	return list
}

// headless gives the pods of a product names and no shared address.
func (b *builder) headless(product string, ports []port) error {
	var list corev1.ServicePortArray
	for _, one := range ports {
		list = append(list, corev1.ServicePortArgs{
			Name: pulumi.String(one.name), Port: pulumi.Int(one.number), Protocol: pulumi.String(one.protocol),
			TargetPort: pulumi.String(one.name),
		})
	}
	metadata := b.meta(product)
	// Its pods come after it and are waited for themselves.
	metadata.Annotations = pulumi.StringMap{"pulumi.com/skipAwait": pulumi.String("true")}
	_, err := corev1.NewService(b.ctx, b.name+"-"+product+"-service", &corev1.ServiceArgs{
		Metadata: metadata,
		Spec: corev1.ServiceSpecArgs{
			ClusterIP: pulumi.String("None"), Selector: component.StringMap(b.selector(product)), Ports: list,
			// Peers find each other before either is ready.
			PublishNotReadyAddresses: pulumi.Bool(true),
		},
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("creating the service of %s: %w", product, err)
	}
	return nil
}

// budget lets a drain take one pod at a time. One over a single pod would block
// every drain.
func (b *builder) budget(product string) error {
	if b.plan.Replicas < 2 {
		return nil
	}
	_, err := policyv1.NewPodDisruptionBudget(b.ctx, b.name+"-"+product+"-budget", &policyv1.PodDisruptionBudgetArgs{
		Metadata: b.meta(product),
		Spec: policyv1.PodDisruptionBudgetSpecArgs{
			MaxUnavailable: pulumi.Int(1), Selector: b.match(product),
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("creating the disruption budget of %s: %w", product, err)
	}
	return nil
}

// pod is what every pod here has in common. Only one with an account is given
// its token.
func (b *builder) pod(product string, account *corev1.ServiceAccount, container corev1.ContainerArgs, volumes corev1.VolumeArray,
	beside ...corev1.ContainerArgs) corev1.PodTemplateSpecArgs {
	container.Name = pulumi.String(product)
	var containers corev1.ContainerArray
	for _, one := range append([]corev1.ContainerArgs{container}, beside...) {
		one.ImagePullPolicy = pulumi.String("IfNotPresent")
		one.SecurityContext = workload.ContainerSecurity()
		containers = append(containers, one)
	}
	spec := corev1.PodSpecArgs{
		AutomountServiceAccountToken: pulumi.Bool(account != nil),
		EnableServiceLinks:           pulumi.Bool(false),
		SecurityContext:              workload.PodSecurity(user),
		Containers:                   containers,
		Volumes:                      volumes,
	}
	if product != nodeExporter { // which is on every node
		spec.TopologySpreadConstraints = workload.Spread(b.selector(product))
	}
	if account != nil {
		spec.ServiceAccountName = account.Metadata.Name()
	}
	return corev1.PodTemplateSpecArgs{
		Metadata: metav1.ObjectMetaArgs{Labels: component.StringMap(b.labels(product))}, Spec: spec,
	}
}

func mounted(name, path string, writable bool) corev1.VolumeMountArgs {
	made := corev1.VolumeMountArgs{Name: pulumi.String(name), MountPath: pulumi.String(path)}
	if !writable {
		made.ReadOnly = pulumi.Bool(true)
	}
	return made
}
