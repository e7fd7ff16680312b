package randomprovider

import (
	"fmt"
	"hash/crc64"
	"math"
	"math/big"
	"math/rand"
	"strconv"
	"strings"

	cryptorand "crypto/rand"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// seeded is the generator that the official plugin derives from a seed, so
// that equal seeds give equal results whichever of the two runs.
func seeded(seed string) *rand.Rand {
	sum := crc64.Checksum([]byte(seed), crc64.MakeTable(crc64.ISO))
	return rand.New(rand.NewSource(int64(sum))) //nolint:gosec // a seed that is to give the same again
}

func randomInteger() *kind {
	of := func(result int) made {
		return made{
			id:      strconv.Itoa(result),
			outputs: resource.PropertyMap{"result": resource.NewProperty(float64(result))},
		}
	}
	return &kind{
		name:  "RandomInteger",
		about: "A random whole number between two bounds.",
		inputs: []field{
			keepers,
			{name: "min", shape: integer, required: true, about: "The smallest possible result."},
			{name: "max", shape: integer, required: true, about: "The largest possible result."},
			{name: "seed", shape: text, about: "Text that always leads to the same result for the same bounds."},
		},
		outputs: []field{{name: "result", shape: integer, about: "The number."}},
		check: func(in values, fault func(path, problem string)) {
			if low, high := in.integer("min"), in.integer("max"); in.known("min", "max") && low > high {
				fault("min", fmt.Sprintf("is %d, must not be above max, which is %d", low, high))
			}
		},
		make: func(in values) (made, error) {
			low, high := in.integer("min"), in.integer("max")
			if seed := in.text("seed"); seed != "" {
				return of(low + seeded(seed).Intn(high-low+1)), nil
			}
			span := new(big.Int).Add(big.NewInt(int64(high)-int64(low)), big.NewInt(1))
			n, err := cryptorand.Int(cryptorand.Reader, span)
			if err != nil {
				return made{}, fmt.Errorf("reading the system's random numbers: %w", err)
			}
			return of(low + int(n.Int64())), nil
		},
		adopt: func(id string) (made, error) {
			parts := strings.Split(id, ",")
			if len(parts) != 3 && len(parts) != 4 {
				return made{}, fmt.Errorf("%q is not RESULT,MIN,MAX or RESULT,MIN,MAX,SEED", id)
			}
			numbers := make([]float64, 3)
			for i, title := range []string{"RESULT", "MIN", "MAX"} {
				n, err := strconv.ParseInt(parts[i], 10, 64)
				if err != nil || math.Abs(float64(n)) > exact {
					return made{}, fmt.Errorf("%s in %q is %q, not a whole number between -2^53 and 2^53", title, id, parts[i])
				}
				numbers[i] = float64(n)
			}
			m := of(int(numbers[0]))
			m.inputs = resource.PropertyMap{
				"min": resource.NewProperty(numbers[1]),
				"max": resource.NewProperty(numbers[2]),
			}
			if len(parts) == 4 {
				m.inputs["seed"] = resource.NewProperty(parts[3])
			}
			return m, nil
		},
	}
}

func randomShuffle() *kind {
	return &kind{
		name:  "RandomShuffle",
		about: "The strings of a list in random order.",
		inputs: []field{
			keepers,
			{name: "inputs", shape: textList, required: true, about: "The strings to shuffle."},
			{name: "resultCount", shape: integer, about: "How many results. Fewer than there are inputs leaves some out; more repeats them, each as often as the others. Default, and 0: as many as there are inputs."},
			{name: "seed", shape: text, about: "Text that always leads to the same order for the same inputs."},
		},
		outputs: []field{{name: "results", shape: textList, about: "The strings in their new order."}},
		check: func(in values, fault func(path, problem string)) {
			if !in.known("resultCount") {
				return
			}
			if count := in.integer("resultCount"); count < 0 || count > longest {
				fault("resultCount", fmt.Sprintf("is %d, must be between 0 and %d", count, longest))
			}
		},
		make: func(in values) (made, error) {
			results, err := shuffle(in.list("inputs"), in.integer("resultCount"), in.text("seed"))
			return made{
				id:       "-",
				outputs:  resource.PropertyMap{"results": results},
				carriers: []resource.PropertyKey{"inputs"},
			}, err
		},
	}
}

// shuffle returns count of the items, permutation after permutation; zero
// means one permutation.
func shuffle(items []string, count int, seed string) (resource.PropertyValue, error) {
	if count == 0 || len(items) == 0 {
		count = len(items)
	}
	permute := permutation
	if seed != "" {
		generator := seeded(seed)
		permute = func(n int) ([]int, error) { return generator.Perm(n), nil }
	}
	results := make([]resource.PropertyValue, 0, count)
	for len(results) < count {
		order, err := permute(len(items))
		if err != nil {
			return resource.PropertyValue{}, err
		}
		for _, i := range order[:min(len(order), count-len(results))] {
			results = append(results, resource.NewProperty(items[i]))
		}
	}
	return resource.NewProperty(results), nil
}

// permutation is a random order of [0, n), from crypto/rand.
func permutation(n int) ([]int, error) {
	order := make([]int, n)
	for i := range order {
		j, err := below(int64(i) + 1)
		if err != nil {
			return nil, err
		}
		order[i] = order[j]
		order[j] = i
	}
	return order, nil
}
