package randomprovider

import (
	"context"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"
)

// props are properties as a test writes them.
type props map[string]any

// unknownValue stands for a value that a preview does not know.
type unknownValue struct{}

// sealed stands for a secret.
type sealed struct{ value any }

func property(v any) resource.PropertyValue {
	switch v := v.(type) {
	case unknownValue:
		return resource.MakeComputed(resource.NewProperty(""))
	case sealed:
		return resource.MakeSecret(property(v.value))
	case int:
		return resource.NewProperty(float64(v))
	case props:
		return resource.NewProperty(properties(v))
	default:
		return resource.NewPropertyValue(v)
	}
}

func properties(p props) resource.PropertyMap {
	m := resource.PropertyMap{}
	for key, v := range p {
		m[resource.PropertyKey(key)] = property(v)
	}
	return m
}

func token(name string) string { return (&kind{name: name}).token() }

func urn(token string) string {
	return "urn:pulumi:test::tests::" + token + "::thing"
}

func wire(t *testing.T, m resource.PropertyMap) *structpb.Struct {
	t.Helper()
	encoded, err := encode(m)
	require.NoError(t, err)
	return encoded
}

func unwire(t *testing.T, s *structpb.Struct) resource.PropertyMap {
	t.Helper()
	decoded, err := plugin.UnmarshalProperties(s, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true})
	require.NoError(t, err)
	return decoded
}

// check returns the reasons for which a resource of the given name is refused.
func check(t *testing.T, name string, inputs props) []string {
	t.Helper()
	response, err := (&Provider{}).Check(context.Background(), &pulumirpc.CheckRequest{
		Urn: urn(token(name)), News: wire(t, properties(inputs)),
	})
	require.NoError(t, err)
	var reasons []string
	for _, failure := range response.GetFailures() {
		require.Contains(t, failure.GetReason(), failure.GetProperty())
		reasons = append(reasons, failure.GetReason())
	}
	return reasons
}

// create makes a resource whose inputs must be good.
func create(t *testing.T, name string, inputs props) (string, resource.PropertyMap) {
	t.Helper()
	require.Empty(t, check(t, name, inputs))
	response, err := (&Provider{}).Create(context.Background(), &pulumirpc.CreateRequest{
		Urn: urn(token(name)), Properties: wire(t, properties(inputs)),
	})
	require.NoError(t, err)
	return response.GetId(), unwire(t, response.GetProperties())
}

func diff(t *testing.T, name string, olds resource.PropertyMap, inputs props) *pulumirpc.DiffResponse {
	t.Helper()
	response, err := (&Provider{}).Diff(context.Background(), &pulumirpc.DiffRequest{
		Urn: urn(token(name)), Olds: wire(t, olds), News: wire(t, properties(inputs)),
	})
	require.NoError(t, err)
	return response
}

func read(t *testing.T, name, id string) (*pulumirpc.ReadResponse, error) {
	t.Helper()
	return (&Provider{}).Read(context.Background(), &pulumirpc.ReadRequest{Urn: urn(token(name)), Id: id})
}

func str(t *testing.T, m resource.PropertyMap, key resource.PropertyKey) string {
	t.Helper()
	value := plain(m[key])
	require.True(t, value.IsString(), "%s is %v", key, m[key])
	return value.StringValue()
}
