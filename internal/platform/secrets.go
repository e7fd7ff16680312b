package platform

import (
	"context"
	"encoding/json"
	"fmt"

	"slipway.dev/slipway/internal/checkpoint"
)

// Secrets are the stack's secret values in the clear, those of its state and of
// its configuration. They are for finding them in text that must not hold any:
// with an error it returns those that it could read.
func (s *Stack) Secrets(ctx context.Context) ([]string, error) {
	var state any
	if err := s.decode(ctx, &state, "stack", "export", "--show-secrets", "--stack", s.Name); err != nil {
		return nil, fmt.Errorf("reading the secrets of stack %s: %w", s.Name, err)
	}
	values := secretsIn(state)
	var settings map[string]struct {
		Value  any `json:"value"`
		Object any `json:"objectValue"`
	}
	if err := s.decode(ctx, &settings, s.configured("config", "--show-secrets", "--json")...); err != nil {
		return values, fmt.Errorf("reading the secret settings of stack %s: %w", s.Name, err)
	}
	file := s.file
	if s.settings != "" {
		file = s.settings
	}
	encrypted, err := readStackFile(file)
	if err != nil {
		return values, err
	}
	for key, written := range encrypted.Config {
		clear := settings[key].Object
		if clear == nil {
			clear = settings[key].Value
		}
		values = append(values, encryptedIn(written, clear)...)
	}
	return values, nil
}

// secretsIn are the secrets in a state that was exported in the clear, where each
// is JSON within JSON.
func secretsIn(value any) []string {
	if text, secret := checkpoint.Secret(value); secret {
		var plain any
		if json.Unmarshal([]byte(text), &plain) != nil {
			plain = text
		}
		return texts(plain)
	}
	var found []string
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			found = append(found, secretsIn(inner)...)
		}
	case []any:
		for _, inner := range v {
			found = append(found, secretsIn(inner)...)
		}
	}
	return found
}

// texts are all texts in a value.
func texts(value any) []string {
	var found []string
	switch v := value.(type) {
	case string:
		found = append(found, v)
	case map[string]any:
		if text, secret := checkpoint.Secret(v); secret {
			return append(found, text)
		}
		for _, inner := range v {
			found = append(found, texts(inner)...)
		}
	case []any:
		for _, inner := range v {
			found = append(found, texts(inner)...)
		}
	}
	return found
}

// encryptedIn are the parts of a setting that are encrypted where it is written:
// of one with a secret in it pulumi only says that it has one.
func encryptedIn(written, clear any) []string {
	var found []string
	switch w := written.(type) {
	case map[string]any:
		if _, secret := w["secure"]; secret && len(w) == 1 {
			return texts(clear)
		}
		c, _ := clear.(map[string]any)
		for key, inner := range w {
			found = append(found, encryptedIn(inner, c[key])...)
		}
	case []any:
		c, _ := clear.([]any)
		for i := range min(len(w), len(c)) {
			found = append(found, encryptedIn(w[i], c[i])...)
		}
	}
	return found
}
