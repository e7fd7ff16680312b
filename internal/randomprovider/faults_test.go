package randomprovider

import (
	"context"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckReportsFaultsWithTheirPath(t *testing.T) {
	tests := []struct {
		title, name string
		inputs      props
		want        []string
	}{
		{"nothing wrong", "RandomPassword", props{"length": 1, "keepers": props{"a": "1", "b": nil}}, nil},
		{"missing", "RandomPassword", props{}, []string{"length is required and not set"}},
		{"null", "RandomBytes", props{"length": nil}, []string{"length is required and not set"}},
		{"negative", "RandomPassword", props{"length": -1}, []string{"length is -1, must be at least 1"}},
		{"too long", "RandomString", props{"length": longest + 1}, []string{"length is 1048577, must be at most 1048576"}},
		{"fraction", "RandomString", props{"length": 1.5}, []string{"length is 1.5, must be a whole number between -2^53 and 2^53"}},
		{"wrong type", "RandomString", props{"length": "9"}, []string{"length must be an integer, not a string"}},
		{"secret of the wrong type", "RandomString", props{"length": 9, "upper": sealed{"x"}}, []string{"upper must be a boolean, not a string"}},
		{
			"several at once", "RandomPassword", props{"width": 9, "special": 1, "keepers": props{"a.b": 3}},
			[]string{
				"width is not an input of RandomPassword, which takes keepers, length, lower, minLower, minNumeric, minSpecial, minUpper, number, numeric, overrideSpecial, special, upper",
				`keepers["a.b"] must be a string, not a number`,
				"length is required and not set",
				"special must be a boolean, not a number",
			},
		},
		{
			"minimums above length", "RandomPassword", props{"length": 7, "minLower": 2, "minUpper": 2, "minNumeric": 2, "minSpecial": 2},
			[]string{"length is 7, but minLower, minUpper, minNumeric and minSpecial add up to 8"},
		},
		{
			"minimums above length, one unknown", "RandomPassword", props{"length": 7, "minLower": unknownValue{}, "minUpper": 8},
			[]string{"length is 7, but minLower, minUpper, minNumeric and minSpecial add up to 8"},
		},
		{"negative minimum", "RandomPassword", props{"length": 7, "minUpper": -2}, []string{"minUpper is -2, must be at least 0"}},
		{
			"no characters left", "RandomString", props{"length": 7, "lower": false, "upper": false, "numeric": false, "special": false},
			[]string{"lower is false, as are upper, numeric and special: at least one of the four must be true"},
		},
		{
			"number against numeric", "RandomString", props{"length": 7, "number": true, "numeric": false},
			[]string{"number is the older name of numeric and says the opposite of it; set only numeric"},
		},
		{"an output as input", "RandomId", props{"byteLength": 1, "hex": "00"}, []string{"hex is not an input of RandomId, which takes byteLength, keepers, prefix"}},
		{"no bytes", "RandomId", props{"byteLength": 0}, []string{"byteLength is 0, must be at least 1"}},
		{"no bytes either", "RandomBytes", props{"length": 0}, []string{"length is 0, must be at least 1"}},
		{"crossed bounds", "RandomInteger", props{"min": 2, "max": 1}, []string{"min is 2, must not be above max, which is 1"}},
		{"no words", "RandomPet", props{"length": 0}, []string{"length is 0, must be between 1 and 256 words"}},
		{"wrong element", "RandomShuffle", props{"inputs": []any{"a", 1.0}}, []string{"inputs[1] must be a string, not a number"}},
		{"not a list", "RandomShuffle", props{"inputs": "a"}, []string{"inputs must be a list of strings, not a string"}},
		{"negative count", "RandomShuffle", props{"inputs": []any{"a"}, "resultCount": -1}, []string{"resultCount is -1, must be between 0 and 1048576"}},
		{"not a map", "RandomUuid", props{"keepers": []any{"a"}}, []string{"keepers must be a map of strings, not a list"}},
	}
	for _, test := range tests {
		t.Run(test.title, func(t *testing.T) {
			assert.Equal(t, test.want, check(t, test.name, test.inputs))
		})
	}
}

// A preview does not know every value; what it does not know is no fault.
func TestCheckBearsWithUnknownValues(t *testing.T) {
	u := unknownValue{}
	for _, test := range []struct {
		name   string
		inputs props
	}{
		{"RandomPassword", props{"length": u, "minLower": 100}},
		{"RandomPassword", props{"length": 3, "minLower": u, "minUpper": 2}},
		{"RandomPassword", props{"length": 3, "lower": false, "upper": false, "special": false, "numeric": u}},
		{"RandomPassword", props{"length": 3, "number": u, "numeric": true}},
		{"RandomPassword", props{"length": 3, "keepers": u}},
		{"RandomPassword", props{"length": 3, "keepers": props{"a": u}}},
		{"RandomInteger", props{"min": 5, "max": u}},
		{"RandomId", props{"byteLength": u}},
		{"RandomPet", props{"length": u}},
		{"RandomShuffle", props{"inputs": []any{property(u)}, "resultCount": u}},
	} {
		assert.Empty(t, check(t, test.name, test.inputs), "%s %v", test.name, test.inputs)
	}
}

func TestOtherTokensAreRefusedWithAWayOut(t *testing.T) {
	p, ctx := &Provider{}, context.Background()
	odd := urn("random:index/randomDice:RandomDice")
	calls := map[string]func() error{
		"check":  func() error { _, err := p.Check(ctx, &pulumirpc.CheckRequest{Urn: odd}); return err },
		"create": func() error { _, err := p.Create(ctx, &pulumirpc.CreateRequest{Urn: odd}); return err },
		"diff":   func() error { _, err := p.Diff(ctx, &pulumirpc.DiffRequest{Urn: odd}); return err },
		"update": func() error { _, err := p.Update(ctx, &pulumirpc.UpdateRequest{Urn: odd}); return err },
		"read":   func() error { _, err := p.Read(ctx, &pulumirpc.ReadRequest{Urn: odd}); return err },
		"delete": func() error { _, err := p.Delete(ctx, &pulumirpc.DeleteRequest{Urn: odd}); return err },
		"invoke": func() error {
			_, err := p.Invoke(ctx, &pulumirpc.InvokeRequest{Tok: "random:index/randomDice:RandomDice"})
			return err
		},
	}
	for title, call := range calls {
		err := call()
		require.Error(t, err, title)
		assert.Contains(t, err.Error(), "random:index/randomDice:RandomDice", title)
		assert.Contains(t, err.Error(), "pulumi plugin install resource random "+Version, title)
	}
}
