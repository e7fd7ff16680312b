package prometheus

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// pair is a sample as the API writes it: seconds, and the value as text.
type pair Sample

func (p *pair) UnmarshalJSON(raw []byte) error {
	var parts []json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	var seconds float64
	var text string
	if len(parts) != 2 {
		return fmt.Errorf("a sample has %d parts, not 2", len(parts))
	}
	if err := json.Unmarshal(parts[0], &seconds); err != nil {
		return fmt.Errorf("the time of a sample: %w", err)
	}
	if err := json.Unmarshal(parts[1], &text); err != nil {
		return fmt.Errorf("the value of a sample: %w", err)
	}
	value, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("the value of a sample: %w", err)
	}
	p.Time, p.Value = time.UnixMilli(int64(math.Round(seconds*1000))), value
	return nil
}

// decode reads the result of a query by its type.
func decode(kind string, raw json.RawMessage) ([]Series, error) {
	switch kind {
	case "vector", "matrix":
		var list []struct {
			Metric map[string]string `json:"metric"`
			Value  *pair             `json:"value"`
			Values []pair            `json:"values"`
		}
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("a %s: %w", kind, err)
		}
		series := make([]Series, 0, len(list))
		for _, one := range list {
			made := Series{Labels: one.Metric, Samples: make([]Sample, 0, len(one.Values)+1)}
			if one.Value != nil {
				made.Samples = append(made.Samples, Sample(*one.Value))
			}
			for _, value := range one.Values {
				made.Samples = append(made.Samples, Sample(value))
			}
			if len(made.Samples) == 0 {
				return nil, fmt.Errorf("a %s has a series without samples", kind)
			}
			series = append(series, made)
		}
		return series, nil
	case "scalar":
		var value pair
		if err := json.Unmarshal(raw, &value); err != nil {
			return nil, fmt.Errorf("a scalar: %w", err)
		}
		return []Series{{Samples: []Sample{Sample(value)}}}, nil
	}
	return nil, fmt.Errorf("a result of type %q", kind)
}
