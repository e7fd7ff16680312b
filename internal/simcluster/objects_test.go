package simcluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"

	"slipway.dev/slipway/internal/simcloud"
)

const server = "https://ABCDEF.gr7.eu-central-1.eks.amazonaws.com"

// yard is a cluster with a node group in the simulated cloud, and a provider.
type yard struct {
	t *testing.T
	p *Provider
}

func newYard(t *testing.T, absent ...string) *yard {
	t.Helper()
	settings := simcloud.Settings{Dir: t.TempDir(), Account: "123456789012", Credentials: "valid"}
	world, err := simcloud.OpenWorld(settings.Dir)
	require.NoError(t, err)
	things := map[string]*simcloud.Record{
		"cluster": {Token: clusters, ID: "main", Properties: simcloud.Props{"endpoint": server, "vpcConfig": map[string]any{"vpcId": "vpc-1"}}},
		"nodes":   {Token: "aws:eks/nodeGroup:NodeGroup", ID: "main:a", Properties: simcloud.Props{"clusterName": "main", "scalingConfig": map[string]any{"desiredSize": 2.0}}},
		"subnet":  {Token: subnets, ID: "subnet-1", Properties: simcloud.Props{"vpcId": "vpc-1", "tagsAll": map[string]any{"kubernetes.io/role/elb": "1"}}},
		"csi":     {Token: "aws:eks/addon:Addon", ID: "main:aws-ebs-csi-driver", Properties: simcloud.Props{}},
	}
	for _, name := range absent {
		delete(things, name)
	}
	require.NoError(t, world.Do(func(tx *simcloud.Tx) error {
		for name, thing := range things {
			thing.Account, thing.Region, thing.Status, thing.URN = settings.Account, "eu-central-1", "active", name
			tx.Put(thing)
		}
		return nil
	}))
	p, err := New(settings, nil)
	require.NoError(t, err)
	config := `{"current-context":"c","contexts":[{"name":"c","context":{"cluster":"d"}}],"clusters":[{"name":"d","cluster":{"server":"` + server + `"}}]}`
	_, err = p.Configure(context.Background(), &pulumirpc.ConfigureRequest{Args: wire(t, map[string]any{"kubeconfig": config})})
	require.NoError(t, err)
	return &yard{t, p}
}

func wire(t *testing.T, in map[string]any) *structpb.Struct {
	t.Helper()
	encoded, err := simcloud.Encode(simcloud.Wrap(in, nil))
	require.NoError(t, err)
	return encoded
}

func urnOf(token, name string) string { return "urn:pulumi:test::tests::" + token + "::" + name }

// make checks and creates an object, and returns what the state would hold.
func (y *yard) make(token, name string, in map[string]any) (simcloud.Props, error) {
	ctx, urn := context.Background(), urnOf(token, name)
	checked, err := y.p.Check(ctx, &pulumirpc.CheckRequest{Urn: urn, News: wire(y.t, in), RandomSeed: []byte("01234567")})
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, f := range checked.GetFailures() {
		faults = append(faults, errors.New(f.GetReason()))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	made, err := y.p.Create(ctx, &pulumirpc.CreateRequest{Urn: urn, Properties: checked.GetInputs()})
	if err != nil {
		return nil, err
	}
	m, err := simcloud.Decode(urn, made.GetProperties())
	require.NoError(y.t, err)
	return simcloud.Plain(m), nil
}

func meta(name, namespace string) map[string]any {
	m := map[string]any{"name": name}
	if namespace != "" {
		m["namespace"] = namespace
	}
	return m
}

// object is one of a kind with a spec.
func object(api, kind, name, namespace string, spec map[string]any) map[string]any {
	o := map[string]any{"apiVersion": api, "kind": kind, "metadata": meta(name, namespace)}
	if spec != nil {
		o["spec"] = spec
	}
	return o
}

func workload(pod map[string]any, further ...any) map[string]any {
	labels := map[string]any{"app": "web"}
	pod["containers"] = []any{map[string]any{"name": "web", "image": "web:1"}}
	spec := map[string]any{
		"selector": map[string]any{"matchLabels": labels}, "template": map[string]any{"metadata": map[string]any{"labels": labels}, "spec": pod},
	}
	for i := 0; i+1 < len(further); i += 2 {
		spec[further[i].(string)] = further[i+1]
	}
	return spec
}

func lamps() map[string]any {
	colour := map[string]any{"type": "string", "enum": []any{"red", "green"}}
	return object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "lamps.example.org", "", map[string]any{
		"group": "example.org", "scope": "Namespaced", "names": map[string]any{"kind": "Lamp", "plural": "lamps"},
		"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{
			"type": "object", "properties": map[string]any{"spec": map[string]any{"type": "object", "required": []any{"colour"}, "properties": map[string]any{"colour": colour}}},
		}}}},
	})
}

