package randomprovider

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"unicode/utf8"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"golang.org/x/crypto/bcrypt"
)

const (
	lowerLetters   = "abcdefghijklmnopqrstuvwxyz"
	upperLetters   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits         = "0123456789"
	specialLetters = "!@#$%&*()-_=+[]{}<>:?"

	// longest bounds what one resource may generate. Nobody needs a password
	// of a megabyte, and a typing error should not fill memory and state.
	longest = 1 << 20

	// bcryptReads is how much of a password bcrypt takes into account, in
	// bytes; it refuses anything longer.
	bcryptReads = 72
)

// class is one of the four sorts of characters of a generated text.
type class struct {
	enabled, minimum resource.PropertyKey
	title            string
	letters          string
}

var classes = []class{
	{"lower", "minLower", "lowercase letters", lowerLetters},
	{"upper", "minUpper", "uppercase letters", upperLetters},
	{"numeric", "minNumeric", "digits", digits},
	{"special", "minSpecial", "special characters", specialLetters},
}

func textInputs() []field {
	inputs := []field{
		keepers,
		{name: "length", shape: integer, required: true, about: "How many characters, at least 1 and at least the sum of the minimums."},
		{
			name: "number", shape: boolean, deprecated: "Use numeric.",
			about: "Older name of numeric. Default true.",
		},
		{
			name: "overrideSpecial", shape: text,
			about: "The special characters to draw from instead of " + specialLetters + ".",
			// A release of the official plugin stored "" for an unset value;
			// unsetting it then must not cost anyone a password.
			keeps: func(old, new resource.PropertyValue) bool {
				return old.IsString() && old.StringValue() == "" && new.IsNull()
			},
		},
	}
	for _, c := range classes {
		enabled := field{
			name: c.enabled, shape: boolean, fallback: resource.NewProperty(true),
			about: "Draw from " + c.title + ". Default true.",
		}
		if c.enabled == "numeric" {
			enabled.fallback = resource.NewNullProperty() // agree decides
		}
		inputs = append(inputs, enabled, field{
			name: c.minimum, shape: integer, fallback: resource.NewProperty(0.0),
			about: "How many " + c.title + " there are at least. Default 0.",
		})
	}
	return inputs
}

// agree makes number, the older name, and numeric say the same: whichever is
// set decides, and neither set means true.
func agree(in values) {
	number, hasNumber := in["number"]
	numeric, hasNumeric := in["numeric"]
	switch {
	case hasNumber && hasNumeric: // checkText compares them
	case hasNumeric:
		in["number"] = numeric
	case hasNumber:
		in["numeric"] = number
	default:
		in["number"], in["numeric"] = resource.NewProperty(true), resource.NewProperty(true)
	}
}

func checkText(in values, fault func(path, problem string)) {
	if in.known("number", "numeric") && in.flag("number") != in.flag("numeric") {
		fault("number", "is the older name of numeric and says the opposite of it; set only numeric")
	}
	needed, none := 0, true
	for _, c := range classes {
		if !in.known(c.enabled) || in.flag(c.enabled) {
			none = false
		}
		if !in.known(c.minimum) {
			continue
		}
		minimum := in.integer(c.minimum)
		if minimum < 0 {
			fault(string(c.minimum), fmt.Sprintf("is %d, must be at least 0", minimum))
		}
		needed += max(minimum, 0)
	}
	if none {
		fault("lower", "is false, as are upper, numeric and special: at least one of the four must be true")
	}
	if !in.known("length") {
		return
	}
	switch length := in.integer("length"); {
	case length < 1:
		fault("length", fmt.Sprintf("is %d, must be at least 1", length))
	case length > longest:
		fault("length", fmt.Sprintf("is %d, must be at most %d", length, longest))
	case length < needed:
		fault("length", fmt.Sprintf(
			"is %d, but minLower, minUpper, minNumeric and minSpecial add up to %d", length, needed))
	}
}

