package postgres

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"slipway.dev/slipway/components/workload"
)

// minTTL, minLoopWait and minRetryTimeout are what Patroni accepts. It raises
// smaller values in silence, so what was written would not be what runs.
const (
	minTTL          = 20
	minLoopWait     = 1
	minRetryTimeout = 3
	maxMembers      = 9
)

// A member needs this much to hold Patroni, PostgreSQL and a few connections;
// and a volume this much for an empty cluster and its write-ahead log.
const (
	minMemory  = 256 * mebi
	minStorage = 512 * mebi
)

// Fault is something wrong with one field of Args.
type Fault struct {
	// Path is the field, as it is called in the settings.
	Path string
	// Problem says what is wrong with it.
	Problem string
}

// Error is "path: problem".
func (f Fault) Error() string { return f.Path + ": " + f.Problem }

// plan is what Args mean once defaults are in and contradictions are out.
type plan struct {
	Args
	// name is the component's, and Patroni's scope.
	name string
	// memory and storage are in bytes.
	memory, storage int64
}

// Faults returns everything wrong with the arguments, defaults filled in. New
// refuses arguments that have any; whoever reads them from a file can ask
// before declaring anything.
func (a Args) Faults() []Fault {
	_, faults := resolve("postgres", a)
	return faults
}

// joined is one error that lists all faults, or nil when there are none.
func joined(faults []Fault) error {
	list := make([]error, 0, len(faults))
	for _, fault := range faults {
		list = append(list, fault)
	}
	return errors.Join(list...)
}

// resolve fills in defaults and collects every fault of the arguments, sorted
// by path. It is pure and works on copies.
func resolve(name string, args Args) (plan, []Fault) {
	p := plan{Args: args, name: name}
	p.defaults()
	var faults []Fault
	fault := func(path, format string, values ...any) {
		faults = append(faults, Fault{path, fmt.Sprintf(format, values...)})
	}
	p.checkNames(fault)
	p.checkCopies(fault)
	p.checkClock(fault)
	p.checkSizes(fault)
	p.checkParameters(fault)
	p.checkPooler(fault)
	p.checkBackups(fault)
	for i, network := range p.APINetworks {
		if len(workload.CheckNetworks("", []string{network})) > 0 {
			fault(fmt.Sprintf("apiNetworks[%d]", i), "%q is not a network such as 10.89.0.0/24", network)
		}
	}
	if p.TLS != nil && (p.TLS.IssuerName == nil || p.TLS.IssuerKind == nil) {
		fault("tls", "names no issuer")
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return strings.Compare(a.Path, b.Path) })
	return p, faults
}

func (p *plan) defaults() {
	p.Members = cmp.Or(p.Members, 3)
	if p.Durability == "" {
		p.Durability = Available
		if p.Members >= 3 {
			p.Durability = Strict
		}
	}
	p.Storage = cmp.Or(p.Storage, "1Gi")
	p.CPU = cmp.Or(p.CPU, "100m")
	p.Memory = cmp.Or(p.Memory, "512Mi")
	p.Database = cmp.Or(p.Database, "api")
	p.Owner = cmp.Or(p.Owner, "api")
	p.TTL = cmp.Or(p.TTL, 20)
	p.LoopWait = cmp.Or(p.LoopWait, 5)
	p.RetryTimeout = cmp.Or(p.RetryTimeout, 5)
	p.Pooler = Pooler{
		Replicas:         cmp.Or(p.Pooler.Replicas, 2),
		PoolSize:         cmp.Or(p.Pooler.PoolSize, 16),
		MaxClients:       cmp.Or(p.Pooler.MaxClients, 500),
		QueryWaitSeconds: cmp.Or(p.Pooler.QueryWaitSeconds, 30),
	}
	if args := p.Backups; args != nil {
		filled := *args
		filled.KeepDays = cmp.Or(args.KeepDays, 7)
		filled.FullDays = cmp.Or(args.FullDays, 7)
		filled.EveryHours = cmp.Or(args.EveryHours, 24)
		filled.ArchiveSeconds = cmp.Or(args.ArchiveSeconds, 60)
		filled.CheckMinutes = cmp.Or(args.CheckMinutes, 15)
		filled.DrillDays = cmp.Or(args.DrillDays, 7)
		if filled.Storage == "" {
			filled.Storage = p.Storage
			if bytes, err := parseSize(p.Storage); err == nil && args.S3 == nil {
				filled.Storage = fmt.Sprintf("%dMi", p.repositoryNeeds(bytes)/mebi)
			}
		}
		p.Backups = &filled
	}
	p.Parameters = maps.Clone(p.Parameters)
	p.ClientNamespaces = slices.Clone(p.ClientNamespaces)
	p.APINetworks = slices.Clone(p.APINetworks)
	if len(p.APINetworks) == 0 {
		p.APINetworks = workload.Anywhere
	}
}

