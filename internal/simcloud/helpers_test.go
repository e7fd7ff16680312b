package simcloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"
)

// thing is one resource of a test's program. Texts such as ${vpc.id} in its
// inputs are outputs of things before it.
type thing struct {
	name  string
	token string
	in    Props
	// region is the provider's; "" is eu-central-1.
	region string
}

// program is a list of things in an order in which they can be made.
type program []thing

// with returns a copy in which the inputs at path of the named thing are value;
// nil takes them away.
func (p program) with(name, path string, value any) program {
	copied := slices.Clone(p)
	i := slices.IndexFunc(copied, func(th thing) bool { return th.name == name })
	if i < 0 {
		panic("the program has no " + name)
	}
	copied[i].in = clone(copied[i].in).(map[string]any)
	if value == nil {
		delete(copied[i].in, path)
	} else {
		copied[i].in.Set(path, value)
	}
	return copied
}

// without returns a copy that lacks the named things.
func (p program) without(names ...string) program {
	return slices.DeleteFunc(slices.Clone(p), func(th thing) bool { return slices.Contains(names, th.name) })
}

// plus returns a copy with further things at its end.
func (p program) plus(more ...thing) program { return append(slices.Clone(p), more...) }

func clone(v any) any {
	switch v := v.(type) {
	case Props:
		return clone(map[string]any(v))
	case map[string]any:
		copied := map[string]any{}
		for key, element := range v {
			copied[key] = clone(element)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, element := range v {
			copied[i] = clone(element)
		}
		return copied
	case int:
		return float64(v)
	default:
		return v
	}
}

// cloud is a simulated cloud with a provider for each region.
type cloud struct {
	t         *testing.T
	settings  Settings
	providers map[string]*Provider
	made      map[string]resource.PropertyMap
	inputs    map[string]resource.PropertyMap
	ids       map[string]string
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	return &cloud{
		t: t, settings: Settings{Dir: t.TempDir(), Account: "123456789012", Credentials: "valid", Quotas: map[string]int{}},
		providers: map[string]*Provider{}, made: map[string]resource.PropertyMap{}, inputs: map[string]resource.PropertyMap{}, ids: map[string]string{},
	}
}

// provider of the region, configured as the engine does it.
func (c *cloud) provider(region string) *Provider {
	c.t.Helper()
	if region == "" {
		region = "eu-central-1"
	}
	if p, ok := c.providers[region]; ok {
		return p
	}
	p, err := New(c.settings, nil)
	require.NoError(c.t, err)
	_, err = p.Configure(context.Background(), &pulumirpc.ConfigureRequest{Args: wire(c.t, Wrap(Props{
		"region": region, "defaultTags": `{"tags":{"project":"slipway"}}`,
	}, nil))})
	require.NoError(c.t, err)
	c.providers[region] = p
	return p
}

func wire(t *testing.T, m resource.PropertyMap) *structpb.Struct {
	t.Helper()
	encoded, err := Encode(m)
	require.NoError(t, err)
	return encoded
}

func unwire(t *testing.T, s *structpb.Struct) resource.PropertyMap {
	t.Helper()
	decoded, err := Decode("a test", s)
	require.NoError(t, err)
	return decoded
}

func urnOf(th thing) string { return "urn:pulumi:test::tests::" + th.token + "::" + th.name }

var reference = regexp.MustCompile(`\$\{([\w-]+)\.([\w.\[\]]+)\}`)

// resolve fills references in; a thing that was not made gives a made-up ID.
func (c *cloud) resolve(v any) any {
	switch v := v.(type) {
	case string:
		if match := reference.FindStringSubmatch(v); match != nil && match[0] == v {
			return c.output(match[1], match[2])
		}
		return reference.ReplaceAllStringFunc(v, func(text string) string {
			match := reference.FindStringSubmatch(text)
			return fmt.Sprint(c.output(match[1], match[2]))
		})
	case map[string]any:
		for key, element := range v {
			v[key] = c.resolve(element)
		}
		return v
	case []any:
		for i, element := range v {
			v[i] = c.resolve(element)
		}
		return v
	default:
		return v
	}
}

func (c *cloud) output(name, path string) any {
	if path == "id" {
		if id, ok := c.ids[name]; ok {
			return id
		}
		return name + "-missing"
	}
	made, ok := c.made[name]
	if !ok {
		return name + "-missing"
	}
	values := Walk(map[string]any(Plain(made)), path)
	if len(values) == 0 {
		c.t.Fatalf("%s has no %s: %v", name, path, made)
	}
	return values[0].Value
}

// check hands the inputs to Check and returns them completed.
func (c *cloud) check(th thing) (resource.PropertyMap, error) {
	in, _ := c.resolve(clone(th.in)).(map[string]any)
	response, err := c.provider(th.region).Check(context.Background(), &pulumirpc.CheckRequest{
		Urn: urnOf(th), News: wire(c.t, Wrap(in, nil)), Olds: wire(c.t, c.inputs[th.name]),
	})
	if err != nil {
		return nil, err
	}
	var faults []error
	for _, failure := range response.GetFailures() {
		faults = append(faults, errors.New(failure.GetReason()))
	}
	return unwire(c.t, response.GetInputs()), errors.Join(faults...)
}

// make checks, previews and creates a thing.
func (c *cloud) make(th thing) error {
	inputs, err := c.check(th)
	if err != nil {
		return err
	}
	p := c.provider(th.region)
	if _, err := p.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urnOf(th), Properties: wire(c.t, inputs), Preview: true}); err != nil {
		return fmt.Errorf("previewing: %w", err)
	}
	response, err := p.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urnOf(th), Properties: wire(c.t, inputs)})
	if err != nil {
		return err
	}
	c.inputs[th.name], c.made[th.name], c.ids[th.name] = inputs, unwire(c.t, response.GetProperties()), response.GetId()
	return nil
}

