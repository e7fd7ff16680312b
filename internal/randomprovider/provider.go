package randomprovider

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Provider answers the engine's calls. The zero value is ready; it holds no
// state, everything a resource is lives in the stack's state.
type Provider struct {
	pulumirpc.UnimplementedResourceProviderServer
}

// Handshake announces what Configure also announces.
func (*Provider) Handshake(context.Context, *pulumirpc.ProviderHandshakeRequest) (*pulumirpc.ProviderHandshakeResponse, error) {
	return &pulumirpc.ProviderHandshakeResponse{AcceptSecrets: true, AcceptResources: true}, nil
}

// Configure accepts any configuration, because there is nothing to configure.
func (*Provider) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, AcceptResources: true, SupportsPreview: true}, nil
}

// CheckConfig accepts any configuration.
func (*Provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

// DiffConfig never replaces the provider: its resources do not depend on it.
func (*Provider) DiffConfig(context.Context, *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}, nil
}

// GetPluginInfo reports Version.
func (*Provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: Version}, nil
}

// Attach is for debuggers of the engine; there is nothing to do.
func (*Provider) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// Cancel has nothing to interrupt: no call takes longer than a hash.
func (*Provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// GetMapping reports that there is no Terraform provider behind this one.
func (*Provider) GetMapping(context.Context, *pulumirpc.GetMappingRequest) (*pulumirpc.GetMappingResponse, error) {
	return &pulumirpc.GetMappingResponse{}, nil
}

// Invoke fails: the random package has no functions.
func (*Provider) Invoke(_ context.Context, req *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	return nil, notServed(fmt.Sprintf("the function %q", req.GetTok()), "resources only")
}

// Check reports every fault in a resource's inputs and passes them on as they
// are; defaults are filled in later, so that they never show up as changes.
func (*Provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	k, news, err := decode(req.GetUrn(), req.GetNews(), "checking")
	if err != nil {
		return nil, err
	}
	var failures []*pulumirpc.CheckFailure
	k.faults(news, func(path, problem string) {
		failures = append(failures, &pulumirpc.CheckFailure{Property: path, Reason: path + " " + problem})
	})
	return &pulumirpc.CheckResponse{Inputs: req.GetNews(), Failures: failures}, nil
}

// Create generates a resource. A preview only says what is known before.
func (*Provider) Create(_ context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	k, news, err := decode(req.GetUrn(), req.GetProperties(), "creating")
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		properties, err := encode(k.preview(news))
		return &pulumirpc.CreateResponse{Properties: properties}, err
	}
	m, err := k.make(k.resolve(news))
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", req.GetUrn(), err)
	}
	properties, err := encode(k.state(news, m))
	return &pulumirpc.CreateResponse{Id: m.id, Properties: properties}, err
}

// Diff compares the inputs with those the resource was made from.
func (*Provider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	k, olds, err := decode(req.GetUrn(), req.GetOlds(), "comparing")
	if err != nil {
		return nil, err
	}
	_, news, err := decode(req.GetUrn(), req.GetNews(), "comparing")
	if err != nil {
		return nil, err
	}
	return k.diff(olds, news), nil
}

// Update takes over the inputs that may change without a replacement.
func (*Provider) Update(_ context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	k, olds, err := decode(req.GetUrn(), req.GetOlds(), "updating")
	if err != nil {
		return nil, err
	}
	_, news, err := decode(req.GetUrn(), req.GetNews(), "updating")
	if err != nil {
		return nil, err
	}
	properties, err := encode(k.update(olds, news))
	return &pulumirpc.UpdateResponse{Properties: properties}, err
}

// Read imports a resource of which only the ID is known. Of one in the state
// there is nothing to read: the state is all there is.
func (*Provider) Read(_ context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	k, olds, err := decode(req.GetUrn(), req.GetProperties(), "reading")
	if err != nil {
		return nil, err
	}
	if len(olds) > 0 {
		return &pulumirpc.ReadResponse{Id: req.GetId(), Properties: req.GetProperties(), Inputs: req.GetInputs()}, nil
	}
	if k.adopt == nil {
		return nil, status.Errorf(codes.InvalidArgument,
			"a %s cannot be imported: its ID does not say what it was made from", k.name)
	}
	m, err := k.adopt(req.GetId())
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "importing a %s: %v", k.name, err)
	}
	properties, err := encode(k.state(m.inputs, m))
	if err != nil {
		return nil, err
	}
	inputs, err := encode(m.inputs)
	return &pulumirpc.ReadResponse{Id: m.id, Properties: properties, Inputs: inputs}, err
}

// Delete forgets: a random value exists nowhere but in the state.
func (*Provider) Delete(_ context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	if _, _, err := decode(req.GetUrn(), nil, "deleting"); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

func decode(urn string, properties *structpb.Struct, doing string) (*kind, resource.PropertyMap, error) {
	parsed, err := resource.ParseURN(urn)
	if err != nil {
		return nil, nil, status.Errorf(codes.InvalidArgument, "%s a resource: %v", doing, err)
	}
	k, err := find(string(parsed.Type()))
	if err != nil {
		return nil, nil, err
	}
	decoded, err := plugin.UnmarshalProperties(properties, plugin.MarshalOptions{
		Label: urn, KeepUnknowns: true, KeepSecrets: true,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: decoding its properties: %w", doing, urn, err)
	}
	return k, decoded, nil
}

func encode(properties resource.PropertyMap) (*structpb.Struct, error) {
	encoded, err := plugin.MarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	if err != nil {
		return nil, fmt.Errorf("encoding properties: %w", err)
	}
	return encoded, nil
}
