package eks

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Args describes a cluster.
type Args struct {
	// Name is the cluster's name, unique in account and region. Required. A
	// change makes another cluster.
	Name string
	// Account and Region are where it runs. Required.
	Account, Region string
	// Version is that of Kubernetes, such as "1.34". Required. It can go up by one
	// at a time, and never down.
	Version string
	// ServiceCIDR is the range of service addresses, apart from the VPC's.
	// Required. A change makes another cluster.
	ServiceCIDR string
	// Endpoints are subnets for the API, in at least two zones. Required.
	Endpoints pulumi.StringArrayInput
	// Nodes are subnets for nodes and pods. Required.
	Nodes pulumi.StringArrayInput
	// PublicCIDRs are networks from which the API is reached over the internet.
	// Default: none, and then only from inside the VPC.
	PublicCIDRs []string
	// LogDays is how long the control plane's logs are kept. Required, one of the
	// periods CloudWatch knows.
	LogDays int
	// Keys encrypt what the cluster holds. Required.
	Keys Keys
	// Admins are roles that may do everything in the cluster. At least one; who
	// deploys is among them. Viewers may look at what runs, and at no Secret.
	// Auditors may look at everything, Secrets included, and change nothing, as
	// comparing with what was declared takes. Default: no viewers, no auditors.
	Admins, Viewers, Auditors []string
	// AddOns are the versions of the add-ons, by name. All of AddOnNames, and no
	// other, must be there.
	AddOns map[string]string
	// NodeGroups are groups of nodes, by name. At least one. Renaming one drains
	// its nodes.
	NodeGroups map[string]NodeGroup
	// OfficeHours are when there are nodes at all. Default: always.
	OfficeHours Hours
	// Tags are given to machines, their volumes and those of pods, which do not
	// inherit the provider's. Default: none.
	Tags map[string]string
	// Unprotected lets a destroy delete the cluster and its logs. Default: guarded.
	Unprotected bool
}

// Keys are ARNs of the keys that encrypt Secrets, volumes of nodes, and logs.
type Keys struct{ Secrets, Volumes, Logs pulumi.StringInput }

// NodeGroup is a group of equal nodes, spread over the zones.
type NodeGroup struct {
	// InstanceTypes are the kinds of machine that will do, best first. At least
	// one.
	InstanceTypes []string
	// Spot takes spare machines, which are cheaper and taken back at two
	// minutes' notice. A change replaces the group.
	Spot bool
	// Min and Max bound the number of nodes.
	Min, Max int
	// DiskGiB is the size of each node's volume. A change replaces the nodes.
	DiskGiB int
	// Labels are given to the nodes.
	Labels map[string]string
	// Taints keep pods away that do not tolerate them, by key, as "value:effect"
	// with one of NoSchedule, PreferNoSchedule and NoExecute.
	Taints map[string]string
}

// Names of add-ons.
const (
	cni         = "vpc-cni"
	kubeProxy   = "kube-proxy"
	podIdentity = "eks-pod-identity-agent"
	coreDNS     = "coredns"
	volumes     = "aws-ebs-csi-driver"
	snapshots   = "snapshot-controller"
	metrics     = "metrics-server"
)

// AddOnNames lists the add-ons every cluster has: those that nodes need to get
// ready, and those that run on nodes.
func AddOnNames() []string { return slices.Concat(beforeNodes, onNodes) }

var (
	beforeNodes = []string{cni, kubeProxy, podIdentity}
	onNodes     = []string{coreDNS, volumes, snapshots, metrics}
)

// LogPeriods lists how many days CloudWatch can keep logs for.
func LogPeriods() []int {
	return []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
}

// plan is Args, found to be free of faults.
type plan struct{ Args }

var (
	clusterName  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	version      = regexp.MustCompile(`^1\.\d{2}$`)
	addOnVersion = regexp.MustCompile(`^v\d+\.\d+\.\d+-eksbuild\.\d+$`)
	roleARN      = regexp.MustCompile(`^arn:aws:iam::\d{12}:role/[A-Za-z0-9+=,.@_/-]+$`)
	groupName    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)
	instanceType = regexp.MustCompile(`^[a-z][a-z0-9-]*\.(nano|micro|small|medium|large|\d*xlarge|metal(-\d+xl)?)$`)
	taint        = regexp.MustCompile(`^[A-Za-z0-9._-]*:(NoSchedule|PreferNoSchedule|NoExecute)$`)
)

// effects are how AWS spells the effects of taints.
var effects = map[string]string{
	"NoSchedule": "NO_SCHEDULE", "PreferNoSchedule": "PREFER_NO_SCHEDULE", "NoExecute": "NO_EXECUTE",
}

// resolver collects the faults of one Args.
type resolver struct{ faults []error }

