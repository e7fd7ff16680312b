package fastapi

import (
	"fmt"

	autoscalingv2 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/autoscaling/v2"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	policyv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/policy/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// scale declares how many pods a release has and how many may leave at once.
func (b *builder) scale(r release) error {
	s := b.plan.Scaling
	if _, err := autoscalingv2.NewHorizontalPodAutoscaler(b.ctx, r.name+"-autoscaler",
		&autoscalingv2.HorizontalPodAutoscalerArgs{
			Metadata: b.meta(r.name, r.name, web),
			Spec: autoscalingv2.HorizontalPodAutoscalerSpecArgs{
				ScaleTargetRef: autoscalingv2.CrossVersionObjectReferenceArgs{
					ApiVersion: pulumi.String("apps/v1"), Kind: pulumi.String("Deployment"), Name: pulumi.String(r.name),
				},
				MinReplicas: pulumi.Int(s.Min),
				MaxReplicas: pulumi.Int(s.Max),
				Metrics: autoscalingv2.MetricSpecArray{
					utilization("cpu", s.CPUPercent), utilization("memory", s.MemoryPercent),
				},
				Behavior: autoscalingv2.HorizontalPodAutoscalerBehaviorArgs{
					ScaleUp: autoscalingv2.HPAScalingRulesArgs{
						StabilizationWindowSeconds: pulumi.Int(0),
						SelectPolicy:               pulumi.String("Max"),
						Policies: autoscalingv2.HPAScalingPolicyArray{
							policy("Percent", 100, 15), policy("Pods", 2, 15),
						},
					},
					// One pod at a time: each leaves through the whole drain.
					ScaleDown: autoscalingv2.HPAScalingRulesArgs{
						StabilizationWindowSeconds: pulumi.Int(s.CalmSeconds),
						Policies:                   autoscalingv2.HPAScalingPolicyArray{policy("Pods", 1, 30)},
					},
				},
			},
		}, b.under()...); err != nil {
		return fmt.Errorf("creating its autoscaler: %w", err)
	}
	if _, err := policyv1.NewPodDisruptionBudget(b.ctx, r.name+"-budget", &policyv1.PodDisruptionBudgetArgs{
		Metadata: b.meta(r.name, r.name, web),
		Spec: policyv1.PodDisruptionBudgetSpecArgs{
			// A number of pods that may go rather than one that must stay: it
			// never blocks a node drain for good, whatever the autoscaler does.
			MaxUnavailable: pulumi.Int(1),
			Selector: metav1.LabelSelectorArgs{
				MatchLabels: component.StringMap(component.Selector(b.name, r.name, web)),
			},
			// A pod that never became ready protects nothing.
			UnhealthyPodEvictionPolicy: pulumi.String("AlwaysAllow"),
		},
	}, b.under()...); err != nil {
		return fmt.Errorf("creating its disruption budget: %w", err)
	}
	return nil
}

// utilization is a target relative to what pods request.
func utilization(resource string, percent int) autoscalingv2.MetricSpecArgs {
	return autoscalingv2.MetricSpecArgs{
		Type: pulumi.String("Resource"),
		Resource: autoscalingv2.ResourceMetricSourceArgs{
			Name: pulumi.String(resource),
			Target: autoscalingv2.MetricTargetArgs{
				Type: pulumi.String("Utilization"), AverageUtilization: pulumi.Int(percent),
			},
		},
	}
}

func policy(kind string, value, periodSeconds int) autoscalingv2.HPAScalingPolicyArgs {
	return autoscalingv2.HPAScalingPolicyArgs{
		Type: pulumi.String(kind), Value: pulumi.Int(value), PeriodSeconds: pulumi.Int(periodSeconds),
	}
}
