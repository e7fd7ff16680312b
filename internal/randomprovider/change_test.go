package randomprovider

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

func TestEveryInputReplaces(t *testing.T) {
	tests := []struct {
		name     string
		old, new props
		replaces []string
		details  map[string]pulumirpc.PropertyDiff_Kind
	}{
		{"RandomPassword", props{"length": 9}, props{"length": 9}, nil, nil},
		{
			"RandomPassword", props{"length": 9},
			props{"length": 9, "lower": true, "minLower": 0, "numeric": true, "number": true, "keepers": props{}},
			nil, nil,
		},
		{"RandomPassword", props{"length": 9, "number": false}, props{"length": 9, "numeric": false}, nil, nil},
		{
			"RandomPassword", props{"length": 9}, props{"length": 10, "upper": false},
			[]string{"length", "upper"},
			map[string]pulumirpc.PropertyDiff_Kind{"length": pulumirpc.PropertyDiff_UPDATE_REPLACE, "upper": pulumirpc.PropertyDiff_UPDATE_REPLACE},
		},
		{
			"RandomPassword", props{"length": 9, "keepers": props{"same": "x", "gone": "x", "other": "x"}},
			props{"length": 9, "keepers": props{"same": "x", "other": "y", "new.one": "x"}},
			[]string{"keepers"},
			map[string]pulumirpc.PropertyDiff_Kind{
				"keepers.gone": pulumirpc.PropertyDiff_DELETE_REPLACE, "keepers.other": pulumirpc.PropertyDiff_UPDATE_REPLACE,
				`keepers["new.one"]`: pulumirpc.PropertyDiff_ADD_REPLACE,
			},
		},
		{"RandomPassword", props{"length": 9, "keepers": props{"a": "x"}}, props{"length": 9, "keepers": props{"a": sealed{"x"}, "b": nil}}, nil, nil},
		{"RandomPassword", props{"length": 9}, props{"length": 9, "keepers": props{"a": nil}}, nil, nil},
		{
			"RandomPassword", props{"length": 9}, props{"length": 9, "keepers": props{"a": unknownValue{}}}, []string{"keepers"},
			map[string]pulumirpc.PropertyDiff_Kind{"keepers": pulumirpc.PropertyDiff_ADD_REPLACE},
		},
		{
			"RandomString", props{"length": 9}, props{"length": 9, "overrideSpecial": "#"}, []string{"overrideSpecial"},
			map[string]pulumirpc.PropertyDiff_Kind{"overrideSpecial": pulumirpc.PropertyDiff_ADD_REPLACE},
		},
		{
			"RandomBytes", props{"length": 9}, props{"length": unknownValue{}}, []string{"length"},
			map[string]pulumirpc.PropertyDiff_Kind{"length": pulumirpc.PropertyDiff_UPDATE_REPLACE},
		},
		{
			"RandomId", props{"byteLength": 4, "prefix": "a"}, props{"byteLength": 5}, []string{"byteLength", "prefix"},
			map[string]pulumirpc.PropertyDiff_Kind{"byteLength": pulumirpc.PropertyDiff_UPDATE_REPLACE, "prefix": pulumirpc.PropertyDiff_DELETE_REPLACE},
		},
		{
			"RandomInteger", props{"min": 1, "max": 3}, props{"min": 1, "max": 4, "seed": "x"}, []string{"max", "seed"},
			map[string]pulumirpc.PropertyDiff_Kind{"max": pulumirpc.PropertyDiff_UPDATE_REPLACE, "seed": pulumirpc.PropertyDiff_ADD_REPLACE},
		},
		{"RandomPet", props{}, props{"length": 2, "separator": "-"}, nil, nil},
		{
			"RandomPet", props{}, props{"separator": "_"}, []string{"separator"},
			map[string]pulumirpc.PropertyDiff_Kind{"separator": pulumirpc.PropertyDiff_UPDATE_REPLACE},
		},
		{
			"RandomShuffle", props{"inputs": []any{"a", "b"}}, props{"inputs": []any{"a", "c", "d"}, "resultCount": 1}, []string{"inputs", "resultCount"},
			map[string]pulumirpc.PropertyDiff_Kind{
				"inputs[1]": pulumirpc.PropertyDiff_UPDATE_REPLACE, "inputs[2]": pulumirpc.PropertyDiff_ADD_REPLACE,
				"resultCount": pulumirpc.PropertyDiff_ADD_REPLACE,
			},
		},
		{
			"RandomUuid", props{"keepers": props{"a": "1"}}, props{}, []string{"keepers"},
			map[string]pulumirpc.PropertyDiff_Kind{"keepers": pulumirpc.PropertyDiff_DELETE_REPLACE},
		},
	}
	for _, test := range tests {
		_, state := create(t, test.name, test.old)
		got := diff(t, test.name, state, test.new)
		assert.Equal(t, test.replaces, got.GetReplaces(), "%s %v", test.name, test.new)
		assert.Equal(t, test.replaces, got.GetDiffs())
		want := pulumirpc.DiffResponse_DIFF_SOME
		if test.replaces == nil {
			want = pulumirpc.DiffResponse_DIFF_NONE
		}
		assert.Equal(t, want, got.GetChanges(), "%s %v", test.name, test.new)
		details := map[string]pulumirpc.PropertyDiff_Kind{}
		for path, d := range got.GetDetailedDiff() {
			details[path] = d.GetKind()
		}
		if test.details == nil {
			test.details = map[string]pulumirpc.PropertyDiff_Kind{}
		}
		assert.Equal(t, test.details, details)
	}
}

