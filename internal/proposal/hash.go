package proposal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"slipway.dev/slipway/internal/checkpoint"
)

// Hash names a saved plan by what it would do, so that what was read in a
// pull request can be compared with what is about to be done. Two previews of
// the same program, configuration and state have the same hash: the time, the
// seeds of names, and ciphertexts, which differ each time, are left out. So a
// change of nothing but a secret's value does not show.
func Hash(plan []byte) (string, error) {
	var file map[string]any
	if err := json.Unmarshal(plan, &file); err != nil {
		return "", fmt.Errorf("reading a plan: %w", err)
	}
	resources, ok := file["resourcePlans"].(map[string]any)
	if !ok {
		return "", fmt.Errorf("reading a plan: it names no resources")
	}
	for _, resource := range resources {
		if object, ok := resource.(map[string]any); ok {
			delete(object, "seed")
		}
	}
	// encoding/json sorts the keys of maps.
	raw, err := json.Marshal(map[string]any{"config": blind(file["config"]), "resources": blind(resources)})
	if err != nil {
		return "", fmt.Errorf("reading a plan: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// blind replaces secrets, which are encrypted anew each time.
func blind(value any) any {
	if _, secret := checkpoint.Secret(value); secret {
		return "[secret]"
	}
	switch v := value.(type) {
	case map[string]any:
		if _, secure := v["secure"]; secure && len(v) == 1 {
			return "[secret]"
		}
		for key, inner := range v {
			v[key] = blind(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = blind(inner)
		}
	}
	return value
}