const (
	deployment = "kubernetes:apps/v1:Deployment"
	crds       = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"
	lamp       = "kubernetes:example.org/v1:Lamp"
	service    = "kubernetes:core/v1:Service"
)

func TestWrongObjectsAreRefusedEachForItsReason(t *testing.T) {
	Patience = 200 * time.Millisecond
	ports := []any{map[string]any{"port": 443.0}}
	tests := []struct {
		title  string
		token  string
		in     map[string]any
		absent []string
		want   string
	}{
		{"unknown field", deployment, object("apps/v1", "Deployment", "web", "", workload(map[string]any{}, "replica", 2.0)), nil, "spec.replica: unknown field"},
		{"wrong type", deployment, object("apps/v1", "Deployment", "web", "", workload(map[string]any{}, "replicas", "2")), nil, "spec.replicas: Invalid type: must be an integer, not string"},
		{"missing field", deployment, object("apps/v1", "Deployment", "web", "", map[string]any{"replicas": 1.0}), nil, "spec.selector: Required value"},
		{"selector of other labels", deployment, object("apps/v1", "Deployment", "web", "", workload(map[string]any{}, "selector", map[string]any{"matchLabels": map[string]any{"app": "api"}})), nil, "`selector` does not match template `labels`"},
		{"unknown kind", "kubernetes:apps/v1:Deploymint", object("apps/v1", "Deploymint", "web", "", nil), nil, `no matches for kind "Deploymint" in version "apps/v1"`},
		{"a chart", "kubernetes:helm.sh/v3:Release", map[string]any{"chart": "x"}, nil, `does not know the resource type "kubernetes:helm.sh/v3:Release"`},
		{"kind before its definition", lamp, object("example.org/v1", "Lamp", "a", "", map[string]any{"colour": "red"}), nil, "its definition is not in the cluster"},
		{"kind of an add-on that is not there", "kubernetes:snapshot.storage.k8s.io/v1:VolumeSnapshotClass", object("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass", "a", "", nil), nil, "comes with the add-on snapshot-controller"},
		{"missing namespace", deployment, object("apps/v1", "Deployment", "web", "shop", workload(map[string]any{})), nil, `namespaces "shop" not found`},
		{"no nodes", deployment, object("apps/v1", "Deployment", "web", "", workload(map[string]any{})), []string{"nodes"}, "0/0 nodes are available"},
		{"no cluster", deployment, object("apps/v1", "Deployment", "web", "", workload(map[string]any{})), []string{"cluster"}, "configured Kubernetes cluster is unreachable"},
		{"missing service account", deployment, object("apps/v1", "Deployment", "web", "", workload(map[string]any{"serviceAccountName": "ghost"})), nil, `serviceaccount "ghost" not found`},
		{"missing secret", deployment, object("apps/v1", "Deployment", "web", "", workload(map[string]any{"volumes": []any{map[string]any{"name": "s", "secret": map[string]any{"secretName": "ghost"}}}})), nil, `Secret "ghost" not found`},
		{"balancer without subnets", service, object("v1", "Service", "web", "", map[string]any{"type": "LoadBalancer", "ports": ports}), []string{"subnet"}, "could not find any suitable subnets"},
		{"volumes of no class", "kubernetes:apps/v1:StatefulSet", object("apps/v1", "StatefulSet", "db", "", workload(map[string]any{}, "serviceName", "db", "volumeClaimTemplates", []any{map[string]any{"metadata": meta("data", ""), "spec": map[string]any{"storageClassName": "ghost"}}})), nil, `storageclass.storage.k8s.io "ghost" not found`},
		{"budget of two minds", "kubernetes:policy/v1:PodDisruptionBudget", object("policy/v1", "PodDisruptionBudget", "web", "", map[string]any{"minAvailable": 1.0, "maxUnavailable": 1.0}), nil, "cannot be both set"},
		{"scaling that falls", "kubernetes:autoscaling/v2:HorizontalPodAutoscaler", object("autoscaling/v2", "HorizontalPodAutoscaler", "web", "", map[string]any{"minReplicas": 5.0, "maxReplicas": 2.0, "scaleTargetRef": map[string]any{"kind": "Deployment", "name": "web"}}), nil, "must be greater than or equal"},
		{"mount of no volume", deployment, func() map[string]any {
			spec := workload(map[string]any{})
			simcloud.Props(spec).Object("template.spec")["containers"] = []any{map[string]any{"name": "w", "volumeMounts": []any{map[string]any{"name": "ghost", "mountPath": "/x"}}}}
			return object("apps/v1", "Deployment", "web", "", spec)
		}(), nil, `volumeMounts[0].name: Not found: "ghost"`},
	}
	for _, test := range tests {
		t.Run(test.title, func(t *testing.T) {
			_, err := newYard(t, test.absent...).make(test.token, "thing", test.in)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "SIMULATED kubernetes")
		})
	}
}

