package network

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// NAT says how private subnets reach the internet.
type NAT string

// One gateway, one in every zone, or none.
const (
	OneNAT     NAT = "one"
	NATPerZone NAT = "perZone"
	NoNAT      NAT = "none"
)

// NATs lists what Args.NAT accepts.
func NATs() []string { return []string{string(OneNAT), string(NATPerZone), string(NoNAT)} }

// Args describes the network of one cluster.
type Args struct {
	// Name is what people see it called. Required.
	Name string
	// Region is where it lies, such as "eu-central-1". Required.
	Region string
	// CIDR is its range: private, /16 to /22. Required. A change replaces
	// everything.
	CIDR string
	// Zones are its availability zones, one to three. Required. Subnets belong to
	// positions in this list: append to it, and never reorder it.
	Zones []string
	// NAT is how private subnets reach the internet. Default: OneNAT. With NoNAT
	// only what Endpoints names is reached.
	NAT NAT
	// Endpoints are services of AWS that get an address inside, such as "sts" and
	// "ecr.api". Each costs by the hour and zone. Default: none.
	Endpoints []string
	// FlowLogs is the ARN of a bucket and prefix that traffic is recorded to.
	// Required.
	FlowLogs pulumi.StringInput
	// Cluster is the name of the cluster, by which controllers in it find their
	// subnets. Required.
	Cluster string
}

// plan is Args, found to be free of faults, and what follows from them.
type plan struct {
	Args
	subnets []Subnets
}

var (
	zoneName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d[a-z]$`)
	service  = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`)
)

// Check reports every fault of the arguments, each with its path.
func (a Args) Check() error {
	_, err := resolve(a)
	return err
}

func resolve(args Args) (plan, error) {
	p := plan{Args: args}
	p.Zones, p.Endpoints = slices.Clone(args.Zones), slices.Clone(args.Endpoints)
	if p.NAT == "" {
		p.NAT = OneNAT
	}
	var faults []error
	fault := func(path, format string, values ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
	}
	for _, required := range []struct{ path, value string }{
		{"name", args.Name}, {"region", args.Region}, {"cluster", args.Cluster},
	} {
		if required.value == "" {
			fault(required.path, "is empty")
		}
	}
	if args.FlowLogs == nil {
		fault("flowLogs", "is not set")
	}
	if !slices.Contains(NATs(), string(p.NAT)) {
		fault("nat", "%q is none of %v", p.NAT, NATs())
	}
	for i, zone := range args.Zones {
		at := fmt.Sprintf("zones[%d]", i)
		switch first := slices.Index(args.Zones, zone); {
		case !zoneName.MatchString(zone) || zone[:len(zone)-1] != args.Region:
			fault(at, "%q is not a zone of region %q", zone, args.Region)
		case first < i:
			fault(at, "%s is zones[%d] already", zone, first)
		}
	}
	for i, name := range args.Endpoints {
		switch {
		case !service.MatchString(name):
			fault(fmt.Sprintf("endpoints[%d]", i), "%q is not a service such as ecr.api", name)
		case name == "s3":
			fault(fmt.Sprintf("endpoints[%d]", i), "s3 is always there, as a gateway")
		case slices.Index(args.Endpoints, name) < i:
			fault(fmt.Sprintf("endpoints[%d]", i), "%s is there twice", name)
		}
	}
	if vpc, err := netip.ParsePrefix(args.CIDR); err != nil {
		fault("cidr", "%q is not a network such as 10.20.0.0/16", args.CIDR)
	} else if subnets, err := Divide(vpc, len(args.Zones)); err != nil {
		path := "cidr"
		if !errors.Is(err, ErrRange) {
			path = "zones"
		}
		fault(path, "%s", err)
	} else {
		p.subnets = subnets
	}
	return p, errors.Join(faults...)
}
