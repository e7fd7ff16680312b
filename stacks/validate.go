package stacks

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/admission"
	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/fastapi"
	"slipway.dev/slipway/components/postgres"
)

// Validate reports every fault in the settings, each with the path at which it
// can be found in Pulumi.<stack>.yaml.
func (s Settings) Validate() error {
	f := &faults{}
	bounds("", reflect.ValueOf(s), f)
	s.elsewhere(f)
	if s.Foundation == OfAccount {
		s.checkBootstrap(f)
		return f.err()
	}
	s.checkFoundation(f)
	s.Admission.check(f)
	s.DNS.check(s.Foundation, f)
	s.Ingress.check(s.Foundation, f)
	s.Database.check(f)
	s.checkBackups(f)
	s.checkAPI(f)
	s.checkMonitoring(f)
	s.Logging.check(s.Foundation, f)
	s.DataProtection.check(f)
	s.checkBenchmark(f)
	return f.err()
}

// bounds enforces the min and max tags of every whole number.
func bounds(path string, value reflect.Value, f *faults) {
	for i := range value.NumField() {
		field := value.Type().Field(i)
		at := strings.TrimPrefix(path+"."+key(field), ".")
		switch field.Type.Kind() {
		case reflect.Struct:
			bounds(at, value.Field(i), f)
		case reflect.Int:
			n := int(value.Field(i).Int())
			if low, ok := bound(field, "min"); ok && n < low {
				f.add(at, "is %d, must be at least %d", n, low)
			}
			if high, ok := bound(field, "max"); ok && n > high {
				f.add(at, "is %d, must be at most %d", n, high)
			}
		}
	}
}

func bound(field reflect.StructField, tag string) (int, bool) {
	text, ok := field.Tag.Lookup(tag)
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(fmt.Sprintf("the %s tag of setting %s is no number: %q", tag, field.Name, text))
	}
	return n, true
}

func (s Settings) checkFoundation(f *faults) {
	if !slices.Contains(Foundations(), s.Foundation) {
		f.add("foundation", "is %q; this version knows: %s", s.Foundation, strings.Join(Foundations(), ", "))
	}
	if s.Foundation == OnAWS {
		s.AWS.check(s, f)
		return
	}
	if s.Cluster.Identifier == "" {
		f.add("cluster.identifier", "is missing; give the cluster a name that stays the same for as long as the stack lives")
	}
	networks("cluster.apiNetworks", s.Cluster.APINetworks, f)
	if s.Foundation == AsGuest {
		s.checkGuest(f)
		return
	}
	networks("cluster.nodeNetworks", s.Cluster.NodeNetworks, f)
	if s.Storage.Provisioner == "" {
		f.add("storage.provisioner", "is missing; name the cluster's volume driver (kubectl get storageclass shows it)")
	}
}

func (a Admission) check(f *faults) {
	known := []string{string(admission.Deny), string(admission.Warn), AdmissionOff}
	if !slices.Contains(known, a.Action) {
		f.add("admission.action", "%q is none of %s", a.Action, strings.Join(known, ", "))
	}
}

// networks checks a list in CIDR notation.
func networks(path string, list []string, f *faults) {
	for i, network := range list {
		if _, err := netip.ParsePrefix(network); err != nil {
			f.add(fmt.Sprintf("%s[%d]", path, i), "%q is not a network in CIDR notation, such as 10.0.0.0/16", network)
		}
	}
}

var domain = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func (d DNS) check(foundation string, f *faults) {
	for _, zone := range []struct{ path, name string }{
		{"dns.publicZone", d.PublicZone}, {"dns.privateZone", d.PrivateZone},
	} {
		if foundation == AsGuest && zone.path == "dns.privateZone" {
			continue // it has no names there
		}
		if len(zone.name) > 253 || !domain.MatchString(zone.name) {
			f.add(zone.path, "%q is not a domain name in lower case, such as example.org", zone.name)
		}
	}
	if d.PublicZone != "" && d.PublicZone == d.PrivateZone {
		f.add("dns.privateZone", "is the public zone: what is private would be served to everyone")
	}
	if d.ClusterIP != "" {
		if _, err := netip.ParseAddr(d.ClusterIP); err != nil {
			f.add("dns.clusterIP", "%q is not an IP address", d.ClusterIP)
		}
	}
}