func TestObjectsLive(t *testing.T) {
	y := newYard(t)
	_, err := y.make("kubernetes:core/v1:Namespace", "space", object("v1", "Namespace", "web", "", nil))
	require.NoError(t, err)
	_, err = y.make(deployment, "web", object("apps/v1", "Deployment", "web", "web", workload(map[string]any{})))
	require.NoError(t, err)
	_, err = y.make(deployment, "again", object("apps/v1", "Deployment", "web", "web", workload(map[string]any{})))
	require.ErrorContains(t, err, `"web/web" already exists`)

	_, err = y.make(crds, "lamps", lamps())
	require.NoError(t, err)
	_, err = y.make(lamp, "blue", object("example.org/v1", "Lamp", "blue", "web", map[string]any{"colour": "blue"}))
	require.ErrorContains(t, err, "spec.colour: Unsupported value")
	_, err = y.make(lamp, "none", object("example.org/v1", "Lamp", "none", "web", map[string]any{}))
	require.ErrorContains(t, err, "spec.colour: Required value")
	_, err = y.make(lamp, "red", object("example.org/v1", "Lamp", "red", "web", map[string]any{"colour": "red"}))
	require.NoError(t, err)

	out, err := y.make(service, "front", object("v1", "Service", "front", "web", map[string]any{"type": "LoadBalancer", "ports": []any{map[string]any{"port": 443.0}}}))
	require.NoError(t, err)
	require.NotEmpty(t, out.Objects("status.loadBalancer.ingress")[0].Text("hostname"))
	held := func() (n int) {
		require.NoError(t, y.p.host.World.Do(func(tx *simcloud.Tx) error { n = len(tx.All(balancers)); return nil }))
		return n
	}
	require.Equal(t, 1, held())
	drop := func(token, id string) error {
		_, err := y.p.Delete(context.Background(), &pulumirpc.DeleteRequest{Urn: urnOf(token, "x"), Id: id})
		return err
	}
	assert.ErrorContains(t, drop("kubernetes:core/v1:Namespace", "web"), "is still in it")
	assert.ErrorContains(t, drop(crds, "lamps.example.org"), "would take")
	require.NoError(t, drop(service, "web/front"))
	assert.Equal(t, 0, held())
}

func TestFieldsThatCannotChangeReplace(t *testing.T) {
	y := newYard(t)
	diff := func(token string, old, new map[string]any) *pulumirpc.DiffResponse {
		response, err := y.p.Diff(context.Background(), &pulumirpc.DiffRequest{Urn: urnOf(token, "x"), Olds: wire(t, old), OldInputs: wire(t, old), News: wire(t, new)})
		require.NoError(t, err)
		return response
	}
	web := func(further ...any) map[string]any {
		return object("apps/v1", "Deployment", "web", "web", workload(map[string]any{}, further...))
	}
	assert.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, diff(deployment, web(), web()).GetChanges())
	scaled := diff(deployment, web(), web("replicas", 3.0))
	assert.Equal(t, []string{"spec"}, scaled.GetDiffs())
	assert.Empty(t, scaled.GetReplaces())
	selected := diff(deployment, web(), web("selector", map[string]any{"matchLabels": map[string]any{"app": "web", "tier": "a"}}))
	assert.Equal(t, []string{"spec"}, selected.GetReplaces())
	assert.True(t, selected.GetDeleteBeforeReplace())
	// The engine asks with unknown properties what else a replacement replaces.
	vague := web()
	vague["spec"] = nil
	unknown := wire(t, vague)
	unknown.Fields["spec"] = structpb.NewStringValue(plugin.UnknownStringValue)
	response, err := y.p.Diff(context.Background(), &pulumirpc.DiffRequest{Urn: urnOf(deployment, "x"), Olds: wire(t, web()), OldInputs: wire(t, web()), News: unknown})
	require.NoError(t, err)
	assert.Equal(t, []string{"spec"}, response.GetDiffs())
	assert.Empty(t, response.GetReplaces())
	renamed := diff(deployment, web(), object("apps/v1", "Deployment", "other", "web", workload(map[string]any{})))
	assert.Equal(t, []string{"metadata"}, renamed.GetReplaces())
	assert.False(t, renamed.GetDeleteBeforeReplace())
}

