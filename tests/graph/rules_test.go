package graph

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"slipway.dev/slipway/components/component/componenttest"
)

func TestEveryResourceBelongsAndHasAProvider(t *testing.T) {
	both(t, func(t *testing.T, g *componenttest.Graph) { g.RequireOwned(t) })
	declared(t, "account", true).RequireOwned(t)
}

func TestSecretsStaySecret(t *testing.T) {
	both(t, func(t *testing.T, g *componenttest.Graph) { g.RequireSecrets(t) })
}

func TestNoReleaseReplacesAWorkload(t *testing.T) {
	both(t, func(t *testing.T, g *componenttest.Graph) { g.RequireStableSelectors(t) })
}

// TestNoObjectIsDeclaredTwice: two resources that fight over one object in the
// cluster each undo the other's update.
func TestNoObjectIsDeclaredTwice(t *testing.T) {
	both(t, func(t *testing.T, g *componenttest.Graph) {
		seen := map[string]string{}
		for _, node := range g.Of("kubernetes:") {
			name := node.Text("metadata.name")
			if name == "" {
				continue // named by the engine, which never names two alike
			}
			at := node.TypeToken + " " + node.Text("metadata.namespace") + "/" + name
			if other, dup := seen[at]; dup {
				t.Errorf("%s is declared as %s and as %s", at, other, node.Name)
			}
			seen[at] = node.Name
		}
	})
}

func TestEveryNamespaceStartsClosed(t *testing.T) {
	both(t, func(t *testing.T, g *componenttest.Graph) {
		closed := map[string]bool{}
		for _, policy := range g.Of("kubernetes:networking.k8s.io/v1:NetworkPolicy") {
			if policy.Text("metadata.name") == "default-deny" {
				closed[policy.Text("metadata.namespace")] = true
			}
		}
		namespaces := g.Of("kubernetes:core/v1:Namespace")
		if len(namespaces) < 4 {
			t.Errorf("only %d namespaces are declared", len(namespaces))
		}
		for _, namespace := range namespaces {
			name := namespace.Text("metadata.name")
			if !closed[name] {
				t.Errorf("namespace %s lets everything in and out", name)
			}
			level := namespace.Text(`metadata.labels["pod-security.kubernetes.io/enforce"]`)
			if (name == "slipway-api" || name == "slipway-database" || name == "cert-manager" || name == "slipway-monitoring" || name == "slipway-benchmark") && level != "restricted" {
				t.Errorf("namespace %s enforces %q", name, level)
			}
		}
	})
}

func TestAutoscaledWorkloadsDoNotFixTheirSize(t *testing.T) {
	both(t, func(t *testing.T, g *componenttest.Graph) {
		scaled := map[string]bool{}
		for _, hpa := range g.Of("kubernetes:autoscaling/v2:HorizontalPodAutoscaler") {
			scaled[hpa.Text("metadata.namespace")+"/"+hpa.Text("spec.scaleTargetRef.name")] = true
		}
		if !scaled["slipway-api/api"] {
			t.Error("nothing scales the API")
		}
		for _, workload := range g.Of("kubernetes:apps/v1:Deployment") {
			at := workload.Text("metadata.namespace") + "/" + workload.Text("metadata.name")
			if _, fixed := workload.Path("spec.replicas"); fixed && scaled[at] {
				t.Errorf("%s has both replicas and an autoscaler", at)
			}
		}
	})
}

func TestDataIsGuarded(t *testing.T) {
	for stack, least := range map[string]int{"local": 2, "prod": 12, "account": 15} {
		t.Run(stack, func(t *testing.T) {
			g := declared(t, stack, false)
			guarded := 0
			for _, node := range g.Nodes() {
				if !slices.Contains(data, node.TypeToken+" "+node.Name) && !slices.Contains(data, node.TypeToken) {
					continue
				}
				guarded++
				if !node.RegisterRPC.GetProtect() {
					t.Errorf("%s %q can be deleted in one step", node.TypeToken, node.Name)
				}
			}
			if guarded < least {
				t.Errorf("%d resources hold data, a password or a key, want at least %d", guarded, least)
			}
			if stack != "account" && !g.One(t, "kubernetes:core/v1:Namespace", "postgres-namespace").RegisterRPC.GetProtect() {
				t.Error("the database's namespace can be deleted in one step, and everything in it with it")
			}
		})
	}
}

