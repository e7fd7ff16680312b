package stacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

// Load reads the settings of the selected stack: defaults, then what the
// configuration says. It reports every fault at once and changes nothing.
func Load(ctx *pulumi.Context) (Settings, error) {
	settings := Defaults()
	found := &faults{}
	namespace := config.New(ctx, ctx.Project())
	value := reflect.ValueOf(&settings).Elem()
	var known []string
	for i := range value.NumField() {
		name := key(value.Type().Field(i))
		known = append(known, name)
		raw, err := namespace.Try(name)
		if errors.Is(err, config.ErrMissingVar) {
			continue
		}
		if err != nil {
			return Settings{}, fmt.Errorf("reading config %s: %w", name, err)
		}
		decode(name, raw, value.Field(i), found)
	}
	unknownKeys(ctx.Project(), known, found)
	if len(found.list) > 0 {
		// Rules over values that were not understood would only confuse.
		return Settings{}, found.err()
	}
	if err := settings.Validate(); err != nil {
		return Settings{}, err
	}
	return settings, nil
}

// unknownKeys complains about keys of this project that no setting has. The SDK
// looks keys up and cannot list them; the engine hands all of them over in the
// environment.
func unknownKeys(project string, known []string, f *faults) {
	all := map[string]string{}
	if json.Unmarshal([]byte(os.Getenv(pulumi.EnvConfig)), &all) != nil {
		return // no engine: a test
	}
	var unknown []string
	for full := range all {
		name, ours := strings.CutPrefix(full, project+":")
		if ours && !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		f.add(name, "is unknown%s", suggestion(name, known))
	}
}