// An old release stored "" for an unset overrideSpecial. Leaving it out must
// not replace the password; setting it to "" on purpose does, as it always did.
func TestUnsettingAnEmptyOverrideKeepsThePassword(t *testing.T) {
	_, state := create(t, "RandomPassword", props{"length": 9, "overrideSpecial": ""})
	got := diff(t, "RandomPassword", state, props{"length": 9})
	assert.Equal(t, pulumirpc.DiffResponse_DIFF_SOME, got.GetChanges())
	assert.Empty(t, got.GetReplaces())

	response, err := (&Provider{}).Update(context.Background(), &pulumirpc.UpdateRequest{
		Urn: urn(token("RandomPassword")), Olds: wire(t, state), News: wire(t, properties(props{"length": 9})),
	})
	require.NoError(t, err)
	updated := unwire(t, response.GetProperties())
	assert.Equal(t, state["result"], updated["result"])
	assert.NotContains(t, updated, resource.PropertyKey("overrideSpecial"))
	assert.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, diff(t, "RandomPassword", updated, props{"length": 9}).GetChanges())

	back := diff(t, "RandomPassword", updated, props{"length": 9, "overrideSpecial": ""})
	assert.Equal(t, []string{"overrideSpecial"}, back.GetReplaces())
}

// States written before min* had stored defaults must not be replaced.
func TestStateWithoutDefaultsIsNotReplaced(t *testing.T) {
	got := diff(t, "RandomPassword", properties(props{"length": 9, "result": "abc"}), props{"length": 9})
	assert.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, got.GetChanges())
}

func TestPreviewInventsNothing(t *testing.T) {
	for _, k := range kinds {
		inputs := map[string]props{
			"RandomPassword": {"length": 9}, "RandomString": {"length": 9}, "RandomBytes": {"length": 9},
			"RandomId": {"byteLength": 9, "prefix": "x"}, "RandomInteger": {"min": 1, "max": 1, "seed": "x"},
			"RandomShuffle": {"inputs": []any{"a"}, "seed": "x"}, "RandomPet": {},
		}[k.name]
		response, err := (&Provider{}).Create(context.Background(), &pulumirpc.CreateRequest{
			Urn: urn(k.token()), Properties: wire(t, properties(inputs)), Preview: true,
		})
		require.NoError(t, err)
		assert.Empty(t, response.GetId())
		out := unwire(t, response.GetProperties())
		for _, f := range k.outputs {
			assert.True(t, out[f.name].ContainsUnknowns(), "%s.%s", k.name, f.name)
			assert.Equal(t, f.secret, out[f.name].IsSecret(), "%s.%s", k.name, f.name)
		}
		assert.NotContains(t, out, resource.PropertyKey("id"))
		for key := range inputs {
			assert.False(t, out[resource.PropertyKey(key)].ContainsUnknowns(), "%s.%s", k.name, key)
		}
	}
}