// run makes the program's things and stops at the first that is refused, which
// it names.
func (c *cloud) run(p program) (string, error) {
	for _, th := range p {
		if err := c.make(th); err != nil {
			return th.name, err
		}
	}
	return "", nil
}

// diff compares what was made with the thing as it is described.
func (c *cloud) diff(th thing) *pulumirpc.DiffResponse {
	c.t.Helper()
	inputs, err := c.check(th)
	require.NoError(c.t, err)
	response, err := c.provider(th.region).Diff(context.Background(), &pulumirpc.DiffRequest{
		Id: c.ids[th.name], Urn: urnOf(th), Olds: wire(c.t, c.made[th.name]), OldInputs: wire(c.t, c.inputs[th.name]), News: wire(c.t, inputs),
	})
	require.NoError(c.t, err)
	return response
}

// change updates a thing in place.
func (c *cloud) change(th thing) error {
	inputs, err := c.check(th)
	if err != nil {
		return err
	}
	response, err := c.provider(th.region).Update(context.Background(), &pulumirpc.UpdateRequest{
		Id: c.ids[th.name], Urn: urnOf(th), Olds: wire(c.t, c.made[th.name]), News: wire(c.t, inputs), OldInputs: wire(c.t, c.inputs[th.name]),
	})
	if err != nil {
		return err
	}
	c.inputs[th.name], c.made[th.name] = inputs, unwire(c.t, response.GetProperties())
	return nil
}

// drop deletes a thing.
func (c *cloud) drop(th thing) error {
	_, err := c.provider(th.region).Delete(context.Background(), &pulumirpc.DeleteRequest{
		Id: c.ids[th.name], Urn: urnOf(th), Properties: wire(c.t, c.made[th.name]),
	})
	return err
}

// read refreshes a thing and returns what the engine would store.
func (c *cloud) read(th thing) *pulumirpc.ReadResponse {
	c.t.Helper()
	response, err := c.provider(th.region).Read(context.Background(), &pulumirpc.ReadRequest{
		Id: c.ids[th.name], Urn: urnOf(th), Properties: wire(c.t, c.made[th.name]), Inputs: wire(c.t, c.inputs[th.name]),
	})
	require.NoError(c.t, err)
	if response.GetId() != "" {
		c.made[th.name], c.inputs[th.name] = unwire(c.t, response.GetProperties()), unwire(c.t, response.GetInputs())
	}
	return response
}

// edit changes a thing behind the program's back.
func (c *cloud) edit(th thing, change func(r *Record)) {
	c.t.Helper()
	world, err := OpenWorld(c.settings.Dir)
	require.NoError(c.t, err)
	require.NoError(c.t, world.Do(func(tx *Tx) error {
		region := kinds[th.token].regionOf(c.provider(th.region).region)
		r := tx.Get(th.token, c.ids[th.name], region)
		require.NotNil(c.t, r, th.name)
		r.Properties = maps.Clone(r.Properties)
		change(r)
		tx.Put(r)
		return nil
	}))
}

func (p program) get(name string) thing {
	for _, th := range p {
		if th.name == name {
			return th
		}
	}
	panic("the program has no " + name)
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func trust(service string) string {
	return document(`{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"` + service + `"}}`)
}
