package fastapi

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// plan is what Args mean once defaults are in and contradictions are out.
type plan struct {
	Args
	// releases in order of name; with Rolling one, named like the service.
	releases []release
}

// release is one set of pods.
type release struct {
	// name of its objects: "api", or "api-blue".
	name    string
	image   string
	version string
	// weight is its share of the requests in percent.
	weight int
}

// blueGreen reports whether releases are told apart by weight.
func (p plan) blueGreen() bool { return p.Strategy == BlueGreen }

// migrators returns each distinct image that migrates once, in a fixed order.
func (p plan) migrators() []release {
	seen := map[string]bool{}
	var distinct []release
	for _, r := range p.releases {
		r = p.migrator(r)
		if !seen[r.image] {
			seen[r.image] = true
			distinct = append(distinct, r)
		}
	}
	return distinct
}

// migrator is what migrates for a release.
func (p plan) migrator(r release) release {
	image, ok := p.Migrators[r.image]
	if !ok {
		return r
	}
	version, _ := Version(image) // resolve has checked it
	return release{name: r.name, image: image, version: version}
}

// Faults returns everything wrong with the arguments, defaults filled in. New
// refuses arguments that have any; whoever reads them from a file can ask
// before declaring anything.
func (a Args) Faults() []Fault {
	_, faults := resolve("", a)
	return faults
}

// resolve fills in defaults and collects every fault of the arguments. It is
// pure and works on copies.
func resolve(name string, args Args) (plan, []Fault) {
	p := plan{Args: args}
	p.defaults()
	var faults []Fault
	fault := func(path, format string, values ...any) {
		faults = append(faults, Fault{path, fmt.Sprintf(format, values...)})
	}
	p.checkPlaces(fault)
	p.checkAmounts(fault)
	for _, f := range p.Drain.Faults(p.Traces != nil) {
		fault("drain."+f.Path, "%s", f.Problem)
	}
	for _, err := range workload.CheckTraces("traces", p.Traces) {
		path, problem, _ := strings.Cut(err.Error(), ": ")
		fault(path, "%s", problem)
	}
	p.releases = p.resolveReleases(name, fault)
	for _, image := range slices.Sorted(maps.Keys(p.Migrators)) {
		if _, err := Version(p.Migrators[image]); err != nil {
			fault(fmt.Sprintf("migrators[%q]", image), "%s", err)
		}
	}
	return p, faults
}

func (p *plan) defaults() {
	p.Paths = slices.Clone(p.Paths)
	if len(p.Paths) == 0 {
		p.Paths = DefaultPaths()
	}
	p.Images, p.Migrators = maps.Clone(p.Images), maps.Clone(p.Migrators)
	p.Strategy = cmp.Or(p.Strategy, Rolling)
	p.Scaling = Scaling{
		Min: cmp.Or(p.Scaling.Min, 2), Max: cmp.Or(p.Scaling.Max, 6),
		CPUPercent: cmp.Or(p.Scaling.CPUPercent, 70), MemoryPercent: cmp.Or(p.Scaling.MemoryPercent, 80),
		CalmSeconds: cmp.Or(p.Scaling.CalmSeconds, 300),
	}
	p.Resources = Resources{
		CPU: cmp.Or(p.Resources.CPU, "100m"), Memory: cmp.Or(p.Resources.Memory, "128Mi"),
		MemoryLimit: cmp.Or(p.Resources.MemoryLimit, "256Mi"),
	}
	p.Pool = Pool{Min: cmp.Or(p.Pool.Min, 1), Max: cmp.Or(p.Pool.Max, 8)}
	p.LogLevel = cmp.Or(p.LogLevel, "info")
	p.Drain = p.Drain.orDefault()
	p.Ingress.EntryPoint = cmp.Or(p.Ingress.EntryPoint, "websecure")
	p.Certificate.ValidHours = cmp.Or(p.Certificate.ValidHours, 2160)
	p.Certificate.RenewHours = cmp.Or(p.Certificate.RenewHours, 720)
}

// DefaultPaths are the path prefixes that are public unless Args say otherwise.
func DefaultPaths() []string { return []string{"/v1/", "/docs", "/openapi.json"} }

// LogLevels are those the service knows.
func LogLevels() []string { return []string{"debug", "info", "warning", "error"} }

var (
	label    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	hostname = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$`)
	// A back-quote would end the path in a Traefik rule.
	pathPrefix = regexp.MustCompile("^/[^`\\s]*$")
)

type reporter func(path, format string, values ...any)

