package platform

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsOfAState(t *testing.T) {
	var state any
	require.NoError(t, json.Unmarshal([]byte(`{"deployment":{"resources":[
		{"inputs":{"length":16,"note":"plain","list":[{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","plaintext":"\"hunter2\""}]}},
		{"outputs":{"pair":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","plaintext":"{\"user\":\"ada\",\"ids\":[1,\"two\"]}"}}}
	]}}`), &state))
	require.ElementsMatch(t, []string{"hunter2", "ada", "two"}, secretsIn(state))
}

// Of a setting with parts only those that are encrypted are secret.
func TestSecretsOfASetting(t *testing.T) {
	written := map[string]any{"namespace": "monitoring", "receivers": []any{map[string]any{"url": map[string]any{"secure": "v1:abc"}}}}
	clear := map[string]any{"namespace": "monitoring", "receivers": []any{map[string]any{"url": "https://hooks.example.test/T0"}}}
	require.Equal(t, []string{"https://hooks.example.test/T0"}, encryptedIn(written, clear))
	require.Equal(t, []string{"hunter2"}, encryptedIn(map[string]any{"secure": "v1:abc"}, "hunter2"))
	require.Empty(t, encryptedIn("plain", "plain"))
}
