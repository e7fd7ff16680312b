package graph

import (
	"testing"
	"time"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/document"
	"slipway.dev/slipway/policies/example"
	"slipway.dev/slipway/policies/report"
	"slipway.dev/slipway/policies/rule"
	"slipway.dev/slipway/policies/settings"
)

const first = "spec.template.spec.containers[0]"

// badChanges are what a hurried pull request does to the local stack, and the
// rule that must stop each.
var badChanges = []struct {
	title, rule string
	resource    string
	set         map[string]any
	remove      string
	operation   rule.Operation
}{
	{title: "privileged API", rule: "not-privileged", resource: "Deployment/slipway-api/api", set: map[string]any{first + ".securityContext.privileged": true}},
	{title: "API as root", rule: "run-as-non-root", resource: "Deployment/slipway-api/api", set: map[string]any{"spec.template.spec.securityContext.runAsUser": 0}},
	{title: "pooler keeps its capabilities", rule: "drop-all-capabilities", resource: "Deployment/slipway-database/postgres-pooler", set: map[string]any{first + ".securityContext.capabilities": nil}},
	{title: "database with a writable image", rule: "read-only-root-filesystem", resource: "StatefulSet/slipway-database/postgres", set: map[string]any{first + ".securityContext.readOnlyRootFilesystem": nil}},
	{title: "Traefik on the node's network", rule: "no-host-namespaces", resource: "DaemonSet/slipway-ingress/traefik", set: map[string]any{"spec.template.spec.hostNetwork": true}},
	{title: "API reads the node's logs", rule: "no-host-path", resource: "Deployment/slipway-api/api", set: map[string]any{"spec.template.spec.volumes[1]": map[string]any{"name": "tmp", "hostPath": map[string]any{"path": "/var/log"}}}},
	{title: "memory limit removed", rule: "requests-and-limits", resource: "Deployment/slipway-api/api", set: map[string]any{first + ".resources.limits": nil}},
	{title: "database may use more than it asks for", rule: "database-memory-fixed", resource: "StatefulSet/slipway-database/postgres", set: map[string]any{first + ".resources.limits.memory": "1Gi"}},
	{title: "unbounded temporary files", rule: "temporary-space-bounded", resource: "Deployment/slipway-api/api", set: map[string]any{"spec.template.spec.volumes[1].emptyDir.sizeLimit": nil}},
	{title: "password as a variable", rule: "no-secrets-from-env", resource: "Deployment/slipway-api/api", set: map[string]any{first + ".env[1]": map[string]any{"name": "DATABASE_PASSWORD", "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "api-database", "key": "password"}}}}},
	{title: "readiness probe removed", rule: "probes-present", resource: "Deployment/slipway-api/api", set: map[string]any{first + ".readinessProbe": nil}},
	{title: "image called latest", rule: "image-not-latest", resource: "Deployment/slipway-api/api", set: map[string]any{first + ".image": "slipway.dev/api:latest"}},
	{title: "image from anywhere", rule: "image-registry", resource: "Deployment/slipway-database/postgres-pooler", set: map[string]any{first + ".image": "docker.io/edoburu/pgbouncer:1.24"}},
	{title: "API is recreated", rule: "rolling-update", resource: "Deployment/slipway-api/api", set: map[string]any{"spec.strategy": map[string]any{"type": "Recreate"}}},
	{title: "budget of the API removed", rule: "pdb-present", remove: "PodDisruptionBudget/slipway-api/api"},
	{title: "budget that lets nothing go", rule: "pdb-allows-disruption", resource: "PodDisruptionBudget/slipway-database/postgres", set: map[string]any{"spec.maxUnavailable": 0}},
	{title: "replicas fixed under an autoscaler", rule: "hpa-owns-replicas", resource: "Deployment/slipway-api/api", set: map[string]any{"spec.replicas": 3}},
	{title: "autoscaler down to one pod", rule: "hpa-target-and-minimum", resource: "HorizontalPodAutoscaler/slipway-api/api", set: map[string]any{"spec.minReplicas": 1}},
	{title: "autoscaler removed", rule: "hpa-present", remove: "HorizontalPodAutoscaler/slipway-api/api"},
	{title: "pods no longer spread", rule: "pods-spread", resource: "Deployment/slipway-api/api", set: map[string]any{"spec.template.spec.topologySpreadConstraints": nil}},
	{title: "grace shorter than the drain", rule: "drain-chain", resource: "Deployment/slipway-api/api", set: map[string]any{"spec.template.spec.terminationGracePeriodSeconds": 10}},
	{title: "default-deny removed", rule: "namespace-default-deny", remove: "NetworkPolicy/slipway-database/default-deny"},
	{title: "quota of the API removed", rule: "namespace-bounded", remove: "ResourceQuota/slipway-api/quota"},
	{title: "one pooler", rule: "two-replicas", resource: "Deployment/slipway-database/postgres-pooler", set: map[string]any{"spec.replicas": 1}},
	{title: "database on a node port", rule: "no-node-port", resource: "Service/slipway-database/postgres-primary", set: map[string]any{"spec.type": "NodePort"}},
	{title: "route in the clear", rule: "ingress-only-https", resource: "IngressRoute/slipway-api/api", set: map[string]any{"spec.entryPoints": []any{"web"}}},
	{title: "route without its certificate", rule: "certificate-for-route", remove: "Certificate/slipway-api/api"},
	{title: "TLS 1.0", rule: "tls-1-2", resource: "TLSOption/slipway-ingress/default", set: map[string]any{"spec.minVersion": "VersionTLS10"}},
	{title: "dashboard switched on", rule: "dashboard-not-public", resource: "DaemonSet/slipway-ingress/traefik", set: map[string]any{first + ".args[0]": "--api.insecure=true"}},
	{title: "retry before the rate limit", rule: "middleware-order", resource: "DaemonSet/slipway-ingress/traefik", set: map[string]any{first + ".args[0]": "--entrypoints.websecure.http.middlewares=ns-retry@kubernetescrd,ns-rate-limit@kubernetescrd"}},
	{title: "client addresses in the access log", rule: "access-log-minimal", resource: "DaemonSet/slipway-ingress/traefik", set: map[string]any{first + ".args[0]": "--accesslog.fields.names.ClientAddr=keep"}},
	{title: "two members", rule: "patroni-three-members", resource: "StatefulSet/slipway-database/postgres", set: map[string]any{"spec.replicas": 2}},
	{title: "lease too short", rule: "patroni-ttl", resource: "ConfigMap/slipway-database/postgres-settings", set: map[string]any{`data["dynamic.yaml"]`: "ttl: 20\nloop_wait: 10\nretry_timeout: 10\nsynchronous_mode: quorum\n"}},
	{title: "parameters in the database's log", rule: "database-log-minimal", resource: "ConfigMap/slipway-database/postgres-settings", set: map[string]any{`data["dynamic.yaml"]`: "ttl: 20\nloop_wait: 5\nretry_timeout: 5\nsynchronous_mode: quorum\npostgresql:\n  parameters: {log_connections: 'on'}\n"}},
	{title: "Endpoints as Patroni's store", rule: "patroni-configmaps", resource: "ConfigMap/slipway-database/postgres-settings", set: map[string]any{`data["patroni.yaml"]`: "kubernetes: {use_endpoints: true}\npostgresql: {data_dir: /var/lib/postgresql/data/pgdata}\n"}},
	{title: "right to write Endpoints", rule: "no-endpoint-rights", resource: "Role/slipway-database/postgres", set: map[string]any{"rules[0].resources": []any{"endpoints"}}},
	{title: "all rights for Traefik", rule: "no-wildcard-rights", resource: "ClusterRole/slipway-traefik", set: map[string]any{"rules[0].verbs": []any{"*"}}},
	{title: "volumes deleted with their claim", rule: "storage-class-sound", resource: "StorageClass/retain", set: map[string]any{"reclaimPolicy": "Delete"}},
	{title: "annotation that keeps pods removed", rule: "orphan-on-delete", resource: "StatefulSet/slipway-database/postgres", set: map[string]any{"metadata.annotations": nil}},
	{title: "database in the public zone", rule: "private-name-not-public", resource: "ConfigMap/slipway-dns/dns-zones-1a2b3c4d", set: map[string]any{`data["db.slipway.test"]`: "$ORIGIN slipway.test.\npostgres 5 IN A 10.96.200.1\n"}},
	{title: "database replaced", rule: "data-not-replaced", resource: "StatefulSet/slipway-database/postgres", operation: rule.Replace},
	{title: "namespace of the database deleted", rule: "data-not-replaced", resource: "Namespace/slipway-database", operation: rule.Delete},
}

// TestBadChangesAreStopped makes each change in the recording of the local
// stack and asks which mandatory rules stop it.
func TestBadChangesAreStopped(t *testing.T) {
	doc, err := document.Read("local", recorded(t, "local", false))
	if err != nil {
		t.Fatal(err)
	}
	judge := rule.NewJudge(catalogue.Rules())
	chosen, err := settings.Load(checkout+"/policies/"+settings.File, "local", catalogue.Rules())
	if err != nil {
		t.Fatal(err)
	}
	stopping := func(resources []*rule.Resource) map[string]int {
		rules := map[string]int{}
		made := report.Make(judge, rule.NewStack("local", resources...), report.Options{Settings: chosen, Now: time.Now()})
		for _, e := range made.Entries {
			if e.Stops() {
				rules[e.Rule]++
			}
		}
		return rules
	}
	before := stopping(doc.Resources)
	for _, change := range badChanges {
		t.Run(change.title, func(t *testing.T) {
			var resources []*rule.Resource
			touched := 0
			for _, r := range doc.Resources {
				switch r.ID() {
				case change.remove:
					touched++
					continue
				case change.resource:
					touched++
					for path, value := range change.set {
						if r, err = r.With(path, value); err != nil {
							t.Fatal(err)
						}
					}
					if change.operation != rule.None {
						copied := *r
						copied.Operation = change.operation
						r = &copied
					}
				}
				resources = append(resources, r)
			}
			if touched != 1 {
				t.Fatalf("the change touches %d resources of the stack, want 1", touched)
			}
			if got := stopping(resources); got[change.rule] <= before[change.rule] {
				t.Errorf("it is not stopped by %s; stopped by %v", change.rule, got)
			}
		})
	}
}

// BenchmarkThousandResources is every rule over 1,000 resources that nobody has
// decoded before.
func BenchmarkThousandResources(b *testing.B) {
	judge := rule.NewJudge(catalogue.Rules())
	limits := rule.DefaultLimits()
	for b.Loop() {
		b.StopTimer()
		many, err := example.Many(1000)
		if err != nil {
			b.Fatal(err)
		}
		s := rule.NewStack(example.Stack, many...)
		b.StartTimer()
		judge.All(s, limits)
	}
}