func TestContentChangesInPlaceWhereAskedFor(t *testing.T) {
	y := newYard(t)
	replaces := func(kind string, immutable bool) []string {
		with := func(value string) map[string]any {
			o := object("v1", kind, "files", "web", nil)
			delete(o, "spec")
			o["data"], o["immutable"] = map[string]any{"key": value}, immutable
			return o
		}
		response, err := y.p.Diff(context.Background(), &pulumirpc.DiffRequest{
			Urn: urnOf("kubernetes:core/v1:"+kind, "x"), Olds: wire(t, with("one")), OldInputs: wire(t, with("one")), News: wire(t, with("two")),
		})
		require.NoError(t, err)
		return response.GetReplaces()
	}
	assert.Equal(t, []string{"data"}, replaces("ConfigMap", false))
	assert.Equal(t, []string{"data"}, replaces("Secret", false))
	config := `{"current-context":"c","contexts":[{"name":"c","context":{"cluster":"d"}}],"clusters":[{"name":"d","cluster":{"server":"` + server + `"}}]}`
	_, err := y.p.Configure(context.Background(), &pulumirpc.ConfigureRequest{Args: wire(t, map[string]any{
		"kubeconfig": config, "enableConfigMapMutable": true, "enableSecretMutable": "true",
	})})
	require.NoError(t, err)
	assert.Empty(t, replaces("ConfigMap", false))
	assert.Empty(t, replaces("Secret", false))
	assert.Equal(t, []string{"data"}, replaces("ConfigMap", true))
}

func TestProviderConfiguration(t *testing.T) {
	y := newYard(t)
	change := func(old, new map[string]any) *pulumirpc.DiffResponse {
		response, err := y.p.DiffConfig(context.Background(), &pulumirpc.DiffRequest{Urn: urnOf("pulumi:providers:kubernetes", "k"), Olds: wire(t, old), News: wire(t, new)})
		require.NoError(t, err)
		return response
	}
	assert.Empty(t, change(map[string]any{"kubeconfig": "a", "clusterIdentifier": "c"}, map[string]any{"kubeconfig": "b", "clusterIdentifier": "c"}).GetReplaces())
	assert.Equal(t, []string{"kubeconfig"}, change(map[string]any{"kubeconfig": "a"}, map[string]any{"kubeconfig": "b"}).GetReplaces())
	checked, err := y.p.CheckConfig(context.Background(), &pulumirpc.CheckRequest{Urn: urnOf("pulumi:providers:kubernetes", "k"), News: wire(t, map[string]any{"kubeConfig": "a"})})
	require.NoError(t, err)
	require.Len(t, checked.GetFailures(), 1)
	_, err = y.p.Configure(context.Background(), &pulumirpc.ConfigureRequest{Args: wire(t, map[string]any{})})
	assert.ErrorContains(t, err, "must not reach for the machine's own cluster")
	_, err = y.p.Configure(context.Background(), &pulumirpc.ConfigureRequest{Args: wire(t, map[string]any{"kubeconfig": `{"current-context":"x"}`})})
	assert.ErrorContains(t, err, "names no cluster with a server")
}

func TestSecretsStaySecret(t *testing.T) {
	y := newYard(t)
	in := simcloud.Wrap(object("v1", "Secret", "s", "default", nil), nil)
	in["stringData"] = resource.MakeSecret(resource.NewProperty(resource.PropertyMap{"password": resource.NewProperty("hunter2")}))
	encoded, err := simcloud.Encode(in)
	require.NoError(t, err)
	urn := urnOf("kubernetes:core/v1:Secret", "s")
	checked, err := y.p.Check(context.Background(), &pulumirpc.CheckRequest{Urn: urn, News: encoded})
	require.NoError(t, err)
	made, err := y.p.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn, Properties: checked.GetInputs()})
	require.NoError(t, err)
	out, err := simcloud.Decode(urn, made.GetProperties())
	require.NoError(t, err)
	assert.True(t, out["stringData"].IsSecret())
}
