package simcloud

import (
	"maps"
	"slices"
	"strings"
)

// quotas are the defaults of an account in a region, by name.
var quotas = map[string]int{
	"vpcs":                5,
	"internetGateways":    5,
	"addresses":           5,
	"natGateways":         15, // 5 for each zone
	"securityGroups":      2500,
	"rulesOfGroup":        60,
	"subnetsOfVpc":        200,
	"routesOfTable":       500,
	"clusters":            100,
	"nodeGroupsOfCluster": 30,
	"roles":               1000,
	"policiesOfRole":      10,
	"buckets":             10000,
	"zones":               500,
	"balancers":           50,
	"keys":                100000,
	"repositories":        100000,
	"delegationSets":      100,
	"providers":           100,
	"endpoints":           50,
}

func quotaNames() string { return strings.Join(slices.Sorted(maps.Keys(quotas)), ", ") }

func (o *op) quota(name string) int {
	if limit, ok := o.p.Settings.Quotas[name]; ok {
		return limit
	}
	return quotas[name]
}

// admit judges what is new or changed against what exists.
func (o *op) admit() error {
	o.in = o.record.Inputs
	if naming := o.kind.naming; naming != nil && o.out[naming.property] == nil {
		o.out[naming.property] = o.in.Text(naming.property+"Prefix") + digest(26, o.record.URN, o.Operations)
	}
	if err := o.resolve(); err != nil {
		return err
	}
	if err := o.collide(); err != nil {
		return err
	}
	if o.old == nil && o.kind.quota != "" {
		if limit := o.quota(o.kind.quota); len(o.find(o.kind.token)) >= limit {
			return refuse(limitCode(o.kind), "the maximum number of %s has been reached: the quota %s is %d", plural(o.kind.called), o.kind.quota, limit)
		}
	}
	judge := o.kind.create
	if o.old != nil && o.kind.update != nil {
		judge = o.kind.update
	}
	if judge == nil {
		return nil
	}
	return judge(o)
}

func limitCode(k *kind) string {
	switch module, _, _ := strings.Cut(strings.TrimPrefix(k.token, "aws:"), "/"); module {
	case "ec2":
		return k.name() + "LimitExceeded"
	case "eks":
		return "ResourceLimitExceededException"
	default:
		return "LimitExceeded"
	}
}

func plural(called string) string {
	if stem, ok := strings.CutSuffix(called, "y"); ok {
		return stem + "ies"
	}
	return called + "s"
}

func (k *kind) takenCode() string {
	if k.taken != "" {
		return k.taken
	}
	return "EntityAlreadyExists"
}

// collide reports another thing that has what only one may have.
func (o *op) collide() error {
	if o.kind.unique == "" {
		return nil
	}
	own := o.vars().fill(o.kind.unique)
	for _, other := range o.find(o.kind.token) {
		if o.old != nil && other.ID == o.record.ID {
			continue
		}
		if vars(o.p, other.ID, other.Properties).fill(o.kind.unique) == own {
			return refuse(o.kind.takenCode(), "a %s '%s' exists already", o.kind.called, own)
		}
	}
	return nil
}

// vars are what templates may use: the properties, the ID, and the account.
func (o *op) vars() Props { return vars(o.p, o.record.ID, o.out) }

func vars(p *Provider, id string, properties Props) Props {
	all := maps.Clone(properties)
	if all == nil {
		all = Props{}
	}
	all["id"], all["account"], all["region"] = id, p.Settings.Account, p.region
	all["partition"], all["suffix"] = "aws", "amazonaws.com"
	return all
}

// makeID makes up an ID; templates are filled in once the thing is admitted.
func (k *kind) makeID(o *op) string {
	if k.id != "" {
		return ""
	}
	for n := 0; ; n++ {
		id := k.prefix + "-" + digest(17, o.record.Account, o.record.URN, o.Operations, n)
		if o.Get(k.token, id, o.record.Region) == nil {
			return id
		}
	}
}

// compute fills in what AWS says of a thing that was admitted.
func (o *op) compute() {
	out := o.out
	for name, template := range o.kind.outputs {
		if _, set := o.in[name]; !set && out[name] == nil {
			out[name] = o.vars().fill(template)
		}
	}
	if o.kind.arn != "" {
		out["arn"] = o.vars().fill(o.kind.arn)
	}
	outputs := o.kind.schema().Outputs
	if _, ok := outputs["ownerId"]; ok && out["ownerId"] == nil {
		out["ownerId"] = o.p.Settings.Account
	}
	if _, ok := outputs["tagsAll"]; ok {
		out["tagsAll"] = o.p.tagsAll(o.in)
	}
	for name, output := range outputs {
		if _, set := out[name]; !set && output.Required {
			out[name] = zero(output.Type)
		}
	}
}
