// Package environment knows branch previews: stacks that live beside another one
// for some days, with namespaces, a database and a host of their own. It names
// them, decides when they end, writes their settings and reads them again.
// What is done with them is done by internal/platform.
package environment

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"time"

	"sigs.k8s.io/yaml"
)

// ErrNoGuests is returned for a stack that takes no previews in.
var ErrNoGuests = errors.New("the stack takes no branch previews")

// Host is the stack that a preview lives beside.
type Host struct {
	// Stack is its name.
	Stack string
	// Config is its configuration, as in Pulumi.<stack>.yaml.
	Config map[string]any
	// Outputs are what it publishes.
	Outputs map[string]any
}

// Environment is one branch preview.
type Environment struct {
	Name string
	// Host is the name of the stack it lives beside.
	Host string
	// Address is its host name, and Port where that answers over HTTPS.
	Address string
	Port    int
	Created time.Time
	Expires time.Time
}

// URL is where its API answers.
func (e Environment) URL() string {
	const standard = 443
	if e.Port == standard {
		return "https://" + e.Address
	}
	return "https://" + net.JoinHostPort(e.Address, strconv.Itoa(e.Port))
}

// Expired tells whether its time is over.
func (e Environment) Expired(now time.Time) bool { return !now.Before(e.Expires) }

// Keys of the configuration that the program does not read.
const (
	createdKey = "environment:created"
	project    = "slipway:"
)

// at looks into mappings.
func at(tree any, path ...string) any {
	for _, key := range path {
		mapping, ok := tree.(map[string]any)
		if !ok {
			return nil
		}
		tree = mapping[key]
	}
	return tree
}

func text(tree any, path ...string) string {
	value, _ := at(tree, path...).(string)
	return value
}

// Settings are the configuration of a preview called name: the host's where both
// have to agree, and otherwise as small as the platform can be.
func (h Host) Settings(name string, created, expires time.Time) (map[string]any, error) {
	if foundation := text(h.Config, project+"foundation"); foundation != "local" && foundation != "" {
		return nil, fmt.Errorf("stack %s: %w: its foundation is %s, and they live beside local ones only", h.Stack, ErrNoGuests, foundation)
	}
	zone := text(h.Outputs, "guests", "zone")
	authority := text(h.Outputs, "caCertificate")
	if zone == "" || authority == "" {
		return nil, fmt.Errorf("stack %s: %w: it publishes no output guests; set guests under slipway:ingress in Pulumi.%s.yaml and run: make up STACK=%s",
			h.Stack, ErrNoGuests, h.Stack, h.Stack)
	}
	// One copy of rows that nobody will miss, on a volume that goes with them.
	database := without(at(h.Config, project+"database"), "members", "durability", "shareNodes")
	database["members"], database["unprotected"] = 1, true
	// One release, of this checkout.
	api := without(at(h.Config, project+"api"), "strategy", "blueGreen")
	api["host"] = name + "." + zone
	scaling := without(api["scaling"])
	scaling["min"], scaling["max"] = 2, 3
	api["scaling"] = scaling
	settings := map[string]any{
		createdKey:             created.UTC().Format(time.RFC3339),
		project + "foundation": "guest",
		project + "cluster":    without(at(h.Config, project+"cluster")),
		project + "dns":        only(at(h.Config, project+"dns"), "publicZone"),
		project + "ingress":    only(at(h.Config, project+"ingress"), "httpsPort", "addresses"),
		project + "database":   database,
		project + "api":        api,
		project + "guest": map[string]any{
			"host":             h.Stack,
			"expires":          expires.UTC().Format(time.RFC3339),
			"ingressNamespace": at(h.Outputs, "guests", "ingressNamespace"),
			"issuer":           at(h.Outputs, "guests", "issuer"),
			"volumeClass":      at(h.Outputs, "guests", "volumeClass"),
			"caCertificate":    authority,
		},
	}
	if lives := only(at(h.Config, project+"certificates"), "validHours", "renewHours"); len(lives) > 0 {
		settings[project+"certificates"] = lives
	}
	return settings, nil
}

// without copies a mapping, less some keys.
func without(tree any, keys ...string) map[string]any {
	mapping, _ := tree.(map[string]any)
	left := maps.Clone(mapping)
	if left == nil {
		left = map[string]any{}
	}
	for _, key := range keys {
		delete(left, key)
	}
	return left
}

// only copies some keys of a mapping, as far as they are there.
func only(tree any, keys ...string) map[string]any {
	mapping, _ := tree.(map[string]any)
	picked := map[string]any{}
	for _, key := range keys {
		if value, ok := mapping[key]; ok {
			picked[key] = value
		}
	}
	return picked
}

// Write is the configuration file of a preview.
func Write(name string, settings map[string]any) ([]byte, error) {
	body, err := yaml.Marshal(map[string]any{"config": settings})
	if err != nil {
		return nil, fmt.Errorf("writing the settings of %s: %w", name, err)
	}
	head := fmt.Sprintf("# Written by `slipway env create %s`, and deleted by `slipway env remove %s`.\n", name, name)
	return append([]byte(head), body...), nil
}

// Read takes a preview from its configuration file.
func Read(name string, raw []byte) (Environment, error) {
	var file struct {
		Config map[string]any `json:"config"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		return Environment{}, fmt.Errorf("reading the settings of %s: %w", name, err)
	}
	return FromConfig(name, file.Config)
}

// FromConfig takes a preview from its configuration.
func FromConfig(name string, config map[string]any) (Environment, error) {
	e := Environment{
		Name: name, Host: text(config, project+"guest", "host"), Address: text(config, project+"api", "host"), Port: 443,
	}
	switch port := at(config, project+"ingress", "httpsPort").(type) {
	case float64:
		e.Port = int(port)
	case int:
		e.Port = port
	}
	var faults [2]error
	e.Created, faults[0] = time.Parse(time.RFC3339, text(config, createdKey))
	e.Expires, faults[1] = time.Parse(time.RFC3339, text(config, project+"guest", "expires"))
	if err := errors.Join(faults[:]...); err != nil {
		return Environment{}, fmt.Errorf("reading the settings of %s: %w; `slipway env create %s --expires 72h` writes them anew", name, err, name)
	}
	return e, nil
}
