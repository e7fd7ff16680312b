package toolchain

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// providersSource is shaped like lego's file.
const providersSource = `// Generated.

package dns

import (
	"fmt"

	"example.org/lego/challenge"
	"example.org/lego/challenge/dns01"
	"example.org/lego/providers/one"
	"example.org/lego/providers/two"
)

// Factory.
func NewDNSChallengeProviderByName(name string) (challenge.Provider, error) {
	switch name {
	case "manual":
		return dns01.NewDNSProviderManual()
	case "one", "uno":
		return one.NewDNSProvider()
	case "two":
		return two.NewDNSProvider()
	default:
		return nil, fmt.Errorf("unrecognized: %s", name)
	}
}
`

func TestWithoutProvidersOnlyAPersonIsAsked(t *testing.T) {
	out, err := withoutProviders([]byte(providersSource))
	require.NoError(t, err)
	for _, gone := range []string{"providers/one", "providers/two", `"one"`, "two."} {
		require.NotContains(t, string(out), gone)
	}
	for _, kept := range []string{"dns01.NewDNSProviderManual()", `"fmt"`, `"example.org/lego/challenge"`, `fmt.Errorf("unrecognized: %s", name)`} {
		require.Contains(t, string(out), kept)
	}
}

// ecsSource is shaped like Traefik's file.
const ecsSource = `package ecs

import (
	"fmt"

	"example.org/aws/ec2"
	"example.org/traefik/dynamic"
	"example.org/traefik/safe"
)

// Provider holds settings.
type Provider struct {
	Region string
	rule   fmt.Stringer
}

type machine struct{ state ec2.State }

const DefaultTemplateRule = "Host"

var cache = ec2.New()

func (p *Provider) SetDefaults() { p.Region = "x" }

func (p *Provider) Init() error { return fmt.Errorf("rule %v", p.rule) }

func (p *Provider) client() *ec2.Client { return ec2.NewClient(p.Region) }

func (p *Provider) Provide(out chan<- dynamic.Message, pool *safe.Pool) error {
	return p.client().Ask(out)
}
`

func TestWithoutECSItIsSaidToBeMissing(t *testing.T) {
	out, err := withoutECS([]byte(ecsSource))
	require.NoError(t, err)
	for _, gone := range []string{"ec2", "machine", "client()", "cache"} {
		require.NotContains(t, string(out), gone)
	}
	for _, kept := range []string{
		"type Provider struct", "func (p *Provider) SetDefaults()", "func (p *Provider) Init() error", `const DefaultTemplateRule = "Host"`,
		"Provide(out chan<- dynamic.Message, pool *safe.Pool) error", "built without the provider for Amazon ECS", `"errors"`, `"fmt"`,
	} {
		require.Contains(t, string(out), kept)
	}
}

func TestEditsRefuseWhatTheyDoNotKnow(t *testing.T) {
	for name, test := range map[string]struct {
		edit     func([]byte) ([]byte, error)
		source   string
		from, to string
	}{
		"a further step":        {withoutProviders, providersSource, "return two.New", "count++\n\t\treturn two.New"},
		"an argument":           {withoutProviders, providersSource, "two.NewDNSProvider()", "two.NewDNSProvider(name)"},
		"a function of its own": {withoutProviders, providersSource, "two.NewDNSProvider()", "make2()"},
		"no default":            {withoutProviders, providersSource, "default:", `case "three":`},
		"nobody is asked":       {withoutProviders, providersSource, "dns01.NewDNSProviderManual", "one.NewDNSProviderManual"},
		"no switch":             {withoutProviders, providersSource, "switch name {", "switch name := any(name).(type) {"},
		"another function":      {withoutProviders, providersSource, "NewDNSChallengeProviderByName", "NewProvider"},
		"no Go":                 {withoutProviders, providersSource, "package dns", "package"},
		"no Provide":            {withoutECS, ecsSource, ") Provide(", ") Supply("},
		"no Init":               {withoutECS, ecsSource, ") Init(", ") Begin("},
		"no template":           {withoutECS, ecsSource, "DefaultTemplateRule", "Template"},
		"no Go either":          {withoutECS, ecsSource, "package ecs", "package"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, test.source, test.from)
			_, err := test.edit([]byte(strings.Replace(test.source, test.from, test.to, 1)))
			require.Error(t, err)
		})
	}
}
