package component

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// quantity is the notation of Kubernetes for amounts of CPU, memory and disk.
var quantity = regexp.MustCompile(`^(\d+(?:\.\d*)?|\.\d+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d+)?$`)

var scale = map[string]float64{
	"": 1, "m": 1e-3,
	"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
	"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40, "Pi": 1 << 50, "Ei": 1 << 60,
}

// Quantity reads an amount in the notation of Kubernetes, such as "250m" of a
// CPU or "128Mi" of memory, as a positive number of units, so that two amounts
// can be compared before the API server ever sees them.
func Quantity(text string) (float64, error) {
	parts := quantity.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%q is not a quantity: write a number and a unit, such as 250m, 0.5, 128Mi or 10Gi", text)
	}
	number, err := strconv.ParseFloat(parts[1], 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a quantity: %w", text, err)
	}
	factor, known := scale[parts[2]]
	if !known {
		if factor, err = strconv.ParseFloat("1"+parts[2], 64); err != nil {
			return 0, fmt.Errorf("%q is not a quantity: %w", text, err)
		}
	}
	number *= factor
	if number <= 0 || math.IsInf(number, 0) {
		return 0, fmt.Errorf("%q is not a usable quantity: it must be more than nothing and less than infinity", text)
	}
	return number, nil
}
