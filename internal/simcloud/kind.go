package simcloud

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/simcloud/sdkschema"
)

// kind is one type of resource: an entry of a table. Names and types of its
// properties are the SDK's and stand in schema.json; an entry says what the SDK
// does not.
type kind struct {
	token string
	// called is what messages call it, such as "EC2 Subnet".
	called string
	// action is the API call that creates it, such as ec2:CreateSubnet. Messages
	// name it, and the service model's rules for its parameters apply.
	action string

	// prefix of generated IDs: vpc gives vpc-0123456789abcdef0.
	prefix string
	// id is a template of the ID where it is not generated, such as {name}.
	id string
	// arn is a template of the output arn; empty where there is none.
	arn string
	// naming says which input is the physical name and how it is made up when
	// the program leaves it out. Nil where there is no such input.
	naming *naming
	// global things exist once per account and not once per region.
	global bool

	// replace are the inputs that AWS cannot change on what exists. "*" is all.
	replace []string
	// defaults are what unset inputs mean.
	defaults Props
	// outputs are templates of computed strings, by property.
	outputs map[string]string
	// volatile outputs may change in an update.
	volatile []string
	// refs are the properties that name other things.
	refs []ref
	// rules bound single properties.
	rules []rule
	// unique is a template of what no two such things may share; taken is the
	// error code of a second one. Things with the same ID always collide.
	unique, taken string
	// quota is the name of the quota that counts it; empty for none.
	quota string
	// missing is the error code for one that does not exist.
	missing string

	// check reports faults that no single property shows and that do not
	// depend on what exists. Nil means none.
	check func(in Props, report fault)
	// create judges a new thing against what exists and completes its
	// properties. Nil means that there is nothing to judge.
	create func(op *op) error
	// update does the same for a changed thing. Nil means create's judgement.
	update func(op *op) error
	// remove judges a deletion beyond what refs forbid. Nil means none.
	remove func(op *op) error

	// How long AWS takes.
	creating, updating, deleting time.Duration
}

// naming describes a physical name.
type naming struct {
	property string
	max      int
	pattern  *regexp.Regexp
	// lower forces the made up part of the name to lower case.
	lower bool
}

// ref is a property, or several, that name another thing.
type ref struct {
	// path such as vpcConfig.subnetIds[].
	path string
	// token of what it names.
	token string
	// by is the property that it names it by; "" is the ID.
	by string
	// code of the error when there is none; the target's missing code if empty.
	code string
	// loose references do not keep their target from being deleted.
	loose bool
	// skip tells values that name nothing of ours, such as AWS's own policies.
	skip func(value string) bool
}

// op is one creation, update or deletion under way.
type op struct {
	*Tx
	kind   *kind
	record *Record
	// in are the inputs, out the properties.
	in, out Props
	// old are the properties before an update; nil for a creation.
	old Props
	p   *Provider
}

// apiError is what AWS answers to a request it does not carry out.
type apiError struct {
	code, message string
}

func (e *apiError) Error() string { return "api error " + e.code + ": " + e.message }

func refuse(code, format string, args ...any) error {
	return &apiError{code, fmt.Sprintf(format, args...)}
}

func (k *kind) schema() sdkschema.Resource { return schema.Resources[k.token] }

// name is the last part of the token, such as Vpc.
func (k *kind) name() string { return k.token[strings.LastIndex(k.token, ":")+1:] }

// replaces tells whether a change of the input needs a new thing.
func (k *kind) replaces(input string) bool {
	return slices.Contains(k.replace, "*") || slices.Contains(k.replace, input)
}

// region in which a thing of this kind lives, for a provider of that region.
func (k *kind) regionOf(region string) string {
	if k.global {
		return "global"
	}
	return region
}

// computed tells whether an output is AWS's to say.
func (k *kind) computed(output string) bool {
	_, input := k.schema().Inputs[output]
	return !input
}

// token makes the token of a resource: ec2, Vpc gives aws:ec2/vpc:Vpc.
func token(module, name string) string {
	return "aws:" + module + "/" + strings.ToLower(name[:1]) + name[1:] + ":" + name
}

func words(list string) []string { return strings.Fields(list) }

// digest is a made-up identifier of n hexadecimal digits.
func digest(n int, parts ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(parts...)))
	return hex.EncodeToString(sum[:])[:n]
}

// find returns the things of a type that live where the operation's do.
func (o *op) find(token string) []*Record {
	var here []*Record
	for _, r := range o.All(token) {
		if r.Account == o.record.Account && r.Region == kinds[token].regionOf(o.p.region) {
			here = append(here, r)
		}
	}
	return here
}

// target is the thing that the property at path names, or nil where it is unset.
func (o *op) target(path string) *Record {
	value := o.in.Text(path)
	for _, ref := range o.kind.refs {
		if ref.path == path && value != "" {
			return o.named(ref, value)
		}
	}
	return nil
}

// lookup is the thing of the type with the ID, or nil.
func (o *op) lookup(token, id string) *Record { return o.named(ref{token: token}, id) }

func (o *op) named(ref ref, value string) *Record {
	target := kinds[ref.token]
	if ref.by == "" {
		r := o.Get(ref.token, value, target.regionOf(o.p.region))
		if r != nil && r.Account != o.record.Account {
			return nil
		}
		return r
	}
	for _, r := range o.find(ref.token) {
		if r.Properties[ref.by] == value {
			return r
		}
	}
	return nil
}

// resolve reports references to what does not exist or is not ready.
func (o *op) resolve() error {
	for _, ref := range o.kind.refs {
		for _, f := range Walk(map[string]any(o.in), ref.path) {
			value, ok := f.Value.(string)
			if !ok || value == "" || ref.skip != nil && ref.skip(value) {
				continue
			}
			target := o.named(ref, value)
			code := ref.code
			if code == "" {
				code = kinds[ref.token].missing
			}
			switch {
			case target == nil:
				return refuse(code, "%s: the %s '%s' does not exist", f.Path, kinds[ref.token].called, value)
			case target.Status == creating:
				return refuse("ResourceInUseException", "%s: the %s '%s' is still being created", f.Path, kinds[ref.token].called, value)
			case target.Status == deleting:
				return refuse(code, "%s: the %s '%s' is being deleted", f.Path, kinds[ref.token].called, value)
			}
		}
	}
	return nil
}

// users are the things that refer to the record and keep it from being deleted.
func (o *op) users() []*Record {
	var users []*Record
	for _, other := range o.All("") {
		k := kinds[other.Token]
		if k == nil || other.Account != o.record.Account || other.Token == o.record.Token && other.ID == o.record.ID {
			continue
		}
		for _, ref := range k.refs {
			if ref.token != o.record.Token || ref.loose {
				continue
			}
			if kinds[ref.token].regionOf(other.Region) != o.record.Region && !k.global {
				continue
			}
			for _, f := range Walk(map[string]any(other.Inputs), ref.path) {
				if f.Value == o.nameFor(ref) {
					users = append(users, other)
				}
			}
		}
	}
	return users
}

// nameFor is what the reference would name the operation's record by.
func (o *op) nameFor(ref ref) any {
	if ref.by == "" {
		return o.record.ID
	}
	return o.record.Properties[ref.by]
}
