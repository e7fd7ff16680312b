package drift

import (
	"bytes"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/proposal"
)

func changed(kind, name string, paths ...string) *proposal.Step {
	s := &proposal.Step{
		Operation: "update", URN: "urn:pulumi:t::p::" + kind + "::" + name, Type: kind, Custom: true,
		Old: &apitype.StepEventStateMetadata{Inputs: map[string]any{"metadata": map[string]any{"namespace": "web", "name": name}}},
	}
	if len(paths) > 0 {
		s.Properties = map[string]apitype.PropertyDiff{}
		for _, path := range paths {
			s.Properties[path] = apitype.PropertyDiff{Kind: apitype.DiffUpdate}
		}
	}
	return s
}

func TestClasses(t *testing.T) {
	const deployment = "kubernetes:apps/v1:Deployment"
	scaler := changed("kubernetes:autoscaling/v2:HorizontalPodAutoscaler", "api")
	scaler.Operation = "same"
	scaler.Old.Inputs["spec"] = map[string]any{"scaleTargetRef": map[string]any{"kind": "Deployment", "name": "api"}}
	missing := changed(deployment, "gone")
	missing.Operation = proposal.Missing
	unfinished, unsafe := changed(deployment, "api", "spec.template.spec.containers[0].image"), changed(deployment, "api", "spec.template.spec.hostNetwork")
	for _, step := range []*proposal.Step{unfinished, unsafe} {
		step.Old.InitErrors = []string{"timed out waiting to be Ready"}
	}
	component := changed("slipway:fastapi:Service", "c", "x")
	component.Custom = false
	for name, tc := range map[string]struct {
		step *proposal.Step
		want Class // empty for no difference
	}{
		"replicas an autoscaler sets":     {changed(deployment, "api", "spec.replicas"), Benign},
		"replicas nobody may set":         {changed(deployment, "other", "spec.replicas"), ByHand},
		"replicas and an image":           {changed(deployment, "api", "spec.replicas", "spec.template.spec.containers[0].image"), ByHand},
		"status":                          {changed(deployment, "api", "status.readyReplicas"), Benign},
		"statusless":                      {changed(deployment, "api", "statusless"), ByHand},
		"the bundle cert-manager sets":    {changed("kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration", "w", "webhooks[0].clientConfig.caBundle"), Benign},
		"the webhook's rules":             {changed("kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration", "w", "webhooks[0].rules"), Security},
		"network policy":                  {changed("kubernetes:networking.k8s.io/v1:NetworkPolicy", "n", "spec.ingress"), Security},
		"pod security of a namespace":     {changed("kubernetes:core/v1:Namespace", "web", `metadata.labels["pod-security.kubernetes.io/enforce"]`), Security},
		"privileged":                      {changed(deployment, "api", "spec.template.spec.containers[0].securityContext.privileged"), Security},
		"nothing named":                   {changed(deployment, "api"), ByHand},
		"gone":                            {missing, Missing},
		"not waited for":                  {unfinished, Unfinished},
		"not waited for, and unsafe":      {unsafe, Security},
		"a component":                     {component, ""},
		"an autoscaler that is as it was": {scaler, ""},
		"status of another provider":      {changed("aws:ec2/instance:Instance", "i", "status"), ByHand},
	} {
		t.Run(name, func(t *testing.T) {
			report := Classify(&proposal.Proposal{Steps: []*proposal.Step{scaler, tc.step}})
			if tc.want == "" {
				require.Empty(t, report.Differences)
				return
			}
			require.Len(t, report.Differences, 1)
			got := report.Differences[0]
			require.Equal(t, tc.want, got.Class)
			require.Equal(t, tc.want == Benign, got.Owner != "")
			require.Equal(t, tc.want != Benign, len(report.Real()) == 1)
			var text bytes.Buffer
			Write(&text, report.Differences)
			require.Contains(t, text.String(), string(tc.want))
		})
	}
}