// data are kinds that hold data, or the only copy of a key or a name; with a
// name, only that one of them. What else is logged is at most what somebody asked.
var data = []string{
	"kubernetes:apps/v1:StatefulSet", "random:index/randomPassword:RandomPassword",
	"aws:eks/cluster:Cluster", "aws:kms/key:Key", "aws:route53/zone:Zone", "aws:s3/bucketV2:BucketV2",
	"aws:ecr/repository:Repository", "aws:cloudwatch/logGroup:LogGroup cluster-logs",
}

// TestDevCanBeDeleted: what is unprotected is unprotected altogether, or a
// destroy stops half way.
func TestDevCanBeDeleted(t *testing.T) {
	for _, node := range declared(t, "dev", false).Nodes() {
		if strings.HasPrefix(node.TypeToken, "aws:") && node.RegisterRPC.GetProtect() {
			t.Errorf("%s %q is protected in dev", node.TypeToken, node.Name)
		}
	}
}

// platformTokens are the components every stack has.
var platformTokens = map[string]string{
	"cluster": "slipway:cluster:Cluster", "admission": "slipway:admission:Admission", "storage": "slipway:storage:Storage",
	"certificates": "slipway:certificates:Certificates", "ingress": "slipway:traefik:Traefik",
	"postgres": "slipway:postgres:Cluster", "api": "slipway:fastapi:API", "dns": "slipway:dns:Zones",
	"monitoring": "slipway:monitoring:Monitoring",
	"logging":    "slipway:logging:Logging",
}

// awsTokens are those of environments on AWS where they differ; an empty one is
// not there.
var awsTokens = map[string]string{
	"cluster": "slipway:eks:Cluster", "dns": "", "zones": "slipway:dns:HostedZones", "records": "slipway:dns:Records",
	"network": "slipway:network:Network", "balancer": "slipway:balancer:Balancer", "cost": "slipway:cost:Cost",
	"logs": "slipway:bucket:Bucket", "backups": "slipway:bucket:Bucket",
	"key-secrets": "slipway:key:Key", "key-volumes": "slipway:key:Key", "key-store": "slipway:key:Key", "key-signing": "slipway:key:Key",
	"benchmark":        "slipway:benchmark:Benchmark",
	"identity-backups": "slipway:identity:Identity", "identity-certificates": "slipway:identity:Identity", "identity-logs": "slipway:identity:Identity",
	"cluster-addon-vpc-cni": "slipway:identity:Identity", "cluster-addon-aws-ebs-csi-driver": "slipway:identity:Identity",
}

// accountTokens are those of an account.
var accountTokens = map[string]string{
	"state": "slipway:bucket:Bucket", "registry": "slipway:registry:Registry", "delivery": "slipway:delivery:Delivery",
	"key-state": "slipway:key:Key", "key-config": "slipway:key:Key",
}

func TestTypeTokensAreFrozen(t *testing.T) {
	for stack, differing := range map[string]map[string]string{
		"local": nil, "dev": awsTokens, "prod": awsTokens, "account": accountTokens,
	} {
		t.Run(stack, func(t *testing.T) {
			want := map[string]string{}
			if stack != "account" {
				maps.Copy(want, platformTokens)
			}
			maps.Copy(want, differing)
			if stack == "dev" {
				maps.DeleteFunc(want, func(name, token string) bool { return onlyInProd[token+" "+name] != "" })
			}
			maps.DeleteFunc(want, func(_, token string) bool { return token == "" })
			for _, node := range declared(t, stack, false).Of("slipway:") {
				if want[node.Name] != node.TypeToken {
					t.Errorf("%s %q was %q: every resource under it would be replaced", node.TypeToken, node.Name, want[node.Name])
				}
				delete(want, node.Name)
			}
			for name, token := range want {
				t.Errorf("%s %q is gone", token, name)
			}
		})
	}
}

// TestNamesFit: the engine names what has no name of its own by the pattern in
// the stack's file, and AWS allows load balancers and their targets the least.
func TestNamesFit(t *testing.T) {
	const longest = 32
	for _, stack := range []string{"dev", "prod"} {
		for _, node := range declared(t, stack, false).Of("aws:lb/") {
			if name := stack + "-" + node.Name + "-1234567"; node.Text("name") == "" && len(name) > longest &&
				!strings.HasPrefix(node.TypeToken, "aws:lb/listener") {
				t.Errorf("%s would be called %s: %d characters, %d are allowed", node.TypeToken, name, len(name), longest)
			}
		}
	}
}
