package component_test

import (
	"testing"

	"slipway.dev/slipway/components/component"
)

func TestQuantity(t *testing.T) {
	for text, want := range map[string]float64{
		"1": 1, "250m": 0.25, "0.5": 0.5, ".5": 0.5, "128Mi": 128 << 20, "1Gi": 1 << 30, "2G": 2e9, "1e3": 1000, "5.": 5,
	} {
		got, err := component.Quantity(text)
		if err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "0", "-1", "1 Gi", "1GB", "Mi", "1mi", "1e999", "1e-999", "0m", "1,5"} {
		if got, err := component.Quantity(text); err == nil {
			t.Errorf("%q passed as %v", text, got)
		}
	}
}
