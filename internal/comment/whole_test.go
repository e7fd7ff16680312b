package comment

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/stretchr/testify/require"
)

// The file beside the comment has every property with its values, however long,
// and of secrets that they change.
func TestTheWholeHasEveryProperty(t *testing.T) {
	secret := map[string]any{"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}
	long := ""
	for range 50 {
		long += "a long value "
	}
	changed := step("update", deployment, "web")
	changed.Properties = map[string]apitype.PropertyDiff{"spec.replicas": {}, "spec.password": {}}
	changed.Old = &apitype.StepEventStateMetadata{Inputs: map[string]any{"spec": map[string]any{"replicas": 2, "note": "short", "password": secret}}}
	changed.New = &apitype.StepEventStateMetadata{Inputs: map[string]any{"spec": map[string]any{"replicas": 3, "note": long, "password": secret}}}
	made := step("create", "kubernetes:core/v1:Secret", "login")
	made.Properties = nil
	made.New = &apitype.StepEventStateMetadata{Inputs: map[string]any{"stringData": map[string]any{"password": "hunter2"}, "immutable": true, "uid": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}}
	gone := step("replace", statefulSet, "db")
	gone.Properties, gone.Keys, gone.New = nil, []string{"spec.serviceName"}, nil
	gone.Old = &apitype.StepEventStateMetadata{Inputs: map[string]any{"spec": map[string]any{"serviceName": "db"}}}
	text := stack("prod", made, changed, gone, step("same", deployment, "same")).Whole()
	require.Equal(t, `loses data: replace `+statefulSet+` db
    `+gone.URN+`
    cannot be changed in place: spec.serviceName
    spec: {"serviceName":"db"} => (none)
changes: update `+deployment+` web
    `+changed.URN+`
    spec.note: "short" => "`+long+`"
    spec.replicas: 2 => 3
    spec.password: (not shown) => (not shown)
adds: create kubernetes:core/v1:Secret login
    `+made.URN+`
    immutable: (none) => true
    stringData: (none) => [secret]
    uid: (none) => (known after the update)
`, text)
	require.Empty(t, Stack{Failed: "no route"}.Whole())
	require.Equal(t, "hunter2", made.New.Inputs["stringData"].(map[string]any)["password"], "what is shown was changed in the proposal")
}

// A property is hidden by itself and by what it is a part of, not by a name that
// begins alike.
func TestAPropertyIsWithinItsOwn(t *testing.T) {
	for _, test := range []struct {
		path, outer string
		want        bool
	}{
		{"spec.name", "spec", true}, {"spec[0]", "spec", true}, {"spec", "spec", true},
		{"namespace", "name", false}, {"dataKey", "data", false}, {"spec", "spec.name", false},
	} {
		require.Equal(t, test.want, within(test.path, test.outer), "%+v", test)
	}
}
