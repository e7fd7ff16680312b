package logging

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
)

func bucket() *S3 {
	return &S3{
		Bucket: "slipway-test-logs-111122223333", Region: "eu-central-1", Minutes: 5,
		Role: pulumi.String("arn:aws:iam::111122223333:role/slipway-test-logs"), RoleAnnotation: "eks.amazonaws.com/role-arn",
		Inside: []string{"10.20.0.0/20"},
	}
}

func archived() Args {
	args := args()
	args.S3 = bucket()
	return args
}

// Who the collectors are is for the cloud to ask; in the cluster they get no
// token, and no right.
func TestTheAccountIsForTheCloudAlone(t *testing.T) {
	componenttest.Both(t, declare(archived()), func(t *testing.T, g *componenttest.Graph) {
		account := g.One(t, "kubernetes:core/v1:ServiceAccount", "logging-account")
		if role := account.Text(`metadata.annotations["eks.amazonaws.com/role-arn"]`); role != "arn:aws:iam::111122223333:role/slipway-test-logs" {
			t.Errorf("it says it may take %q", role)
		}
		pods := g.One(t, "kubernetes:apps/v1:DaemonSet", "logging-agents")
		if name := pods.Text("spec.template.spec.serviceAccountName"); name != Account {
			t.Errorf("the pods are %q", name)
		}
		for path, node := range map[string]componenttest.Node{
			"automountServiceAccountToken": account, "spec.template.spec.automountServiceAccountToken": pods,
		} {
			if value, found := node.Path(path); !found || value.BoolValue() {
				t.Errorf("%s: a token of the cluster is mounted", node.Name)
			}
		}
		for _, node := range g.Nodes() {
			if strings.Contains(node.TypeToken, "rbac") {
				t.Errorf("%s %s: the collectors need no right", node.TypeToken, node.Name)
			}
		}
	})
}

// Out goes HTTPS and nothing else.
func TestOnlyTheBucketIsAsked(t *testing.T) {
	componenttest.Both(t, declare(archived()), func(t *testing.T, g *componenttest.Graph) {
		policy := g.One(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy", "logging-allow-archive")
		rules, _ := policy.Path("spec.egress")
		if len(rules.ArrayValue()) != 2 {
			t.Fatalf("%d ways out", len(rules.ArrayValue()))
		}
		for _, rule := range rules.ArrayValue() {
			ports := rule.ObjectValue()["ports"].ArrayValue()
			if len(ports) != 1 || ports[0].ObjectValue()["port"].NumberValue() != 443 {
				t.Errorf("it goes out at %v", ports)
			}
		}
		if _, opened := policy.Path("spec.ingress"); opened {
			t.Error("it lets something in")
		}
	})
}

// What is copied has been redacted: there is no other exporter, and none that
// has the bucket before the processor.
func TestEveryClassIsCopied(t *testing.T) {
	config := parsed(t, archived())
	if len(config["exporters"]) != len(args().Classes) {
		t.Errorf("there are %d exporters", len(config["exporters"]))
	}
	for name, exporter := range config["exporters"] {
		e, _ := exporter.(map[string]any)
		s3, _ := e["s3"].(map[string]any)
		if s3["bucket"] != "slipway-test-logs-111122223333" || s3["region"] != "eu-central-1" || s3["node"] != "${env:NODE_NAME}" || e["segment_age"] != "5m" {
			t.Errorf("%s is %v", name, e)
		}
		class, _ := e["class"].(string)
		if prefix, _ := s3["prefix"].(string); prefix+"/"+class+"/" != (Class{Name: class}).Prefix() {
			t.Errorf("%s writes below %s", name, prefix)
		}
	}
	for name, exporter := range parsed(t, args())["exporters"] {
		if e, _ := exporter.(map[string]any); e["s3"] != nil || e["segment_age"] != nil {
			t.Errorf("without a bucket, %s is %v", name, e)
		}
	}
}
