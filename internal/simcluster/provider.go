package simcluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/internal/simcloud"
)

// Version is the release of pulumi-kubernetes that is stood in for. The SDK in
// go.mod asks the engine for that very version.
const Version = "4.30.0"

const simulated = "SIMULATED kubernetes: "

// Provider answers the engine's calls about one cluster.
type Provider struct {
	pulumirpc.UnimplementedResourceProviderServer

	host *simcloud.Host
	// server is the endpoint in the kubeconfig; empty while a preview does not
	// know it.
	server string
	// mutable are the kinds whose content may change in place, which a program
	// asks for.
	mutable map[string]bool
}

// New makes a provider on the simulated cloud in the settings' directory.
func New(settings simcloud.Settings, engine simcloud.Engine) (*Provider, error) {
	host, err := simcloud.NewHost("kubernetes", settings, engine)
	if err != nil {
		return nil, err
	}
	return &Provider{host: host}, nil
}

// Handshake announces what Configure also announces.
func (*Provider) Handshake(context.Context, *pulumirpc.ProviderHandshakeRequest) (*pulumirpc.ProviderHandshakeResponse, error) {
	return &pulumirpc.ProviderHandshakeResponse{AcceptSecrets: true, AcceptResources: true}, nil
}

// settings of the official plugin that a program may give.
var settings = map[string]bool{
	"kubeconfig": true, "context": true, "cluster": true, "namespace": true, "clusterIdentifier": true, "enableServerSideApply": true,
	"enableConfigMapMutable": true, "enableSecretMutable": true, "suppressDeprecationWarnings": true, "suppressHelmHookWarnings": true,
	"deleteUnreachable": true, "skipUpdateUnreachable": true, "upsertExistingObjects": true, "enablePatchForce": true,
	"kubeClientSettings": true, "helmReleaseSettings": true, "renderYamlToDirectory": true, "alwaysRender": true, "strictMode": true,
	"skipAwait": true, "version": true,
}

// CheckConfig reports settings that do not exist.
func (p *Provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	news, err := simcloud.Decode(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	var failures []*pulumirpc.CheckFailure
	for name := range simcloud.Plain(news) {
		if !settings[name] {
			failures = append(failures, &pulumirpc.CheckFailure{Property: name, Reason: simulated + name + " is not a setting of the kubernetes provider"})
		}
	}
	return &pulumirpc.CheckResponse{Inputs: req.GetNews(), Failures: failures}, nil
}

// DiffConfig replaces the provider, and with it every object, only when the
// cluster's identifier changes.
func (p *Provider) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := simcloud.Decode(req.GetUrn(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := simcloud.Decode(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	before, after := simcloud.Plain(olds), simcloud.Plain(news)
	response := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	for name := range settings {
		if name == "version" || simcloud.Same(before[name], after[name]) {
			continue
		}
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.Diffs = append(response.Diffs, name)
		// Without an identifier another endpoint is taken for another cluster.
		if name == "clusterIdentifier" || name == "kubeconfig" && after["clusterIdentifier"] == nil {
			response.Replaces = append(response.Replaces, name)
		}
	}
	return response, nil
}

// Configure reads the kubeconfig's endpoint.
func (p *Provider) Configure(ctx context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	p.host.Introduce(ctx)
	m, err := simcloud.Decode("the kubernetes provider", req.GetArgs())
	if err != nil {
		return nil, err
	}
	given := simcloud.Plain(m)
	if text, ok := given["kubeconfig"].(string); ok {
		if p.server, err = endpoint(text); err != nil {
			return nil, status.Error(codes.InvalidArgument, simulated+err.Error())
		}
	} else if given["kubeconfig"] == nil {
		return nil, status.Error(codes.InvalidArgument, simulated+"kubeconfig is not set, and a rehearsal must not reach for the machine's own cluster")
	}
	p.mutable = map[string]bool{
		"v1/ConfigMap": truth(given["enableConfigMapMutable"]), "v1/Secret": truth(given["enableSecretMutable"]),
	}
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, AcceptResources: true, SupportsPreview: true}, nil
}

// truth reads a setting, which an SDK sends as a boolean or as JSON.
func truth(value any) bool { return value == true || value == "true" }

// endpoint is the address of the cluster that the kubeconfig's current context
// names.
func endpoint(text string) (string, error) {
	var config struct {
		CurrentContext string `json:"current-context"`
		Contexts       []struct {
			Name    string `json:"name"`
			Context struct {
				Cluster string `json:"cluster"`
			} `json:"context"`
		} `json:"contexts"`
		Clusters []struct {
			Name    string `json:"name"`
			Cluster struct {
				Server string `json:"server"`
			} `json:"cluster"`
		} `json:"clusters"`
	}
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		return "", fmt.Errorf("reading the kubeconfig: %w", err)
	}
	for _, c := range config.Contexts {
		if c.Name != config.CurrentContext {
			continue
		}
		for _, cluster := range config.Clusters {
			if cluster.Name == c.Context.Cluster && cluster.Cluster.Server != "" {
				return cluster.Cluster.Server, nil
			}
		}
	}
	return "", fmt.Errorf("the kubeconfig's current context %q names no cluster with a server", config.CurrentContext)
}

// GetPluginInfo reports Version.
func (*Provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: Version}, nil
}