func TestImport(t *testing.T) {
	tests := []struct {
		name, id, wantID string
		inputs           props
		outputs          props
	}{
		{"RandomPassword", "sécret", "none", props{"length": 6}, props{"result": sealed{"sécret"}, "upper": true, "minLower": 0}},
		{"RandomString", "abc", "abc", props{"length": 3}, props{"result": "abc"}},
		{"RandomBytes", "8/fu3q+2DcgSJ19i0jZ5Cw==", "none", props{"length": 16}, props{"hex": sealed{"f3f7eedeafb60dc812275f62d236790b"}}},
		{"RandomId", "p-9hUg", "p-9hUg", props{"byteLength": 4}, props{"b64Url": "p-9hUg", "hex": "a7ef6152", "dec": "2817483090"}},
		{"RandomId", "my,prefix-,p-9hUg", "p-9hUg", props{"byteLength": 4, "prefix": "my,prefix-"}, props{"b64Std": "my,prefix-p+9hUg=="}},
		{"RandomInteger", "15390,1,50000", "15390", props{"min": 1, "max": 50000}, props{"result": 15390}},
		{"RandomInteger", "3,1,3,12345", "3", props{"min": 1, "max": 3, "seed": "12345"}, props{"result": 3}},
		{"RandomUuid", "AABBCCDD-eeff-0011-2233-445566778899", "aabbccdd-eeff-0011-2233-445566778899", props{}, props{"result": "aabbccdd-eeff-0011-2233-445566778899"}},
	}
	for _, test := range tests {
		response, err := read(t, test.name, test.id)
		require.NoError(t, err)
		assert.Equal(t, test.wantID, response.GetId())
		assert.Equal(t, properties(test.inputs), unwire(t, response.GetInputs()))
		out := unwire(t, response.GetProperties())
		for key, want := range properties(test.outputs) {
			assert.Equal(t, want, out[key], "%s.%s", test.name, key)
		}
		again := diff(t, test.name, out, test.inputs)
		assert.Equal(t, pulumirpc.DiffResponse_DIFF_NONE, again.GetChanges(), "the next update of an imported %s", test.name)
	}
}

func TestImportRefusesWhatItCannotRead(t *testing.T) {
	for _, test := range []struct{ name, id, want string }{
		{"RandomPet", "brave-fox", "cannot be imported"},
		{"RandomShuffle", "-", "cannot be imported"},
		{"RandomId", "!", `"!" is not base64`},
		{"RandomBytes", "s3cret!", "is the secret in base64"},
		{"RandomInteger", "1,2", `"1,2" is not RESULT,MIN,MAX`},
		{"RandomInteger", "1,x,3", `MIN in "1,x,3" is "x"`},
		{"RandomUuid", "aabbccddeeff00112233445566778899", "is not a UUID"},
	} {
		_, err := read(t, test.name, test.id)
		require.Error(t, err, test.id)
		assert.Contains(t, err.Error(), test.want)
		assert.NotContains(t, err.Error(), "s3cret")
	}
}

func TestReadOfAKnownResourceReturnsItsState(t *testing.T) {
	id, state := create(t, "RandomPassword", props{"length": 9})
	response, err := (&Provider{}).Read(context.Background(), &pulumirpc.ReadRequest{
		Urn: urn(token("RandomPassword")), Id: id,
		Properties: wire(t, state), Inputs: wire(t, properties(props{"length": 9})),
	})
	require.NoError(t, err)
	assert.Equal(t, id, response.GetId())
	assert.Equal(t, state, unwire(t, response.GetProperties()))
	assert.Equal(t, properties(props{"length": 9}), unwire(t, response.GetInputs()))
}

func TestSchemaDescribesEveryKind(t *testing.T) {
	response, err := (&Provider{}).GetSchema(context.Background(), &pulumirpc.GetSchemaRequest{})
	require.NoError(t, err)
	var schema schemaPackage
	require.NoError(t, json.Unmarshal([]byte(response.GetSchema()), &schema))
	assert.Equal(t, "random", schema.Name)
	assert.Equal(t, Version, schema.Version)
	for token := range kinds {
		assert.Contains(t, schema.Resources, token)
	}
	password := schema.Resources[token("RandomPassword")]
	assert.Equal(t, []string{"length"}, password.RequiredInputs)
	assert.True(t, password.Properties["result"].Secret)
	assert.True(t, password.InputProperties["length"].WillReplaceOnChanges)
	assert.NotContains(t, password.InputProperties, "result")

	_, err = (&Provider{}).GetSchema(context.Background(), &pulumirpc.GetSchemaRequest{Version: 1})
	assert.Error(t, err)
}

// The SDK asks the engine for its own version, so the two must move together.
func TestVersionIsTheSDKs(t *testing.T) {
	body, err := os.ReadFile(filepath.Join("..", "..", "go.mod"))
	require.NoError(t, err)
	module, err := modfile.Parse("go.mod", body, nil)
	require.NoError(t, err)
	for _, required := range module.Require {
		if strings.HasPrefix(required.Mod.Path, "github.com/pulumi/pulumi-random/sdk/") {
			assert.Equal(t, "v"+Version, required.Mod.Version)
			return
		}
	}
	t.Error("go.mod does not require pulumi-random")
}
