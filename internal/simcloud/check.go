package simcloud

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// defaulted is the input under which the names of made-up inputs are kept, as
// the official plugin keeps them.
const defaulted = "__defaults"

// Check reports every fault in a resource's inputs that can be seen without
// asking AWS, and makes up the physical name where the program gives none.
func (p *Provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	if err := p.Stir(); err != nil {
		return nil, err
	}
	k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := Decode(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	olds, err := Decode(req.GetUrn(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	if k.naming != nil {
		k.nameIt(req, olds, news)
	}
	var failures []*pulumirpc.CheckFailure
	k.faults(Plain(news), func(path, problem string) {
		failures = append(failures, &pulumirpc.CheckFailure{Property: path, Reason: simulated + path + " " + problem})
	})
	inputs, err := Encode(news)
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: failures}, err
}

// faults reports everything that is wrong with a resource's inputs.
func (k *kind) faults(in Props, report fault) {
	bad := false
	collect := func(path, problem string) {
		bad = true
		report(path, problem)
	}
	checkObject(k.token, "", k.schema().Inputs, in, collect)
	for _, r := range k.rules {
		r.judge(in, collect)
	}
	for _, r := range constraints[k.token] {
		r.judge(in, collect)
	}
	if k.naming != nil {
		k.naming.judge(in, collect)
	}
	checkTags(in, collect)
	// A rule over several properties would only repeat what is wrong with one.
	if k.check != nil && !bad {
		k.check(k.resolved(in), report)
	}
}

func (n *naming) judge(in Props, report fault) {
	name, ok := in[n.property].(string)
	if !ok {
		return
	}
	if len(name) > n.max {
		report(n.property, fmt.Sprintf("%q has %d characters, at most %d are allowed", name, len(name), n.max))
	}
	if n.pattern != nil && !n.pattern.MatchString(name) {
		report(n.property, fmt.Sprintf("is %q, must match %s", name, n.pattern))
	}
}

// checkTags holds the tags to what every AWS service demands of them.
func checkTags(in Props, report fault) {
	tags, _ := in["tags"].(map[string]any)
	if len(tags) > 50 {
		report("tags", fmt.Sprintf("has %d tags, at most 50 are allowed", len(tags)))
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		value, _ := tags[key].(string)
		switch {
		case len(key) == 0 || len(key) > 128:
			report("tags."+key, fmt.Sprintf("has a key of %d characters, must have 1 to 128", len(key)))
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			report("tags."+key, "begins with aws:, which is reserved for AWS")
		case len(value) > 256:
			report("tags."+key, fmt.Sprintf("has %d characters, at most 256 are allowed", len(value)))
		}
	}
}

// nameIt takes over the name of the existing thing, or makes one up.
func (k *kind) nameIt(req *pulumirpc.CheckRequest, olds, news resource.PropertyMap) {
	key := resource.PropertyKey(k.naming.property)
	given, ok := news[key]
	if ok && !given.IsNull() {
		return
	}
	if _, prefixed := news[key+"Prefix"]; prefixed {
		return // the prefix is the program's, the rest is made up in creating
	}
	if old, ok := olds[key]; ok && old.IsString() && autonamed(olds) {
		news[key] = old
		news[defaulted] = resource.NewProperty([]resource.PropertyValue{resource.NewProperty(k.naming.property)})
		return
	}
	name := ""
	switch options := req.GetAutonaming(); options.GetMode() {
	case pulumirpc.CheckRequest_AutonamingOptions_DISABLE:
		return
	case pulumirpc.CheckRequest_AutonamingOptions_ENFORCE:
		name = options.GetProposedName()
	default:
		if name = options.GetProposedName(); name == "" {
			urn := resource.URN(req.GetUrn())
			name = urn.Name() + "-" + suffix(req)
		}
	}
	if k.naming.lower {
		name = strings.ToLower(name)
	}
	news[key] = resource.NewProperty(name)
	news[defaulted] = resource.NewProperty([]resource.PropertyValue{resource.NewProperty(k.naming.property)})
}

// suffix is the seven digits that the official plugin appends.
func suffix(req *pulumirpc.CheckRequest) string {
	if seed := req.GetRandomSeed(); len(seed) >= 4 {
		return hex.EncodeToString(seed)[:7]
	}
	return digest(7, req.GetUrn())
}

// autonamed tells whether the inputs' physical name was made up.
func autonamed(inputs resource.PropertyMap) bool {
	list, ok := inputs[defaulted]
	return ok && list.IsArray() && len(list.ArrayValue()) > 0
}

// resolved are the inputs with what unset ones mean.
func (k *kind) resolved(in Props) Props {
	out := Props{}
	for name, v := range k.defaults {
		if v != nil {
			out[name] = v
		}
	}
	for name, v := range in {
		if !strings.HasPrefix(name, "__") {
			out[name] = v
		}
	}
	return out
}
