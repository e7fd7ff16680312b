package randomprovider

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"

	"github.com/google/uuid"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// checkSize bounds the number of bytes that the input called name asks for.
func checkSize(name resource.PropertyKey) func(in values, fault func(path, problem string)) {
	return func(in values, fault func(path, problem string)) {
		if !in.known(name) {
			return
		}
		switch size := in.integer(name); {
		case size < 1:
			fault(string(name), fmt.Sprintf("is %d, must be at least 1", size))
		case size > longest:
			fault(string(name), fmt.Sprintf("is %d, must be at most %d", size, longest))
		}
	}
}

func randomBits(size int) ([]byte, error) {
	bits := make([]byte, size)
	if _, err := rand.Read(bits); err != nil {
		return nil, fmt.Errorf("reading the system's random numbers: %w", err)
	}
	return bits, nil
}

func randomID() *kind {
	of := func(bits []byte, prefix string) made {
		id := base64.RawURLEncoding.EncodeToString(bits)
		return made{
			id: id,
			outputs: resource.PropertyMap{
				"b64Url": resource.NewProperty(prefix + id),
				"b64Std": resource.NewProperty(prefix + base64.StdEncoding.EncodeToString(bits)),
				"hex":    resource.NewProperty(prefix + hex.EncodeToString(bits)),
				"dec":    resource.NewProperty(prefix + new(big.Int).SetBytes(bits).String()),
			},
			carriers: []resource.PropertyKey{"prefix"},
		}
	}
	return &kind{
		name:  "RandomId",
		about: "A random number in several notations, for unique names. Not secret: use RandomBytes for that.",
		inputs: []field{
			keepers,
			{name: "byteLength", shape: integer, required: true, about: "How many random bytes, at least 1."},
			{name: "prefix", shape: text, about: "Text to put before every notation, as it is."},
		},
		outputs: []field{
			{name: "b64Std", shape: text, about: "In base64, standard alphabet, padded."},
			{name: "b64Url", shape: text, about: "In base64, URL alphabet, not padded."},
			{name: "dec", shape: text, about: "In decimal digits, not padded."},
			{name: "hex", shape: text, about: "In hexadecimal digits, two for each byte."},
		},
		check: checkSize("byteLength"),
		make: func(in values) (made, error) {
			bits, err := randomBits(in.integer("byteLength"))
			return of(bits, in.text("prefix")), err
		},
		adopt: func(id string) (made, error) {
			prefix, encoded := "", id
			if comma := strings.LastIndex(id, ","); comma >= 0 {
				prefix, encoded = id[:comma], id[comma+1:]
			}
			bits, err := base64.RawURLEncoding.DecodeString(encoded)
			if err != nil {
				return made{}, fmt.Errorf("%q is not base64 in the URL alphabet without padding, as b64Url has it, with an optional prefix and a comma before it: %w", encoded, err)
			}
			m := of(bits, prefix)
			m.inputs = resource.PropertyMap{"byteLength": resource.NewProperty(float64(len(bits)))}
			if prefix != "" {
				m.inputs["prefix"] = resource.NewProperty(prefix)
			}
			return m, nil
		},
	}
}

func randomBytes() *kind {
	of := func(bits []byte) made {
		return made{
			id: "none",
			outputs: resource.PropertyMap{
				"base64": resource.NewProperty(base64.StdEncoding.EncodeToString(bits)),
				"hex":    resource.NewProperty(hex.EncodeToString(bits)),
			},
		}
	}
	return &kind{
		name:      "RandomBytes",
		about:     "Random bytes that are secret, such as a key.",
		anonymous: true,
		inputs: []field{
			keepers,
			{name: "length", shape: integer, required: true, about: "How many bytes, at least 1."},
		},
		outputs: []field{
			{name: "base64", shape: text, secret: true, about: "The bytes in base64, standard alphabet, padded."},
			{name: "hex", shape: text, secret: true, about: "The bytes in hexadecimal digits, lower case."},
		},
		check: checkSize("length"),
		make: func(in values) (made, error) {
			bits, err := randomBits(in.integer("length"))
			return of(bits), err
		},
		adopt: func(id string) (made, error) {
			bits, err := base64.StdEncoding.DecodeString(id)
			if err != nil {
				// The ID is the secret, so the message does not repeat it.
				return made{}, fmt.Errorf("the ID of an import is the secret in base64, standard alphabet, padded: %w", err)
			}
			m := of(bits)
			m.inputs = resource.PropertyMap{"length": resource.NewProperty(float64(len(bits)))}
			return m, nil
		},
	}
}

// uuidKind makes the three resources that only differ in the UUID's version.
func uuidKind(name, about string, generate func() (uuid.UUID, error)) *kind {
	of := func(id uuid.UUID) made {
		return made{id: id.String(), outputs: resource.PropertyMap{"result": resource.NewProperty(id.String())}}
	}
	return &kind{
		name:    name,
		about:   about,
		inputs:  []field{keepers},
		outputs: []field{{name: "result", shape: text, about: "The UUID, in lower case with hyphens."}},
		make: func(values) (made, error) {
			id, err := generate()
			if err != nil {
				return made{}, fmt.Errorf("generating a UUID: %w", err)
			}
			return of(id), nil
		},
		adopt: func(text string) (made, error) {
			id, err := uuid.Parse(text)
			if err != nil || len(text) != len(id.String()) {
				return made{}, fmt.Errorf("%q is not a UUID like aabbccdd-eeff-0011-2233-445566778899", text)
			}
			return of(id), nil
		},
	}
}
