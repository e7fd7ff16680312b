package stacks

import (
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/eks"
)

var (
	accountNumber = regexp.MustCompile(`^\d{12}$`)
	// regionName leaves out the partitions of China and of governments, whose
	// ARNs are different ones.
	regionName = regexp.MustCompile(`^(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-\d$`)
)

// elsewhere complains about settings that the foundation does not look at: what
// is set and then ignored is a misunderstanding.
func (s Settings) elsewhere(f *faults) {
	standard := Defaults()
	ignored := func(path string, got, want any) {
		unused(path, reflect.ValueOf(got), reflect.ValueOf(want), s.Foundation, f)
	}
	switch s.Foundation {
	case Local:
		ignored("account", s.Account, standard.Account)
		ignored("aws", s.AWS, standard.AWS)
		ignored("guest", s.Guest, standard.Guest)
	case AsGuest:
		unused("", reflect.ValueOf(s), reflect.ValueOf(s.guestsOwn(standard)), s.Foundation, f)
	case OfAccount:
		place := standard.AWS
		place.Account, place.Region, place.Owner, place.Unprotected = s.AWS.Account, s.AWS.Region, s.AWS.Owner, s.AWS.Unprotected
		standard.Foundation, standard.Account, standard.AWS = s.Foundation, s.Account, place
		unused("", reflect.ValueOf(s), reflect.ValueOf(standard), s.Foundation, f)
	case OnAWS:
		ignored("account", s.Account, standard.Account)
		ignored("cluster", s.Cluster, standard.Cluster)
		ignored("storage", s.Storage, standard.Storage)
		ignored("dns.clusterIP", s.DNS.ClusterIP, standard.DNS.ClusterIP)
		ignored("dns.hostPort", s.DNS.HostPort, standard.DNS.HostPort)
		ignored("dns.replicas", s.DNS.Replicas, standard.DNS.Replicas)
		ignored("ingress.hostPorts", s.Ingress.HostPorts, standard.Ingress.HostPorts)
		ignored("ingress.addresses", s.Ingress.Addresses, standard.Ingress.Addresses)
		ignored("ingress.guests", s.Ingress.Guests, standard.Ingress.Guests)
		ignored("guest", s.Guest, standard.Guest)
	}
}

// unused reports each value that is not its default.
func unused(path string, got, want reflect.Value, foundation string, f *faults) {
	if got.Kind() == reflect.Struct {
		for i := range got.NumField() {
			unused(strings.TrimPrefix(path+"."+key(got.Type().Field(i)), "."), got.Field(i), want.Field(i), foundation, f)
		}
		return
	}
	if !reflect.DeepEqual(got.Interface(), want.Interface()) {
		f.add(path, "has no effect with foundation %s; leave it out", foundation)
	}
}

// publicHours is how long Let's Encrypt's certificates are valid: 90 days.
const publicHours = 90 * 24

// later stands for what other resources know.
var later = pulumi.String("known later")

// check holds the settings against the rules of the components they go to, and
// against each other.
func (a AWS) check(s Settings, f *faults) {
	a.checkPlace(f)
	a.checkPieces(s, f)
	a.checkRanges(f)
	a.checkTimings(s, f)
	a.checkRoom(s, f)
}

// checkPlace looks at which account and region are meant.
func (a AWS) checkPlace(f *faults) {
	if !accountNumber.MatchString(a.Account) {
		f.add("aws.account", "%q is not an account of twelve digits; write it in quotes", a.Account)
	}
	if !regionName.MatchString(a.Region) {
		f.add("aws.region", "%q is not a region such as eu-central-1", a.Region)
	}
}