// generateText draws the minimum of every class, fills up from all enabled
// classes, and shuffles, so that a position says nothing about the class.
// Minimums hold for disabled classes too, as they do in the official plugin.
func generateText(in values) (string, error) {
	var drawn, alphabet []rune
	for _, c := range classes {
		letters := []rune(c.letters)
		if own := in.text("overrideSpecial"); c.enabled == "special" && own != "" {
			letters = []rune(own)
		}
		if in.flag(c.enabled) {
			alphabet = append(alphabet, letters...)
		}
		some, err := draw(letters, in.integer(c.minimum))
		if err != nil {
			return "", err
		}
		drawn = append(drawn, some...)
	}
	rest, err := draw(alphabet, in.integer("length")-len(drawn))
	if err != nil {
		return "", err
	}
	drawn = append(drawn, rest...)
	for i := len(drawn) - 1; i > 0; i-- {
		j, err := below(int64(i) + 1)
		if err != nil {
			return "", err
		}
		drawn[i], drawn[j] = drawn[j], drawn[i]
	}
	return string(drawn), nil
}

func draw(alphabet []rune, count int) ([]rune, error) {
	drawn := make([]rune, 0, max(count, 0))
	for range count {
		i, err := below(int64(len(alphabet)))
		if err != nil {
			return nil, err
		}
		drawn = append(drawn, alphabet[i])
	}
	return drawn, nil
}

// below is a uniform random number in [0, limit), from crypto/rand.
func below(limit int64) (int64, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(limit))
	if err != nil {
		return 0, fmt.Errorf("reading the system's random numbers: %w", err)
	}
	return n.Int64(), nil
}

func bcryptHash(password string) (string, error) {
	secret := []byte(password)
	hash, err := bcrypt.GenerateFromPassword(secret[:min(len(secret), bcryptReads)], bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("hashing the password: %w", err)
	}
	return string(hash), nil
}

func randomPassword() *kind {
	outputs := func(password string) (resource.PropertyMap, error) {
		hash, err := bcryptHash(password)
		if err != nil {
			return nil, err
		}
		return resource.PropertyMap{
			"result":     resource.NewProperty(password),
			"bcryptHash": resource.NewProperty(hash),
		}, nil
	}
	return &kind{
		name:  "RandomPassword",
		about: "A random text that is secret.",
		// Version 3 is the layout with numeric and a hash that matches.
		stateVersion: 3,
		inputs:       textInputs(),
		outputs: []field{
			{name: "result", shape: text, secret: true, about: "The password."},
			{name: "bcryptHash", shape: text, secret: true, about: "Bcrypt hash of the password's first 72 bytes."},
		},
		settle: agree,
		check:  checkText,
		make: func(in values) (made, error) {
			password, err := generateText(in)
			if err != nil {
				return made{}, err
			}
			out, err := outputs(password)
			// IDs are shown and stored in the clear, so a password's has none.
			return made{id: "none", outputs: out}, err
		},
		adopt: func(id string) (made, error) {
			out, err := outputs(id)
			return made{id: "none", inputs: lengthOf(id), outputs: out}, err
		},
	}
}

func randomString() *kind {
	of := func(result string) made {
		return made{id: result, outputs: resource.PropertyMap{"result": resource.NewProperty(result)}}
	}
	return &kind{
		name:         "RandomString",
		about:        "A random text that is not secret. For secrets use RandomPassword.",
		stateVersion: 2,
		inputs:       textInputs(),
		outputs:      []field{{name: "result", shape: text, about: "The text."}},
		settle:       agree,
		check:        checkText,
		make: func(in values) (made, error) {
			result, err := generateText(in)
			return of(result), err
		},
		adopt: func(id string) (made, error) {
			m := of(id)
			m.inputs = lengthOf(id)
			return m, nil
		},
	}
}

func lengthOf(s string) resource.PropertyMap {
	return resource.PropertyMap{"length": resource.NewProperty(float64(utf8.RuneCountInString(s)))}
}
