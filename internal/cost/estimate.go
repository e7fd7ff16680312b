package cost

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	sizes "k8s.io/apimachinery/pkg/api/resource"

	"slipway.dev/slipway/policies/rule"
)

// ErrRegion is returned for a stack in a region of which there are no prices.
var ErrRegion = errors.New("the table has no prices of the stack's region")

// Charge is what one resource costs for being there.
type Charge struct {
	// Resource is the kind and name of what is paid for; What is the part of it.
	Resource, What string
	// Number of units, and Most of them when everything has scaled out.
	Number, Most float64
	Price        Price
	// Month is the cost of Number units a month, Peak that of Most.
	Month, Peak float64
}

// Estimate is what a stack costs.
type Estimate struct {
	Charges []Charge
	// Usage counts the resources that are paid by use, by type.
	Usage map[string]int
	// Unknown names what could not be priced and why, with nothing counted for it.
	Unknown []string
	// Budget is what the stack's own budget allows a month; 0 without one.
	Budget float64

	table *Table
}

// Month is what is paid a month for what is there.
func (e *Estimate) Month() float64 { return e.sum(func(c Charge) float64 { return c.Month }) }

// Peak is what is paid a month when everything has scaled out.
func (e *Estimate) Peak() float64 { return e.sum(func(c Charge) float64 { return c.Peak }) }

// Idle says that nothing is paid for.
func (e *Estimate) Idle() bool { return len(e.Charges)+len(e.Usage)+len(e.Unknown) == 0 }

func (e *Estimate) sum(of func(Charge) float64) float64 {
	total := 0.0
	for _, c := range e.Charges {
		total += of(c)
	}
	return total
}

// estimator goes through the resources of one stack.
type estimator struct {
	*Estimate
	resources []*rule.Resource
}