// checkPieces asks each component what it thinks of its part.
func (a AWS) checkPieces(s Settings, f *faults) {
	const name = "slipway-stack"
	network := a.networkArgs(name)
	network.FlowLogs = later
	f.take("aws.network.", network.Check(), "name", "region", "cluster")
	if len(a.Network.Zones) == 1 {
		f.add("aws.network.zones", "has one zone; EKS wants its API in two at least")
	}
	if a.Network.NAT == "none" {
		f.add("aws.network.nat", `is "none", but nodes pull images from the internet; take "one" or "perZone"`)
	}
	cluster := a.clusterArgs(name)
	subnets := pulumi.StringArray{later}
	cluster.Endpoints, cluster.Nodes, cluster.Keys = subnets, subnets, eks.Keys{Secrets: later, Volumes: later, Logs: later}
	f.take("aws.cluster.", cluster.Check(), "name", "account")

	balancer := a.balancerArgs(s.Ingress)
	balancer.VPCID, balancer.Subnets, balancer.NodeSecurityGroupID = later, subnets, later
	balancer.Nodes = map[string]pulumi.StringOutput{"all": later.ToStringOutput()}
	f.take("aws.balancer.", balancer.Check(), "drainSeconds", "doors")

	logs, backups := a.bucketArgs(name, s, later)
	f.take("aws.logs.", logs.Check(), "account", "bucket", "oldVersionDays", "prefixDays")
	f.take("aws.backups.", backups.Check(), "account", "bucket", "oldVersionDays", "expireDays")
	f.take("aws.cost.", a.costArgs(name, "stack").Check())
	if !strings.Contains(a.Authority.Email, "@") {
		f.add("aws.authority.email", "%q is not an address for mail", a.Authority.Email)
	}
	if days := a.Zones.QueryLogDays; days != 0 && !slices.Contains(eks.LogPeriods(), days) {
		f.add("aws.zones.queryLogDays", "is %d, must be 0 (none) or one of %v", days, eks.LogPeriods())
	}
	if s.Certificates.ValidHours > publicHours {
		f.add("certificates.validHours", "is %d, but Let's Encrypt issues for %d at most", s.Certificates.ValidHours, publicHours)
	}
}

// checkRanges keeps addresses of services and of machines apart.
func (a AWS) checkRanges(f *faults) {
	vpc, err := netip.ParsePrefix(a.Network.CIDR)
	services, other := netip.ParsePrefix(a.Cluster.ServiceCIDR)
	if err == nil && other == nil && vpc.Overlaps(services) {
		f.add("aws.cluster.serviceCIDR", "%s overlaps aws.network.cidr = %s", services, vpc)
	}
}

// checkTimings makes sure that each wait in the chain outlasts the one before:
// the balancer looks away before a proxy stops accepting, and a proxy waits for
// the service's own requests.
func (a AWS) checkTimings(s Settings, f *faults) {
	notice := a.Balancer.HealthSeconds * a.Balancer.UnhealthyCount
	if a.Balancer.AcceptSeconds <= notice {
		f.add("aws.balancer.acceptSeconds", "is %d, must exceed healthSeconds x unhealthyCount = %d, "+
			"or the balancer still sends to a proxy that no longer accepts", a.Balancer.AcceptSeconds, notice)
	}
	if drain := s.API.Drain.ShutdownSeconds; a.Balancer.FinishSeconds < drain {
		f.add("aws.balancer.finishSeconds", "is %d, must be at least api.drain.shutdownSeconds = %d, "+
			"or the proxy cuts off what the service still finishes", a.Balancer.FinishSeconds, drain)
	}
}

// take adopts the faults of a component's arguments, whose paths are those of
// the settings below prefix. It leaves out paths that no setting has; they
// follow from a fault that is reported elsewhere.
func (f *faults) take(prefix string, err error, except ...string) {
	if err == nil {
		return
	}
	list := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		list = joined.Unwrap()
	}
	for _, fault := range list {
		path, problem, found := strings.Cut(fault.Error(), ": ")
		if !found || slices.Contains(except, path) || f.has(prefix+path) {
			continue
		}
		if renamed, ok := settingOf[prefix+path]; ok {
			path = renamed
		}
		f.list = append(f.list, fmt.Errorf("%s%s: %s", prefix, path, problem))
	}
}

// settingOf are settings that are called otherwise than the arguments they
// become.
var settingOf = map[string]string{
	"aws.logs.expireDays": "keepDays",
}
