package certificates

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"slipway.dev/slipway/components/crd"
	"slipway.dev/slipway/components/workload"
)

// Defaults of Args.
const (
	DefaultNamespace  = "cert-manager"
	DefaultRegistry   = "quay.io/jetstack"
	DefaultIssuer     = "slipway-lab-ca"
	DefaultCommonName = "Slipway lab CA"
	DefaultDays       = 3650
)

// Args describes cert-manager and the authority that signs.
type Args struct {
	// Namespace is created for cert-manager and holds the authority's key.
	// Default: cert-manager. A change replaces everything, the authority
	// included, and clients have to trust the new one.
	Namespace string
	// Version is cert-manager's version, such as "v1.11.5"; it is the tag of all
	// three images. Required. A change rolls them. It must be the version that
	// CRDFile belongs to.
	Version string
	// Registry is where the images are, host and path. Default: quay.io/jetstack.
	Registry string
	// CRDFile is the path of cert-manager's custom resource definitions: one
	// YAML file, or a directory of them. Required. It is read at once.
	CRDFile string
	// WebhookReplicas is the number of webhooks. While none answers, no
	// certificate can be created or changed. Default: 2.
	WebhookReplicas int
	// ControllerReplicas is the number of controllers and of CA injectors. One
	// of each works, the others stand by. Default: 1; renewals have weeks of
	// time, so one that is restarted elsewhere is soon enough.
	ControllerReplicas int
	// Issuer is the name of the ClusterIssuer, and of the authority's
	// Certificate and Secret. Default: slipway-lab-ca. A change makes a new
	// authority.
	Issuer string
	// CommonName is the authority's name as people see it in a browser. Default:
	// "Slipway lab CA". A change reissues its certificate under the same key.
	CommonName string
	// Days is how long the authority's certificate is valid. It is renewed, with
	// the same key, when a tenth of that is left, and clients then have to be
	// given the new one. Default: 3650.
	Days int
	// APIServer are the networks in which the Kubernetes API answers, in CIDR
	// notation, which cert-manager may reach on ports 443 and 6443, and from which
	// its webhook is asked. Default: any address.
	APIServer []string
	// MonitoringNamespace may scrape metrics. Empty: nobody may.
	MonitoringNamespace string
	// ACME, when set, adds issuers that the public trusts, for names in a public
	// zone. The private authority stays, for names that only resolve inside.
	ACME *ACME
}

// plan is Args with its defaults, found to be free of faults.
type plan struct {
	Args
	definitions []crd.Definition
}

// version matches a release, with a v as cert-manager's images have it.
var version = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

// name matches a name of Kubernetes that is also a DNS label.
var name = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

func resolve(args Args) (plan, error) {
	p := plan{Args: args}
	p.Namespace = cmp.Or(args.Namespace, DefaultNamespace)
	p.Registry = cmp.Or(args.Registry, DefaultRegistry)
	p.WebhookReplicas = cmp.Or(args.WebhookReplicas, 2)
	p.ControllerReplicas = cmp.Or(args.ControllerReplicas, 1)
	p.Issuer = cmp.Or(args.Issuer, DefaultIssuer)
	p.CommonName = cmp.Or(args.CommonName, DefaultCommonName)
	p.Days = cmp.Or(args.Days, DefaultDays)
	p.APIServer = slices.Clone(args.APIServer)
	if len(p.APIServer) == 0 {
		p.APIServer = slices.Clone(workload.Anywhere)
	}
	var faults []error
	fault := func(path, format string, values ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
	}
	if !name.MatchString(p.Namespace) {
		fault("namespace", "%q is not a namespace name", p.Namespace)
	}
	if !version.MatchString(p.Version) {
		fault("version", "%q is not a version such as v1.11.5", p.Version)
	}
	if p.WebhookReplicas < 1 {
		fault("webhookReplicas", "is %d, must be at least 1", p.WebhookReplicas)
	}
	if p.ControllerReplicas < 1 {
		fault("controllerReplicas", "is %d, must be at least 1", p.ControllerReplicas)
	}
	if !name.MatchString(p.Issuer) {
		fault("issuer", "%q is not a name of lower-case letters, digits and dashes", p.Issuer)
	}
	if len(p.CommonName) > 64 {
		fault("commonName", "has %d characters, a certificate has room for 64", len(p.CommonName))
	}
	if p.Days < 1 || p.Days > 36500 {
		fault("days", "is %d, must be 1 to 36500", p.Days)
	}
	if args.ACME != nil {
		acme, found := args.ACME.resolve()
		p.ACME = &acme
		faults = append(faults, found...)
	}
	faults = append(faults, workload.CheckNetworks("apiServer", args.APIServer)...)
	if args.ACME != nil {
		faults = append(faults, workload.CheckNetworks("acme.inside", args.ACME.Inside)...)
	}
	if args.CRDFile == "" {
		fault("crdFile", "is empty, must be the path of cert-manager's custom resource definitions")
	} else {
		definitions, err := crd.Load(args.CRDFile)
		if err != nil {
			faults = append(faults, fmt.Errorf("crdFile: %w", err))
		} else if missing := absent(definitions, args.ACME != nil); len(missing) > 0 {
			fault("crdFile", "%s does not define %v", args.CRDFile, missing)
		}
		p.definitions = definitions
	}
	return p, errors.Join(faults...)
}

// absent returns the definitions this package's own objects need and that are
// not there: the path leads to another project's files.
func absent(definitions []crd.Definition, acme bool) []string {
	all := []string{
		"certificaterequests.cert-manager.io", "certificates.cert-manager.io",
		"clusterissuers.cert-manager.io", "issuers.cert-manager.io",
	}
	if acme {
		all = append(all, "challenges.acme.cert-manager.io", "orders.acme.cert-manager.io")
	}
	var missing []string
	for _, needed := range all {
		if !slices.ContainsFunc(definitions, func(d crd.Definition) bool { return d.Name == needed }) {
			missing = append(missing, needed)
		}
	}
	return missing
}