func (r *resolver) fault(path, format string, values ...any) {
	r.faults = append(r.faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
}

// Check reports every fault of the arguments, each with its path.
func (a Args) Check() error {
	_, err := resolve(a)
	return err
}

func resolve(args Args) (plan, error) {
	var r resolver
	p := plan{args}
	p.PublicCIDRs, p.Admins, p.Viewers = slices.Clone(args.PublicCIDRs), slices.Clone(args.Admins), slices.Clone(args.Viewers)
	p.Auditors = slices.Clone(args.Auditors)
	p.Tags = maps.Clone(args.Tags)
	p.AddOns, p.NodeGroups = maps.Clone(args.AddOns), maps.Clone(args.NodeGroups)
	p.OfficeHours.Days = slices.Clone(args.OfficeHours.Days)
	if !clusterName.MatchString(args.Name) {
		r.fault("name", "%q is not a cluster name of letters, digits, '-' and '_'", args.Name)
	}
	if args.Account == "" || args.Region == "" {
		r.fault("account", "and region must be given, are %q and %q", args.Account, args.Region)
	}
	if !version.MatchString(args.Version) {
		r.fault("version", "%q is not a version such as 1.34", args.Version)
	}
	if prefix, err := netip.ParsePrefix(args.ServiceCIDR); err != nil || prefix.Bits() < 12 || prefix.Bits() > 24 || !prefix.Addr().IsPrivate() {
		r.fault("serviceCIDR", "%q is not a private network of /12 to /24", args.ServiceCIDR)
	}
	for _, required := range []struct {
		path string
		set  bool
	}{
		{"endpoints", args.Endpoints != nil}, {"nodes", args.Nodes != nil}, {"keys.secrets", args.Keys.Secrets != nil},
		{"keys.volumes", args.Keys.Volumes != nil}, {"keys.logs", args.Keys.Logs != nil},
	} {
		if !required.set {
			r.fault(required.path, "is not set")
		}
	}
	for i, network := range args.PublicCIDRs {
		prefix, err := netip.ParsePrefix(network)
		switch {
		case err != nil || prefix.Masked() != prefix:
			r.fault(fmt.Sprintf("publicCIDRs[%d]", i), "%q is not a network such as 198.51.100.0/24", network)
		case prefix.Bits() == 0:
			r.fault(fmt.Sprintf("publicCIDRs[%d]", i), "%s opens the API to everyone", network)
		}
	}
	if !slices.Contains(LogPeriods(), args.LogDays) {
		r.fault("logDays", "is %d, must be one of %v", args.LogDays, LogPeriods())
	}
	r.access(args)
	r.addOns(args.AddOns)
	r.groups(args.NodeGroups)
	r.hours(args.OfficeHours)
	return p, errors.Join(r.faults...)
}

func (r *resolver) access(args Args) {
	if len(args.Admins) == 0 {
		r.fault("admins", "is empty: nobody could declare anything in the cluster")
	}
	seen := map[string]string{}
	for _, list := range []struct {
		path  string
		roles []string
	}{{"admins", args.Admins}, {"viewers", args.Viewers}, {"auditors", args.Auditors}} {
		for i, arn := range list.roles {
			at := fmt.Sprintf("%s[%d]", list.path, i)
			if !roleARN.MatchString(arn) {
				r.fault(at, "%q is not the ARN of a role, such as arn:aws:iam::111122223333:role/deploy", arn)
				continue
			}
			if other, dup := seen[short(arn)]; dup {
				r.fault(at, "is called %s, and so is %s; access is by one entry for each role", short(arn), other)
			}
			seen[short(arn)] = at
		}
	}
}

// short is a role's name without its path.
func short(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

func (r *resolver) addOns(given map[string]string) {
	for _, name := range AddOnNames() {
		if _, ok := given[name]; !ok {
			r.fault("addOns."+name, "is missing; pin a version (aws eks describe-addon-versions --addon-name %s shows them)", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch {
		case !slices.Contains(AddOnNames(), name):
			r.fault("addOns."+name, "is unknown; there are %s", strings.Join(AddOnNames(), ", "))
		case !addOnVersion.MatchString(given[name]):
			r.fault("addOns."+name, "%q is not a version such as v1.12.4-eksbuild.1", given[name])
		}
	}
}

func (r *resolver) groups(groups map[string]NodeGroup) {
	if len(groups) == 0 {
		r.fault("nodeGroups", "is empty, there must be at least one")
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		group, at := groups[name], "nodeGroups."+name
		if !groupName.MatchString(name) {
			r.fault(at, "%q is not a name of up to 31 lower-case letters, digits and dashes", name)
		}
		if len(group.InstanceTypes) == 0 {
			r.fault(at+".instanceTypes", "is empty")
		}
		for i, kind := range group.InstanceTypes {
			if !instanceType.MatchString(kind) {
				r.fault(fmt.Sprintf("%s.instanceTypes[%d]", at, i), "%q is not an instance type such as m7i.large", kind)
			}
		}
		if group.Min < 1 {
			r.fault(at+".min", "is %d, must be at least 1", group.Min)
		}
		if group.Max < group.Min {
			r.fault(at+".max", "is %d, below min = %d", group.Max, group.Min)
		}
		if group.DiskGiB < 20 || group.DiskGiB > 16384 {
			r.fault(at+".diskGiB", "is %d, must be 20 to 16384", group.DiskGiB)
		}
		for _, key := range slices.Sorted(maps.Keys(group.Taints)) {
			if !taint.MatchString(group.Taints[key]) {
				r.fault(at+".taints."+key, "%q is not value:effect with NoSchedule, PreferNoSchedule or NoExecute", group.Taints[key])
			}
		}
	}
}