// Attach is for debuggers of the engine; there is nothing to do.
func (*Provider) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// Cancel ends all waiting.
func (p *Provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	p.host.Stop()
	return &emptypb.Empty{}, nil
}

// GetMapping reports that there is no Terraform provider behind this one.
func (*Provider) GetMapping(context.Context, *pulumirpc.GetMappingRequest) (*pulumirpc.GetMappingResponse, error) {
	return &pulumirpc.GetMappingResponse{}, nil
}

// Invoke refuses: charts and manifests are rendered by the official plugin.
func (*Provider) Invoke(_ context.Context, req *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	return nil, status.Errorf(codes.InvalidArgument, "%sthe simulation does not know the function %q", simulated, req.GetTok())
}

// clusters is the type of what the simulated AWS calls a cluster.
const clusters = "aws:eks/cluster:Cluster"

// cluster finds the EKS cluster with the provider's endpoint.
func (p *Provider) cluster(tx *simcloud.Tx) (*simcloud.Record, error) {
	for _, c := range tx.All(clusters) {
		if c.Properties.Text("endpoint") == p.server && c.Status == "active" && c.Account == p.host.Settings.Account {
			return c, nil
		}
	}
	address := p.server
	if parsed, err := url.Parse(p.server); err == nil && parsed.Host != "" {
		address = parsed.Host
	}
	return nil, fmt.Errorf("configured Kubernetes cluster is unreachable: dial tcp: lookup %s: no such host", address)
}

// region under which the cloud keeps the objects of a cluster. It ends with the
// cluster: another of the same name has another endpoint.
func (p *Provider) region() string {
	host := strings.TrimPrefix(p.server, "https://")
	label, _, _ := strings.Cut(host, ".")
	return "cluster-" + strings.ToLower(label)
}

// kindOf is the apiVersion/kind of a resource, such as apps/v1/Deployment.
func kindOf(urn string) (token, kind string, err error) {
	parsed, err := resource.ParseURN(urn)
	if err != nil {
		return "", "", status.Errorf(codes.InvalidArgument, "%s%v", simulated, err)
	}
	token = string(parsed.Type())
	parts := strings.Split(token, ":")
	if len(parts) != 3 || strings.HasPrefix(parts[1], "helm.sh/") || strings.HasPrefix(parts[1], "yaml") || strings.HasPrefix(parts[1], "kustomize") ||
		strings.HasSuffix(parts[2], "Patch") || strings.HasSuffix(parts[2], "List") {
		return "", "", status.Errorf(codes.InvalidArgument, "%sthe simulation does not know the resource type %q and so cannot vouch for it", simulated, token)
	}
	return token, strings.TrimPrefix(parts[1], "core/") + "/" + parts[2], nil
}

// brought are the kinds without a namespace that come with an EKS add-on.
var brought = map[string]string{"snapshot.storage.k8s.io/v1/VolumeSnapshotClass": "snapshot-controller"}

// definitionOf finds what is known of a kind: built in, or defined in the
// cluster by a custom resource definition.
func definitionOf(tx *simcloud.Tx, region, kind string) (d *definition, namespaced bool, err error) {
	if built, ok := known.Kinds[kind]; ok {
		return known.Definitions[built.Definition], built.Namespaced, nil
	}
	parts := strings.Split(kind, "/")
	if len(parts) == 3 {
		for _, crd := range tx.All("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition") {
			spec := crd.Properties.Object("spec")
			if crd.Region != region || spec.Text("group") != parts[0] || spec.Text("names.kind") != parts[2] {
				continue
			}
			for _, version := range spec.Objects("versions") {
				if version.Text("name") != parts[1] || !version.Flag("served") {
					continue
				}
				raw, err := json.Marshal(version.At("schema.openAPIV3Schema"))
				if err != nil {
					return nil, false, err
				}
				d := &definition{}
				if err := json.Unmarshal(raw, d); err != nil {
					return nil, false, fmt.Errorf("reading the schema of %s: %w", crd.ID, err)
				}
				return d, spec.Text("scope") == "Namespaced", nil
			}
		}
	}
	// Nothing is known of the fields of kinds that an add-on brings.
	if addon, ok := brought[kind]; ok {
		for _, a := range tx.All("aws:eks/addon:Addon") {
			if a.Status == "active" && a.Properties["addonName"] == addon {
				return &definition{Preserve: true}, false, nil
			}
		}
		return nil, false, fmt.Errorf("no matches for kind %q: its definition comes with the add-on %s, which is not there", kind, addon)
	}
	version := strings.Join(parts[:len(parts)-1], "/")
	return nil, false, fmt.Errorf("no matches for kind %q in version %q: its definition is not in the cluster", parts[len(parts)-1], version)
}
