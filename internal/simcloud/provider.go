package simcloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Provider answers the engine's calls from a simulated cloud.
type Provider struct {
	pulumirpc.UnimplementedResourceProviderServer

	*Host

	// Set by Configure.
	region      string
	defaultTags map[string]any
}

// New makes a provider on the simulated cloud in the settings' directory.
func New(settings Settings, engine Engine) (*Provider, error) {
	host, err := NewHost("aws", settings, engine)
	if err != nil {
		return nil, err
	}
	return &Provider{Host: host}, nil
}

// Handshake announces what Configure also announces.
func (*Provider) Handshake(context.Context, *pulumirpc.ProviderHandshakeRequest) (*pulumirpc.ProviderHandshakeResponse, error) {
	return &pulumirpc.ProviderHandshakeResponse{AcceptSecrets: true, AcceptResources: true, SupportsAutonamingConfiguration: true}, nil
}

// CheckConfig reports settings of the provider that do not exist, a region that
// does not, and a missing one.
func (p *Provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	news, err := Decode(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	given := configuration(news)
	delete(given, "version")
	var failures []*pulumirpc.CheckFailure
	report := func(path, problem string) {
		failures = append(failures, &pulumirpc.CheckFailure{Property: path, Reason: simulated + path + " " + problem})
	}
	checkObject("the aws provider", "", schema.Provider, given, report)
	switch region := given["region"].(type) {
	case nil:
		report("region", "is required and not set")
	case string:
		if _, ok := regions[region]; !ok {
			report("region", fmt.Sprintf("is %q, which is not a region; there are %s", region, strings.Join(slices.Sorted(maps.Keys(regions)), ", ")))
		}
	}
	return &pulumirpc.CheckResponse{Inputs: req.GetNews(), Failures: failures}, nil
}

// configuration is the provider's configuration as plain values: the engine
// hands over what is not a string as JSON.
func configuration(m resource.PropertyMap) Props {
	given := Plain(m)
	for name, v := range given {
		text, ok := v.(string)
		if !ok || schema.Provider[name].Type == "string" {
			continue
		}
		var parsed any
		if json.Unmarshal([]byte(text), &parsed) == nil {
			given[name] = parsed
		}
	}
	return given
}

// DiffConfig replaces the provider when it moves to another region: nothing of
// the old one exists there.
func (p *Provider) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := Decode(req.GetUrn(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := Decode(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	before, after := configuration(olds), configuration(news)
	response := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	for name := range schema.Provider {
		if Same(before[name], after[name]) {
			continue
		}
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.Diffs = append(response.Diffs, name)
		if name == "region" && before[name] != nil {
			response.Replaces = append(response.Replaces, name)
		}
	}
	return response, nil
}

// Configure opens the account: it refuses credentials that are no good and an
// account that the program does not want, as the official plugin does.
func (p *Provider) Configure(ctx context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	p.Introduce(ctx)
	m, err := Decode("the aws provider", req.GetArgs())
	if err != nil {
		return nil, err
	}
	given := configuration(m)
	p.region = given.Text("region")
	p.defaultTags, _ = given.At("defaultTags.tags").(map[string]any)
	if err := p.authenticate(given); err != nil {
		return nil, status.Error(codes.InvalidArgument, simulated+"configuring the aws provider: "+err.Error())
	}
	return &pulumirpc.ConfigureResponse{AcceptSecrets: true, AcceptResources: true, SupportsPreview: true, SupportsAutonamingConfiguration: true}, nil
}

const simulated = "SIMULATED aws: "

func (p *Provider) authenticate(given Props) error {
	switch p.Settings.Credentials {
	case "expired":
		return errors.New("retrieving credentials: operation error STS: GetCallerIdentity, api error ExpiredToken: " +
			"The security token included in the request is expired; sign in again")
	case "missing":
		return errors.New("no valid credential sources found: set AWS_PROFILE or sign in, and try again")
	}
	for _, allowed := range []string{"allowedAccountIds", "forbiddenAccountIds"} {
		list := given.Texts(allowed)
		listed := slices.Contains(list, p.Settings.Account)
		if len(list) > 0 && listed == (allowed == "forbiddenAccountIds") {
			return fmt.Errorf("AWS account ID not allowed: %s; %s is %s", p.Settings.Account, allowed, strings.Join(list, ", "))
		}
	}
	return nil
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
	p.Stop()
	return &emptypb.Empty{}, nil
}

// GetMapping reports that there is no Terraform provider behind this one.
func (*Provider) GetMapping(context.Context, *pulumirpc.GetMappingRequest) (*pulumirpc.GetMappingResponse, error) {
	return &pulumirpc.GetMappingResponse{}, nil
}

// GetSchema refuses: a program is written against the official schema.
func (*Provider) GetSchema(context.Context, *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	return nil, status.Error(codes.Unimplemented, simulated+"the simulation has no schema of its own; install the official plugin for it")
}

// kindOf finds the table entry of a resource.
func kindOf(urn string) (*kind, error) {
	parsed, err := resource.ParseURN(urn)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "%s%v", simulated, err)
	}
	if k, ok := kinds[string(parsed.Type())]; ok {
		return k, nil
	}
	return nil, status.Errorf(codes.InvalidArgument,
		"%sthe simulation does not know the resource type %q and so cannot vouch for it; add it to internal/simcloud", simulated, parsed.Type())
}