// Estimate prices resources.
func (t *Table) Estimate(resources []*rule.Resource) (*Estimate, error) {
	e := &estimator{&Estimate{Usage: map[string]int{}, table: t}, resources}
	if err := e.region(); err != nil {
		return nil, err
	}
	unknown := map[string]int{}
	for _, r := range resources {
		price := charges[r.Type]
		usage, used := t.Usage[r.Type]
		if used && usage.USD > 0 {
			e.Usage[r.Type]++
		}
		switch {
		case price != nil:
			price(e, r)
		case used, slices.Contains(t.Free, r.Type), !strings.HasPrefix(r.Type, "aws:"):
			// Objects of a cluster run on machines that are counted, and components
			// and passwords are nothing that is paid for.
		default:
			unknown[r.Type]++
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(unknown)) {
		e.Unknown = append(e.Unknown, fmt.Sprintf("%s (%d): the table of prices does not know the type", typ, unknown[typ]))
	}
	return e.Estimate, nil
}

// region refuses a stack of which no provider is in the table's region.
func (e *estimator) region() error {
	var regions []string
	for _, r := range e.resources {
		if r.Type == "pulumi:providers:aws" {
			regions = append(regions, r.Text("region"))
		}
	}
	if len(regions) > 0 && !slices.Contains(regions, e.table.Region) {
		return fmt.Errorf("%w: it is in %s, the prices are of %s", ErrRegion, strings.Join(regions, ", "), e.table.Region)
	}
	return nil
}

// charges are the types that are paid for being there.
var charges map[string]func(e *estimator, r *rule.Resource)

func init() {
	charges = map[string]func(e *estimator, r *rule.Resource){
		"aws:eks/cluster:Cluster":       each("cluster", "control plane"),
		"aws:ec2/natGateway:NatGateway": each("nat-gateway", "gateway"),
		"aws:ec2/eip:Eip":               each("public-address", "public address"),
		"aws:kms/key:Key":               each("key", "key"),
		"aws:route53/zone:Zone":         each("zone", "zone"),
		"aws:ec2/vpcEndpoint:VpcEndpoint": func(e *estimator, r *rule.Resource) {
			if r.Text("vpcEndpointType") == "Interface" {
				e.list(r, "endpoint", "interface in a zone", "subnetIds")
			}
		},
		"aws:lb/loadBalancer:LoadBalancer": func(e *estimator, r *rule.Resource) {
			e.add(r, "balancer", e.table.Prices["network-balancer"], 1, 1)
			if r.Value("internal") != true {
				e.list(r, "public-address", "public address", "subnets")
			}
		},
		"aws:eks/nodeGroup:NodeGroup":              nodes,
		"kubernetes:apps/v1:StatefulSet":           volumes,
		"aws:budgets/budget:Budget":                budget,
		"aws:ebs/volume:Volume":                    func(e *estimator, r *rule.Resource) { e.volume(r, "volume", r.Properties(), 1, 1) },
		"kubernetes:core/v1:PersistentVolumeClaim": func(e *estimator, r *rule.Resource) { claim(e, r, r.Properties(), 1) },
	}
}

func each(price, what string) func(e *estimator, r *rule.Resource) {
	return func(e *estimator, r *rule.Resource) { e.add(r, what, e.table.Prices[price], 1, 1) }
}

func (e *estimator) add(r *rule.Resource, what string, price Price, number, most float64) {
	e.Charges = append(e.Charges, Charge{
		Resource: r.Kind() + " " + r.Name, What: what, Number: number, Most: most, Price: price,
		Month: number * e.table.month(price), Peak: most * e.table.month(price),
	})
}

// list counts one unit for each element of a list.
func (e *estimator) list(r *rule.Resource, price, what, property string) {
	list, ok := r.Value(property).([]any)
	if !ok {
		e.doubt(r, "%s is not known yet", property)
		return
	}
	e.add(r, what, e.table.Prices[price], float64(len(list)), float64(len(list)))
}

func (e *estimator) doubt(r *rule.Resource, format string, args ...any) {
	e.Unknown = append(e.Unknown, r.Kind()+" "+r.Name+": "+fmt.Sprintf(format, args...))
}

// nodes counts the machines of a group and their disks, from the fewest to the
// most.
func nodes(e *estimator, r *rule.Resource) {
	fewest, some := number(r.At("scalingConfig.minSize"))
	most, limited := number(r.At("scalingConfig.maxSize"))
	machine, _ := r.At("instanceTypes[0]").(string)
	price, ok := e.table.Machines[machine]
	switch {
	case !some || !limited:
		e.doubt(r, "how many machines it has is not known yet")
		return
	case !ok:
		e.doubt(r, "the table of prices does not know the machine %q", machine)
	default:
		what := machine
		if r.Text("capacityType") == "SPOT" {
			what += " on spot, at most"
		}
		if share := e.open(r); share < 1 {
			what += fmt.Sprintf(", %.0f %% of the week", 100*share)
			fewest, most = share*fewest, share*most
		}
		e.add(r, what, price, fewest, most)
	}
	template := e.template(r)
	if template == nil {
		e.doubt(r, "which launch template describes its disks is not known yet")
		return
	}
	for i := range listOf(template.At("blockDeviceMappings")) {
		disk, _ := template.At("blockDeviceMappings[" + strconv.Itoa(i) + "].ebs").(map[string]any)
		e.volume(r, "disk", map[string]any{
			"type": disk["volumeType"], "size": disk["volumeSize"], "iops": disk["iops"], "throughput": disk["throughput"],
		}, fewest, most)
	}
}

// template is the launch template of a group: the one that it was made from, or
// the only one there is.
func (e *estimator) template(group *rule.Resource) *rule.Resource {
	var all []*rule.Resource
	for _, r := range e.resources {
		if r.Type != "aws:ec2/launchTemplate:LaunchTemplate" {
			continue
		}
		if group.DependsOn(r) {
			return r
		}
		all = append(all, r)
	}
	if len(all) == 1 {
		return all[0]
	}
	return nil
}

// volumes counts the volumes of a stateful set's members.
func volumes(e *estimator, r *rule.Resource) {
	templates := listOf(r.At("spec.volumeClaimTemplates"))
	members, ok := number(r.At("spec.replicas"))
	if !ok && len(templates) > 0 {
		e.doubt(r, "how many members it has is not known yet")
		return
	}
	for _, template := range templates {
		object, _ := template.(map[string]any)
		claim(e, r, object, members)
	}
}

// claim counts volumes by their storage class.
func claim(e *estimator, r *rule.Resource, object map[string]any, volumes float64) {
	spec, _ := object["spec"].(map[string]any)
	name, _ := spec["storageClassName"].(string)
	class := e.class(name)
	if class == nil {
		e.doubt(r, "the stack does not declare its storage class %q", name)
		return
	}
	if class.Text("provisioner") != "ebs.csi.aws.com" {
		return // on a disk that somebody else pays for
	}
	resources, _ := spec["resources"].(map[string]any)
	requests, _ := resources["requests"].(map[string]any)
	size, _ := requests["storage"].(string)
	asked, err := sizes.ParseQuantity(size)
	if err != nil {
		e.doubt(r, "the size of its volumes is %q, no quantity", size)
		return
	}
	gib := asked.AsApproximateFloat64() / (1 << 30)
	parameters, _ := class.Value("parameters").(map[string]any)
	e.volume(r, "volume", map[string]any{
		"type": parameters["type"], "size": gib, "iops": parameters["iops"], "throughput": parameters["throughput"],
	}, volumes, volumes)
}

func (e *estimator) class(name string) *rule.Resource {
	for _, r := range e.resources {
		if r.Type == rule.StorageClass && r.ObjectName() == name {
			return r
		}
	}
	return nil
}

// What a gp3 volume comes with.
const (
	includedIOPS       = 3000
	includedThroughput = 125
)

// volume counts volumes of one description.
func (e *estimator) volume(r *rule.Resource, what string, volume map[string]any, volumes, most float64) {
	size, sized := number(volume["size"])
	if volume["type"] != "gp3" || !sized {
		e.doubt(r, "its %s is %v of %v GiB, and the table of prices has gp3 of a known size", what, volume["type"], volume["size"])
		return
	}
	e.add(r, what+", GiB", e.table.Prices["gp3-gib"], size*volumes, size*most)
	for _, extra := range []struct {
		property, price, what string
		included              float64
	}{
		{"iops", "gp3-iops", ", IOPS above 3000", includedIOPS},
		{"throughput", "gp3-mib-per-second", ", MiB/s above 125", includedThroughput},
	} {
		if n, ok := number(volume[extra.property]); ok && n > extra.included {
			above := n - extra.included
			e.add(r, what+extra.what, e.table.Prices[extra.price], above*volumes, above*most)
		}
	}
}

func budget(e *estimator, r *rule.Resource) {
	if limit, ok := number(r.Value("limitAmount")); ok {
		e.Budget += limit
	}
}

func listOf(value any) []any {
	list, _ := value.([]any)
	return list
}

// number reads a number, also one that is written as text.
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case string:
		n, err := strconv.ParseFloat(v, 64)
		return n, err == nil
	}
	return 0, false
}
