package simcloud

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// Create makes a thing. A preview only says what is known before.
func (p *Provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := Decode(req.GetUrn(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	in := clean(Plain(news))
	if req.GetPreview() {
		properties, err := k.encode(news, p.foreseen(k, in, nil))
		return &pulumirpc.CreateResponse{Properties: properties}, err
	}
	record := &Record{
		Token: k.token, URN: req.GetUrn(), Account: p.Settings.Account, Region: k.regionOf(p.region), Inputs: in,
	}
	change := &Change{Host: p.Host, Verb: "create", Called: k.called, Action: k.action, Record: record, Lasts: k.creating}
	err = change.Run(ctx, func(tx *Tx) error {
		o := &op{Tx: tx, kind: k, record: record, in: record.Inputs, p: p}
		o.out = k.resolved(in)
		record.ID = k.makeID(o)
		if err := o.admit(); err != nil {
			return err
		}
		record.Properties = o.out
		if k.id != "" {
			// A record without a set identifier has no such part in its ID.
			record.ID = strings.TrimRight(o.vars().fill(k.id), "_")
		}
		if o.Get(k.token, record.ID, record.Region) != nil {
			return refuse(k.takenCode(), "the %s '%s' exists already", k.called, record.ID)
		}
		o.compute()
		return nil
	})
	properties, encoding := k.encode(news, record.Properties)
	if err == nil {
		err = encoding
	}
	if halfway := change.Halfway(err); halfway {
		return nil, change.InitFailed(record.ID, properties, req.GetProperties(), err)
	}
	if err != nil {
		return nil, change.Explain(err)
	}
	return &pulumirpc.CreateResponse{Id: record.ID, Properties: properties}, nil
}

// Update changes a thing in place.
func (p *Provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := Decode(req.GetUrn(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := Decode(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	in, old := clean(Plain(news)), Plain(olds)
	if req.GetPreview() {
		properties, err := k.encode(news, p.foreseen(k, in, old))
		return &pulumirpc.UpdateResponse{Properties: properties}, err
	}
	record := &Record{Token: k.token, ID: req.GetId(), URN: req.GetUrn(), Account: p.Settings.Account, Region: k.regionOf(p.region)}
	change := &Change{Host: p.Host, Verb: "update", Called: k.called, Action: k.action, Record: record, Lasts: k.updating}
	err = change.Run(ctx, func(tx *Tx) error {
		o := &op{Tx: tx, kind: k, record: record, in: record.Inputs, p: p}
		current := o.Get(k.token, record.ID, record.Region)
		if current == nil || current.Account != record.Account {
			return refuse(k.missing, "the %s '%s' does not exist", k.called, record.ID)
		}
		o.old = current.Properties
		o.out = k.resolved(in)
		for name, v := range current.Properties {
			if _, set := o.out[name]; !set && (k.computed(name) || !k.removed(name, olds, current)) {
				o.out[name] = v
			}
		}
		record.Inputs = in
		if err := o.admit(); err != nil {
			return err
		}
		record.Properties = o.out
		o.compute()
		return nil
	})
	if err != nil {
		return nil, change.Explain(err)
	}
	properties, err := k.encode(news, record.Properties)
	return &pulumirpc.UpdateResponse{Properties: properties}, err
}

// removed tells whether an input that is not set any more was set before: then
// its value goes, where otherwise it is AWS's own and stays.
func (k *kind) removed(name string, _ resource.PropertyMap, current *Record) bool {
	_, was := current.Inputs[name]
	return was
}

// Delete removes a thing. One that is gone already is no fault.
func (p *Provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	record := &Record{Token: k.token, ID: req.GetId(), URN: req.GetUrn(), Account: p.Settings.Account, Region: k.regionOf(p.region)}
	change := &Change{Host: p.Host, Verb: "delete", Called: k.called, Action: k.action, Record: record, Lasts: k.deleting}
	err = change.Run(ctx, func(tx *Tx) error {
		o := &op{Tx: tx, kind: k, record: record, in: record.Inputs, p: p}
		current := o.Get(k.token, record.ID, record.Region)
		if current == nil || current.Account != record.Account {
			change.Lasts = 0
			return nil
		}
		*record = *current
		o.in, o.out, o.old = record.Inputs, record.Properties, record.Properties
		if k.remove != nil {
			if err := k.remove(o); err != nil {
				return err
			}
		}
		if users := o.users(); len(users) > 0 {
			names := make([]string, 0, len(users))
			for _, user := range users {
				names = append(names, kinds[user.Token].called+" "+user.ID)
			}
			return refuse("DependencyViolation", "the %s '%s' has dependencies and cannot be deleted: %s",
				k.called, record.ID, strings.Join(names, ", "))
		}
		return nil
	})
	if err != nil {
		return nil, change.Explain(err)
	}
	return &emptypb.Empty{}, nil
}

// Read gives what exists, which is how drift is seen. With no inputs it is an
// import.
func (p *Provider) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	k, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := Decode(req.GetUrn(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	oldInputs, err := Decode(req.GetUrn(), req.GetInputs())
	if err != nil {
		return nil, err
	}
	var current *Record
	change := &Change{Host: p.Host, Verb: "read", Called: k.called, Action: k.action, Record: &Record{Token: k.token, ID: req.GetId(), URN: req.GetUrn()}}
	err = change.Call(ctx, func(tx *Tx) error {
		current = tx.Get(k.token, req.GetId(), k.regionOf(p.region))
		return nil
	})
	if err != nil {
		return nil, change.Explain(err)
	}
	if current == nil || current.Account != p.Settings.Account || current.Status == deleting {
		return &pulumirpc.ReadResponse{}, nil
	}
	inputs := k.inputsOf(current, Plain(olds), Plain(oldInputs), len(olds) == 0)
	// Secrets and the engine's own keys stay as they were.
	encoded := Wrap(inputs, func(name string) bool { return oldInputs[resource.PropertyKey(name)].ContainsSecrets() })
	if list, ok := oldInputs[defaulted]; ok {
		encoded[defaulted] = list
	}
	encodedInputs, err := Encode(encoded)
	if err != nil {
		return nil, err
	}
	properties, err := k.encode(oldInputs, current.Properties)
	return &pulumirpc.ReadResponse{Id: current.ID, Properties: properties, Inputs: encodedInputs}, err
}

// inputsOf are the inputs that would make the thing as it is: those that were
// given before, and those whose value is not what the state has.
func (k *kind) inputsOf(current *Record, olds, oldInputs Props, imported bool) Props {
	inputs := Props{}
	for name := range k.schema().Inputs {
		now, exists := current.Properties[name]
		_, given := oldInputs[name]
		switch {
		case k.written(name):
			if given {
				inputs[name] = oldInputs[name]
			}
		case !exists:
		case imported:
			if _, was := current.Inputs[name]; was {
				inputs[name] = now
			}
		case given:
			inputs[name] = Drifted(now, oldInputs[name], olds[name])
		case !Same(now, olds[name]):
			inputs[name] = now
		}
	}
	return inputs
}

// Drifted is what exists, without the members of objects that AWS added on its
// own and that are as the state has them.
func Drifted(now, given, was any) any {
	switch value := now.(type) {
	case map[string]any:
		a, ok := given.(map[string]any)
		if !ok {
			return now
		}
		b, _ := was.(map[string]any)
		kept := map[string]any{}
		for key, element := range value {
			if _, in := a[key]; in {
				kept[key] = Drifted(element, a[key], b[key])
			} else if !Same(element, b[key]) {
				kept[key] = element
			}
		}
		return kept
	case []any:
		a, _ := given.([]any)
		b, _ := was.([]any)
		kept := make([]any, len(value))
		for i, e := range value {
			kept[i] = Drifted(e, element(a, i), element(b, i))
		}
		return kept
	default:
		return now
	}
}

// clean drops the engine's own keys.
func clean(in Props) Props {
	maps.DeleteFunc(in, func(name string, _ any) bool { return strings.HasPrefix(name, "__") })
	return in
}

// foreseen is what a preview knows of a thing: inputs and defaults; what AWS
// will say is unknown, or as before when the thing exists.
func (p *Provider) foreseen(k *kind, in, old Props) Props {
	out := k.resolved(in)
	for name, output := range k.schema().Outputs {
		if _, set := out[name]; set {
			continue
		}
		was, had := old[name]
		switch {
		case name == "tagsAll" && !HasUnknown(in["tags"]):
			out[name] = p.tagsAll(in)
		case had && !slices.Contains(k.volatile, name):
			out[name] = was
		case k.computed(name), output.Required:
			out[name] = unknown{}
		}
	}
	return out
}

// tagsAll are a resource's tags over the provider's default tags.
func (p *Provider) tagsAll(in Props) any {
	all := maps.Clone(p.defaultTags)
	if all == nil {
		all = map[string]any{}
	}
	tags, _ := in["tags"].(map[string]any)
	maps.Copy(all, tags)
	return all
}

// encode writes the properties, secret where the given ones are or where the
// SDK says so.
func (k *kind) encode(given resource.PropertyMap, out Props) (*structpb.Struct, error) {
	out = maps.Clone(out)
	maps.DeleteFunc(out, func(name string, _ any) bool {
		_, output := k.schema().Outputs[name]
		return !output // the simulation's own, such as how many objects a bucket holds
	})
	return Encode(Wrap(out, func(name string) bool {
		return given[resource.PropertyKey(name)].ContainsSecrets() || slices.Contains(k.schema().Secrets, name)
	}))
}