func (i Ingress) check(foundation string, f *faults) {
	if len(i.Addresses) == 0 && (foundation == Local || foundation == AsGuest) {
		f.add("ingress.addresses", "is empty; list the addresses at which clients reach the nodes")
	}
	seen := map[string]int{}
	for n, address := range i.Addresses {
		at := fmt.Sprintf("ingress.addresses[%d]", n)
		if _, err := netip.ParseAddr(address); err != nil {
			f.add(at, "%q is not an IP address", address)
		}
		if first, dup := seen[address]; dup {
			f.add(at, "%s is ingress.addresses[%d] already", address, first)
			continue
		}
		seen[address] = n
	}
	networks("ingress.trustedProxies", i.TrustedProxies, f)
	if i.Guests != "" && !dnsLabel.MatchString(i.Guests) {
		f.add("ingress.guests", "%q is not one part of a domain name: lower-case letters, digits and '-'", i.Guests)
	}
	if i.MaxReplicas < i.Replicas {
		f.add("ingress.maxReplicas", "is %d, below ingress.replicas = %d", i.MaxReplicas, i.Replicas)
	}
	if i.HTTPPort == i.HTTPSPort {
		f.add("ingress.httpPort", "is %d, the same as ingress.httpsPort", i.HTTPPort)
	}
}

// role matches names of PostgreSQL that need no quoting.
var role = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func (d Database) check(f *faults) {
	for _, amount := range []struct{ path, value string }{
		{"database.storage", d.Storage}, {"database.cpu", d.CPU}, {"database.memory", d.Memory},
	} {
		if _, err := component.Quantity(amount.value); err != nil {
			f.add(amount.path, "%s", err)
		}
	}
	for _, name := range []struct{ path, value string }{{"database.name", d.Name}, {"database.owner", d.Owner}} {
		if !role.MatchString(name.value) {
			f.add(name.path, "%q is not a PostgreSQL name of lower-case letters, digits and '_'", name.value)
		}
	}
	known := []string{"", string(postgres.Strict), string(postgres.Available)}
	if !slices.Contains(known, d.Durability) {
		f.add("database.durability", "%q is none of %s, %s", d.Durability, postgres.Strict, postgres.Available)
	}
	if d.Members == 1 && d.Durability == string(postgres.Strict) {
		f.add("database.durability", "is %s with one member: every write would wait for a second one for ever", postgres.Strict)
	}
	// Patroni shortens its timings silently when this does not hold.
	if least := d.LoopWaitSeconds + 2*d.RetryTimeoutSeconds; d.TTLSeconds < least {
		f.add("database.ttlSeconds", "is %d, must be at least loopWaitSeconds + 2 x retryTimeoutSeconds = %d",
			d.TTLSeconds, least)
	}
}

// checkBackups asks the component, which knows what it needs.
func (s Settings) checkBackups(f *faults) {
	args := s.databaseArgs()
	if args.Backups == nil {
		return
	}
	if s.Foundation == OnAWS {
		args.Backups.S3 = &postgres.S3{Bucket: later, Region: "later", Role: later, RoleAnnotation: "later"}
	}
	for _, fault := range args.Faults() {
		path := "database." + fault.Path
		if path == "database.backups" {
			path = "database.backups.enabled"
			fault.Problem = "is true, but backups need database.encrypted: the repository and the members know each other by certificates"
		}
		if strings.HasPrefix(path, "database.backups.") && !f.has(path) {
			f.add(path, "%s", fault.Problem)
		}
	}
}

func (s Settings) checkAPI(f *faults) {
	if zone := s.DNS.PublicZone; zone != "" && !strings.HasSuffix(s.API.Host, "."+zone) {
		f.add("api.host", "%q is not inside dns.publicZone %q, so nobody could find it", s.API.Host, zone)
	}
	for _, release := range []struct{ path, value string }{
		{"api.blueGreen.blue", s.API.BlueGreen.Blue}, {"api.blueGreen.green", s.API.BlueGreen.Green},
	} {
		if _, err := fastapi.Version("image:" + release.value); err != nil {
			f.add(release.path, "%q is neither %q nor the tag of an image", release.value, Checkout)
		}
	}
	// The component knows its own rules; only what flows in from other
	// components is not known yet.
	const image = "image:" + Checkout
	args := s.apiArgs(ownNamespaces(), image, map[fastapi.Colour]string{fastapi.Blue: image, fastapi.Green: image})
	known := pulumi.String("known later")
	args.Database = fastapi.Database{
		PrimaryHost: known, ReplicaHost: known, Port: pulumi.Int(1), Name: known, User: known, Password: known,
		Namespace: databaseNamespace,
	}
	args.Certificate.IssuerName, args.Certificate.IssuerKind = known, known
	for _, fault := range args.Faults() {
		if path := apiPath(fault.Path); !f.has(path) {
			f.add(path, "%s", fault.Problem)
		}
	}
}

// apiPath turns the path of an argument of the service into that of the setting
// it comes from.
func apiPath(argument string) string {
	switch {
	case argument == "active":
		return "api.blueGreen.active"
	case strings.HasPrefix(argument, "certificate."):
		return "certificates." + strings.TrimPrefix(argument, "certificate.")
	default:
		return "api." + argument
	}
}