var (
	// dnsLabel is what Kubernetes takes as the name of a namespace or service.
	dnsLabel = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)
	// identifier is a PostgreSQL name that never needs quotes.
	identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)
	// cpu is a Kubernetes quantity of processors.
	cpu = regexp.MustCompile(`^([0-9]+m|[0-9]+(\.[0-9]+)?)$`)
)

// taken are the roles that this package or PostgreSQL makes itself, and the
// databases that come with every cluster.
var taken = map[string]bool{
	"postgres": true, "public": true, "none": true, "template0": true, "template1": true, "pgbouncer": true,
	replicationUser: true, rewindUser: true, exporterUser: true,
}

func (p *plan) checkNames(fault func(string, string, ...any)) {
	// The longest name made of it is that of a service.
	if !dnsLabel.MatchString(p.name) || len(p.name) > 40 {
		fault("name", "%q is no name of at most 40 lower-case letters, digits and dashes", p.name)
	}
	if !dnsLabel.MatchString(p.Namespace) {
		fault("namespace", "%q is not a name Kubernetes accepts", p.Namespace)
	}
	for path, image := range map[string]string{"image": p.Image, "poolerImage": p.PoolerImage} {
		if _, tag, found := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":"); !found || tag == "" {
			fault(path, "%q has no tag", image)
		}
	}
	for path, name := range map[string]string{"database": p.Database, "owner": p.Owner} {
		switch {
		case !identifier.MatchString(name):
			fault(path, "%q must be lower-case letters, digits and underscores, at most 63", name)
		case taken[name] || strings.HasPrefix(name, "pg_"):
			fault(path, "%q is reserved", name)
		}
	}
	seen := map[string]bool{}
	for i, namespace := range p.ClientNamespaces {
		path := fmt.Sprintf("clientNamespaces[%d]", i)
		if !dnsLabel.MatchString(namespace) {
			fault(path, "%q is not a name Kubernetes accepts", namespace)
		} else if seen[namespace] {
			fault(path, "%q is listed twice", namespace)
		}
		seen[namespace] = true
	}
}

func (p *plan) checkCopies(fault func(string, string, ...any)) {
	if p.Members < 1 || p.Members > maxMembers {
		fault("members", "is %d, must be between 1 and %d", p.Members, maxMembers)
	}
	switch p.Durability {
	case Available:
	case Strict:
		if p.Members == 1 {
			fault("durability", "is %q with one member: every write would wait for a second one for ever", Strict)
		}
	default:
		fault("durability", "is %q, must be %q or %q", p.Durability, Strict, Available)
	}
	if p.StorageClass == nil {
		fault("storageClass", "is missing")
	}
}

func (p *plan) checkClock(fault func(string, string, ...any)) {
	valid := true
	for _, clock := range []struct {
		path           string
		value, minimum int
	}{
		{"ttl", p.TTL, minTTL}, {"loopWait", p.LoopWait, minLoopWait}, {"retryTimeout", p.RetryTimeout, minRetryTimeout},
	} {
		if clock.value < clock.minimum {
			fault(clock.path, "is %d s, Patroni takes no less than %d", clock.value, clock.minimum)
			valid = false
		}
	}
	if need := p.LoopWait + 2*p.RetryTimeout; valid && need > p.TTL {
		fault("ttl", "is %d s, but loopWait + 2*retryTimeout is %d and must fit in", p.TTL, need)
	}
}

