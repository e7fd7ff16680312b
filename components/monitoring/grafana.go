package monitoring

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/monitoring/dashboards"
)

// dashboardLabel is what Grafana's sidecar looks for, unless told otherwise.
const dashboardLabel = "grafana_dashboard"

// show declares the dashboards, where there is a Grafana. They keep their names
// and are changed in place: the sidecar follows.
func (b *builder) show() error {
	if b.plan.GrafanaNamespace == "" {
		return nil
	}
	for _, one := range dashboards.All(b.plan.options) {
		text, err := one.JSON()
		if err != nil {
			return err
		}
		labels := component.StringMap(b.labels(prometheus))
		labels[dashboardLabel] = pulumi.String("1")
		_, err = corev1.NewConfigMap(b.ctx, b.name+"-dashboard-"+one.Name, &corev1.ConfigMapArgs{
			Metadata: metav1.ObjectMetaArgs{
				Name: pulumi.String("dashboard-" + one.Name), Namespace: b.namespace, Labels: labels,
			},
			Data: pulumi.StringMap{"slipway-" + one.Name + ".json": pulumi.String(text)},
		}, b.under()...)
		if err != nil {
			return fmt.Errorf("creating dashboard %s: %w", one.Name, err)
		}
	}
	return nil
}
