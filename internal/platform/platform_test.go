package platform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/paths"
)

type noTools struct{}

func (noTools) Path(name string) (string, error) { return "", fmt.Errorf("no %s", name) }
func (noTools) Pulumi() (string, []string, error) {
	return "", nil, fmt.Errorf("no pulumi")
}

func checkout(t *testing.T, config string) *Stack {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(paths.StateEnv, filepath.Join(dir, "state"))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte("name: slipway\nruntime: go\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.local.yaml"), []byte(config), 0o600))
	stack, err := OpenStack(dir, Local, noTools{})
	require.NoError(t, err)
	return stack
}

func TestUnknownStackNamesTheKnownOnes(t *testing.T) {
	dir := checkout(t, "config: {}\n").Checkout
	_, err := OpenStack(dir, "stage", noTools{})
	require.ErrorContains(t, err, `stack "stage" has no Pulumi.stage.yaml`)
	require.ErrorContains(t, err, "this checkout has: local")
	_, err = OpenStack(dir, "../../etc", noTools{})
	require.ErrorContains(t, err, "stack name")
}

func TestStackUsesTheLabUnlessItNamesAKubeconfig(t *testing.T) {
	for name, tc := range map[string]struct {
		config, kubeconfig string
		lab                bool
	}{
		"nothing":        {"config: {}\n", "", true},
		"other settings": {"config:\n  slipway:cluster:\n    context: x\n", "", true},
		"a path":         {"config:\n  slipway:cluster:\n    kubeconfig: /etc/k.yaml\n", "/etc/k.yaml", false},
	} {
		t.Run(name, func(t *testing.T) {
			stack := checkout(t, tc.config)
			kubeconfig, lab, err := stack.cluster()
			require.NoError(t, err)
			require.Equal(t, tc.lab, lab)
			if !tc.lab {
				require.Equal(t, tc.kubeconfig, kubeconfig)
			}
		})
	}
}

func TestConfigurationInUseIsTheCheckoutsPlusTheSalt(t *testing.T) {
	stack := checkout(t, "encryptionsalt: someone-elses\nconfig:\n  slipway:api: {}\n")
	require.NoError(t, os.MkdirAll(paths.Pulumi(), 0o700))
	require.NoError(t, os.WriteFile(stack.saltFile(), []byte("v1:mine"), 0o600))
	require.NoError(t, stack.writeConfig())
	got, err := os.ReadFile(stack.configFile())
	require.NoError(t, err)
	require.Equal(t, "config:\n  slipway:api: {}\nencryptionsalt: v1:mine\n", string(got))
}

func TestPendingCreatesAreNamedAsTheProviderNamesThem(t *testing.T) {
	state, err := checkpoint.Parse([]byte(`{"version":3,"checkpoint":{"latest":{"pending_operations":[
	 {"type":"creating","resource":{"urn":"u1","type":"kubernetes:apps/v1:Deployment","inputs":{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"api","namespace":"web"}}}},
	 {"type":"creating","resource":{"urn":"u2","type":"kubernetes:core/v1:Namespace","inputs":{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"web"}}}},
	 {"type":"updating","resource":{"urn":"u3","type":"x"}},
	 {"type":"creating","resource":{"urn":"u4","type":"random:index/randomPassword:RandomPassword","inputs":{"length":1}}}]}}}`))
	require.NoError(t, err)
	creates := pendingCreates(state.PendingOperations)
	require.Len(t, creates, 3)
	require.Equal(t, "web/api", creates[0].id())
	require.Equal(t, "Deployment.v1.apps", creates[0].resource())
	require.Equal(t, "web", creates[1].id())
	require.Equal(t, "Namespace", creates[1].resource())
	require.False(t, (&Stack{}).exists(t.Context(), creates[2]), "a password exists nowhere but in the state")
}

func TestWhatWasBeingCreatedIsSettled(t *testing.T) {
	text, err := settled([]byte(`{"manifest":{"version":"v3"},"resources":[{"urn":"a","id":"old"},{"urn":"b","id":"gone","pendingReplacement":true},{"urn":"c","id":"c"}],
	 "pending_operations":[{"type":"creating","resource":{"urn":"a","inputs":{"n":12345678901234567890}}},{"type":"creating","resource":{"urn":"b"}},
	 {"type":"creating","resource":{"urn":"d"}},{"type":"creating","resource":{"urn":"e"}},{"type":"updating","resource":{"urn":"c"}}]}`),
		map[string]string{"a": "new", "b": "b2", "d": "d1"})
	require.NoError(t, err)
	require.JSONEq(t, `{"manifest":{"version":"v3"},"resources":[{"urn":"a","id":"new","inputs":{"n":12345678901234567890}},{"urn":"b","id":"b2"},{"urn":"c","id":"c"},
	 {"urn":"d","id":"d1"},{"urn":"a","id":"old","delete":true}],"pending_operations":[{"type":"updating","resource":{"urn":"c"}}]}`, string(text))
	require.Contains(t, string(text), "12345678901234567890")
}

func TestDestroyWantsTheStacksName(t *testing.T) {
	stack := checkout(t, "config: {}\n")
	err := stack.Destroy(t.Context(), &bytes.Buffer{}, "yes")
	require.ErrorIs(t, err, ErrNotConfirmed)
	require.ErrorContains(t, err, "make destroy STACK=local CONFIRM=local")
}

// Recorded settings take the place of the checkout's, with today's salt; an
// old commit of another project is refused.
func TestAnotherCheckoutOfTheStack(t *testing.T) {
	stack := checkout(t, "config:\n  slipway:api: {}\n")
	require.NoError(t, os.MkdirAll(paths.Pulumi(), 0o700))
	require.NoError(t, os.WriteFile(stack.saltFile(), []byte("v1:mine"), 0o600))
	there := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(there, "Pulumi.local.yaml"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(there, "Pulumi.yaml"), []byte("name: other\n"), 0o600))
	var recorded config.Map
	require.NoError(t, json.Unmarshal([]byte(`{"slipway:api":{"host":"old.test"},"slipway:key":{"secure":"v1:abc"},"slipway:n":"3"}`), &recorded))
	_, err := stack.At(there, recorded)
	require.ErrorContains(t, err, `project "other", and this is project "slipway"`)

	require.NoError(t, os.WriteFile(filepath.Join(there, "Pulumi.yaml"), []byte("name: slipway\n"), 0o600))
	at, err := stack.At(there, recorded)
	require.NoError(t, err)
	require.Contains(t, at.configured("up"), at.settings)
	text, err := os.ReadFile(at.settings)
	require.NoError(t, err)
	var read struct {
		Salt   string         `yaml:"encryptionsalt"`
		Config map[string]any `yaml:"config"`
	}
	require.NoError(t, yaml.Unmarshal(text, &read))
	require.Equal(t, "v1:mine", read.Salt)
	require.Equal(t, map[string]any{"host": "old.test"}, read.Config["slipway:api"])
	require.Equal(t, map[string]any{"secure": "v1:abc"}, read.Config["slipway:key"])
	require.Equal(t, "3", read.Config["slipway:n"])
}