func (p *plan) checkSizes(fault func(string, string, ...any)) {
	if !cpu.MatchString(p.CPU) {
		fault("cpu", "%q is no amount of processors such as 100m or 2", p.CPU)
	}
	for _, size := range []struct {
		path, text string
		into       *int64
		minimum    int64
	}{
		{"memory", p.Memory, &p.memory, minMemory}, {"storage", p.Storage, &p.storage, minStorage},
	} {
		bytes, err := parseSize(size.text)
		switch {
		case err != nil:
			fault(size.path, "%v", err)
		case bytes < size.minimum:
			fault(size.path, "is %s, a member needs %s", size.text, mebibytes(size.minimum))
		default:
			*size.into = bytes
		}
	}
}

func (p *plan) checkPooler(fault func(string, string, ...any)) {
	for path, bound := range map[string][3]int{
		"pooler.replicas":         {p.Pooler.Replicas, 1, 20},
		"pooler.poolSize":         {p.Pooler.PoolSize, 1, 500},
		"pooler.maxClients":       {p.Pooler.MaxClients, 1, 20000},
		"pooler.queryWaitSeconds": {p.Pooler.QueryWaitSeconds, 1, 600},
	} {
		if bound[0] < bound[1] || bound[0] > bound[2] {
			fault(path, "is %d, must be between %d and %d", bound[0], bound[1], bound[2])
		}
	}
}

// repositoryNeeds is the least the repository's volume has to hold, for members of
// so many bytes.
func (p *plan) repositoryNeeds(storage int64) int64 {
	if p.Backups.S3 == nil {
		return 2 * storage
	}
	return storage
}

// checkBackups looks at what is kept, and whether there is room for it.
func (p *plan) checkBackups(fault func(string, string, ...any)) {
	b := p.Backups
	if b == nil {
		return
	}
	if p.TLS == nil {
		fault("backups", "need tls: the repository and the members know each other by certificates")
	}
	for path, bound := range map[string][3]int{
		"backups.keepDays":       {b.KeepDays, 1, 3650},
		"backups.fullDays":       {b.FullDays, 1, 90},
		"backups.everyHours":     {b.EveryHours, 1, 24 * 90},
		"backups.archiveSeconds": {b.ArchiveSeconds, 10, 3600},
		"backups.checkMinutes":   {b.CheckMinutes, 1, 24 * 60},
		"backups.drillDays":      {b.DrillDays, -1, 365},
	} {
		if bound[0] < bound[1] || bound[0] > bound[2] {
			fault(path, "is %d, must be between %d and %d", bound[0], bound[1], bound[2])
		}
	}
	if b.EveryHours > 24*b.FullDays {
		fault("backups.everyHours", "is %d, more than fullDays = %d: every backup would be a full one", b.EveryHours, b.FullDays)
	}
	if b.KeepDays < b.FullDays {
		fault("backups.keepDays", "is %d, below fullDays = %d: what is kept has to outlast the time to the next full backup",
			b.KeepDays, b.FullDays)
	}
	bytes, err := parseSize(b.Storage)
	need, holds := p.repositoryNeeds(p.storage), "a drill restores a whole member onto it"
	if b.S3 == nil {
		holds = "it holds the backups, and a member that a drill restores"
	}
	switch {
	case err != nil:
		fault("backups.storage", "%v", err)
	case bytes < need:
		fault("backups.storage", "is %s, must be at least %s: %s", b.Storage, mebibytes(need), holds)
	}
	if s3 := b.S3; s3 != nil && (s3.Bucket == nil || s3.Region == "" || s3.Role == nil || s3.RoleAnnotation == "") {
		fault("backups.s3", "needs a bucket, its region, a role and the annotation that names it")
	}
}