func (p *plan) checkPlaces(fault reporter) {
	for _, place := range []struct{ path, value string }{
		{"namespace", p.Namespace},
		{"database.namespace", p.Database.Namespace},
		{"ingress.namespace", p.Ingress.Namespace},
	} {
		if !label.MatchString(place.value) {
			fault(place.path, "%q is not a namespace name: use lower-case letters, digits and '-'", place.value)
		}
	}
	if len(p.Host) > 253 || !hostname.MatchString(p.Host) {
		fault("host", "%q is not a host name with a domain", p.Host)
	}
	for i, path := range p.Paths {
		if !pathPrefix.MatchString(path) {
			fault(fmt.Sprintf("paths[%d]", i), "%q is not a path: it starts with '/' and has no spaces or back-quotes", path)
		}
	}
	if !slices.Contains(LogLevels(), p.LogLevel) {
		fault("logLevel", "%q is none of %s", p.LogLevel, strings.Join(LogLevels(), ", "))
	}
	for _, input := range []struct {
		path  string
		given bool
	}{
		{"database.primaryHost", p.Database.PrimaryHost != nil},
		{"database.replicaHost", p.Database.ReplicaHost != nil},
		{"database.port", p.Database.Port != nil},
		{"database.name", p.Database.Name != nil},
		{"database.user", p.Database.User != nil},
		{"database.password", p.Database.Password != nil},
		{"certificate.issuerName", p.Certificate.IssuerName != nil},
		{"certificate.issuerKind", p.Certificate.IssuerKind != nil},
	} {
		if !input.given {
			fault(input.path, "is missing")
		}
	}
}

func (p *plan) checkAmounts(fault reporter) {
	if p.Scaling.Min < 2 {
		fault("scaling.min", "is %d, must be at least 2: with one pod every node drain is an outage", p.Scaling.Min)
	}
	if p.Scaling.Max < p.Scaling.Min {
		fault("scaling.max", "is %d, below scaling.min = %d", p.Scaling.Max, p.Scaling.Min)
	}
	for _, target := range []struct {
		path  string
		value int
	}{{"scaling.cpuPercent", p.Scaling.CPUPercent}, {"scaling.memoryPercent", p.Scaling.MemoryPercent}} {
		if target.value < 1 {
			fault(target.path, "is %d, must be at least 1", target.value)
		}
	}
	if p.Scaling.CalmSeconds < 0 || p.Scaling.CalmSeconds > 3600 {
		fault("scaling.calmSeconds", "is %d, must be between 0 and 3600", p.Scaling.CalmSeconds)
	}
	amounts := map[string]float64{}
	for _, amount := range []struct{ path, value string }{
		{"resources.cpu", p.Resources.CPU}, {"resources.memory", p.Resources.Memory},
		{"resources.memoryLimit", p.Resources.MemoryLimit},
	} {
		parsed, err := component.Quantity(amount.value)
		if err != nil {
			fault(amount.path, "%s", err)
		}
		amounts[amount.path] = parsed
	}
	if limit := amounts["resources.memoryLimit"]; limit > 0 && limit < amounts["resources.memory"] {
		fault("resources.memoryLimit", "is %s, below resources.memory = %s", p.Resources.MemoryLimit, p.Resources.Memory)
	}
	if n := p.Database.PreparedStatements; n < 0 || n > 10_000 {
		fault("database.preparedStatements", "is %d, must be between 0 and 10000", n)
	}
	if p.Pool.Min < 1 {
		fault("pool.min", "is %d, must be at least 1", p.Pool.Min)
	}
	if p.Pool.Max < p.Pool.Min {
		fault("pool.max", "is %d, below pool.min = %d", p.Pool.Max, p.Pool.Min)
	}
	if p.Certificate.RenewHours < 1 || p.Certificate.RenewHours >= p.Certificate.ValidHours {
		fault("certificate.renewHours", "is %d, must be between 1 and certificate.validHours = %d",
			p.Certificate.RenewHours, p.Certificate.ValidHours)
	}
}

func (p *plan) resolveReleases(name string, fault reporter) []release {
	switch p.Strategy {
	case Rolling:
		version, err := Version(p.Image)
		if err != nil {
			fault("image", "%s", err)
		}
		return []release{{name: name, image: p.Image, version: version, weight: 100}}
	case BlueGreen:
		return p.resolveColours(name, fault)
	default:
		fault("strategy", "%q is none of %s, %s", p.Strategy, Rolling, BlueGreen)
		return nil
	}
}

func (p *plan) resolveColours(name string, fault reporter) []release {
	if p.Active != Blue && p.Active != Green {
		fault("active", "%q is none of %s, %s", p.Active, Blue, Green)
	}
	var releases []release
	for _, colour := range []Colour{Blue, Green} {
		image := p.Images[colour]
		version, err := Version(image)
		if err != nil {
			fault("images."+string(colour), "%s", err)
		}
		weight := 0
		if colour == p.Active {
			weight = 100
		}
		releases = append(releases, release{
			name: name + "-" + string(colour), image: image, version: version, weight: weight,
		})
	}
	for colour := range p.Images {
		if colour != Blue && colour != Green {
			fault("images."+string(colour), "is no colour: use %s and %s", Blue, Green)
		}
	}
	if a, b := releases[0], releases[1]; a.image != b.image && a.version == b.version {
		fault("images", "blue and green differ in image but share the tag %q; give each release a tag of its own", a.version)
	}
	return releases
}

var tag = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

// Version returns the tag of an image, which becomes a label and part of a
// Job's name: up to 40 lower-case letters, digits and '-'. An image without a
// tag would be whatever the node last pulled, and is refused.
func Version(image string) (string, error) {
	repository, version, found := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	if repository == "" || strings.Contains(repository, "@") || !found || !tag.MatchString(version) {
		return "", fmt.Errorf("%q carries no usable tag: write repository:tag, the tag of up to 40 lower-case letters, digits and '-'", image)
	}
	return version, nil
}
