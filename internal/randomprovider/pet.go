package randomprovider

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// The words of pet names, one group a line: adverbs, adjectives, animals.
//
//go:embed words.txt
var wordFile string

var adverbs, adjectives, animals = words(wordFile)

func words(file string) (adverbs, adjectives, animals []string) {
	lines := strings.Split(strings.TrimSpace(file), "\n")
	return strings.Fields(lines[0]), strings.Fields(lines[1]), strings.Fields(lines[2])
}

// mostWords bounds a pet's name; DNS ends names at 253 characters anyway.
const mostWords = 256

func randomPet() *kind {
	return &kind{
		name:  "RandomPet",
		about: "A random name that people can say and remember. The name is the resource's ID.",
		inputs: []field{
			keepers,
			{name: "length", shape: integer, fallback: resource.NewProperty(2.0), about: "How many words, at least 1, not counting the prefix. Default 2."},
			{name: "prefix", shape: text, about: "A word to put first."},
			{name: "separator", shape: text, fallback: resource.NewProperty("-"), about: "What to put between words. Default a hyphen."},
		},
		check: func(in values, fault func(path, problem string)) {
			if length := in.integer("length"); in.known("length") && (length < 1 || length > mostWords) {
				fault("length", fmt.Sprintf("is %d, must be between 1 and %d words", length, mostWords))
			}
		},
		make: func(in values) (made, error) {
			name, err := petName(in.integer("length"))
			if err != nil {
				return made{}, err
			}
			if prefix := in.text("prefix"); prefix != "" {
				name = append([]string{prefix}, name...)
			}
			return made{id: strings.Join(name, in.text("separator"))}, nil
		},
	}
}

// petName is adverbs, an adjective and an animal, the front cut off to length.
func petName(length int) ([]string, error) {
	name := make([]string, 0, length)
	for i := range length {
		from := adverbs
		switch length - i {
		case 1:
			from = animals
		case 2:
			from = adjectives
		}
		j, err := below(int64(len(from)))
		if err != nil {
			return nil, err
		}
		name = append(name, from[j])
	}
	return name, nil
}
