package simcluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"slipway.dev/slipway/internal/simcloud"
)

// autonamed marks a name that was made up, as the official plugin marks it.
const autonamed = "pulumi.com/autonamed"

// Check completes the object with kind, name and namespace, and reports what an
// API server would find wrong with it.
func (p *Provider) Check(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	if err := p.host.Stir(); err != nil {
		return nil, err
	}
	_, kind, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := simcloud.Decode(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	olds, err := simcloud.Decode(req.GetUrn(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	in := simcloud.Plain(news)
	name(in, simcloud.Plain(olds), req)
	var failures []*pulumirpc.CheckFailure
	report := func(path, problem string) {
		failures = append(failures, &pulumirpc.CheckFailure{Property: path, Reason: simulated + path + ": " + problem})
	}
	if built, ok := known.Kinds[kind]; ok {
		if built.Namespaced && in.At("metadata.namespace") == nil {
			in.Set("metadata.namespace", "default")
		}
		known.Definitions[built.Definition].judge("", map[string]any(in), report)
		agree(kind, in, report)
	} else if len(strings.Split(kind, "/")) != 3 {
		report("kind", fmt.Sprintf("no matches for kind %q", kind))
	}
	inputs, err := simcloud.Encode(simcloud.Wrap(in, secretsOf(news)))
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: failures}, err
}

// name makes a name up where the program gives none, and keeps one made up
// before.
func name(in, olds simcloud.Props, req *pulumirpc.CheckRequest) {
	if in.At("metadata.name") != nil || in.At("metadata.generateName") != nil {
		return
	}
	made := olds.Text("metadata.name")
	annotations, _ := olds.At("metadata.annotations").(map[string]any)
	if made == "" || annotations[autonamed] != "true" {
		seed := fmt.Sprintf("%x", req.GetRandomSeed())
		if len(seed) < 8 {
			seed = "00000000"
		}
		made = strings.ToLower(resource.URN(req.GetUrn()).Name()) + "-" + seed[:8]
	}
	in.Set("metadata.name", made)
	marked := maps.Clone(map[string]any(in.Object("metadata.annotations")))
	if marked == nil {
		marked = map[string]any{}
	}
	marked[autonamed] = "true"
	in.Set("metadata.annotations", marked)
}

// agree reports fields that contradict each other.
func agree(kind string, in simcloud.Props, report fault) {
	switch kind {
	case "apps/v1/Deployment", "apps/v1/StatefulSet", "apps/v1/DaemonSet":
		labels := in.Object("spec.template.metadata.labels")
		selector := in.Object("spec.selector.matchLabels")
		for _, key := range slices.Sorted(maps.Keys(selector)) {
			if !simcloud.IsUnknown(selector[key]) && !simcloud.IsUnknown(labels[key]) && selector[key] != labels[key] {
				report("spec.template.metadata.labels", fmt.Sprintf("Invalid value: `selector` does not match template `labels`: %s is %v, not %v", key, labels[key], selector[key]))
			}
		}
		mounts(in, report)
	case "autoscaling/v2/HorizontalPodAutoscaler":
		if low, high := in.Number("spec.minReplicas"), in.Number("spec.maxReplicas"); low > high {
			report("spec.maxReplicas", fmt.Sprintf("Invalid value: %v: must be greater than or equal to `minReplicas`", high))
		}
	case "policy/v1/PodDisruptionBudget":
		if in.At("spec.minAvailable") != nil && in.At("spec.maxUnavailable") != nil {
			report("spec", "minAvailable and maxUnavailable cannot be both set")
		}
	}
}

// mounts reports volumes that a container mounts and the pod does not have.
func mounts(in simcloud.Props, report fault) {
	volumes := map[string]bool{}
	for _, path := range []string{"spec.template.spec.volumes", "spec.volumeClaimTemplates"} {
		for _, v := range in.Objects(path) {
			volumes[v.Text("name")+v.Text("metadata.name")] = true
		}
	}
	for _, list := range []string{"containers", "initContainers"} {
		for i, c := range in.Objects("spec.template.spec." + list) {
			for j, m := range c.Objects("volumeMounts") {
				if !volumes[m.Text("name")] && !simcloud.IsUnknown(m["name"]) {
					report(fmt.Sprintf("spec.template.spec.%s[%d].volumeMounts[%d].name", list, i, j), fmt.Sprintf("Not found: %q", m.Text("name")))
				}
			}
		}
	}
}

func secretsOf(m resource.PropertyMap) func(name string) bool {
	return func(name string) bool { return m[resource.PropertyKey(name)].ContainsSecrets() }
}

// idOf is namespace/name, or the name alone.
func idOf(in simcloud.Props) string {
	if namespace := in.Text("metadata.namespace"); namespace != "" {
		return namespace + "/" + in.Text("metadata.name")
	}
	return in.Text("metadata.name")
}

// namespaces that every cluster has.
var namespaces = []string{"default", "kube-system", "kube-public", "kube-node-lease"}

// Create makes an object, and waits until it is ready.
func (p *Provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	token, kind, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := simcloud.Decode(req.GetUrn(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	in := simcloud.Plain(news)
	if req.GetPreview() {
		properties, err := simcloud.Encode(news)
		return &pulumirpc.CreateResponse{Properties: properties}, err
	}
	record := &simcloud.Record{Token: token, URN: req.GetUrn(), Account: p.host.Settings.Account, Region: p.region(), Inputs: in}
	change := p.change("create", kind, record)
	err = change.Run(ctx, func(tx *simcloud.Tx) error {
		cluster, err := p.admit(tx, kind, in)
		if err != nil {
			return err
		}
		record.ID = idOf(in)
		if tx.Get(token, record.ID, record.Region) != nil {
			return fmt.Errorf("%s %q already exists", kind, record.ID)
		}
		record.Properties = maps.Clone(in)
		return p.live(tx, cluster, kind, record)
	})
	if err == nil {
		err = p.await(ctx, kind, record)
	}
	properties, encoding := simcloud.Encode(simcloud.Wrap(record.Properties, secretsOf(news)))
	if change.Halfway(err) {
		return nil, change.InitFailed(record.ID, properties, req.GetProperties(), err)
	}
	if err = errors.Join(err, encoding); err != nil {
		return nil, change.Explain(err)
	}
	return &pulumirpc.CreateResponse{Id: record.ID, Properties: properties}, nil
}

// admit judges an object as the API server does.
func (p *Provider) admit(tx *simcloud.Tx, kind string, in simcloud.Props) (*simcloud.Record, error) {
	cluster, err := p.cluster(tx)
	if err != nil {
		return nil, err
	}
	d, namespaced, err := definitionOf(tx, p.region(), kind)
	if err != nil {
		return nil, err
	}
	if namespaced && in.At("metadata.namespace") == nil {
		in.Set("metadata.namespace", "default")
	}
	var faults []error
	judged := maps.Clone(in)
	if _, built := known.Kinds[kind]; !built {
		// The server knows these of every kind; a definition seldom names them.
		for _, common := range []string{"apiVersion", "kind", "metadata"} {
			delete(judged, common)
		}
	}
	d.judge("", map[string]any(judged), func(path, problem string) {
		if path != "metadata" && path != "apiVersion" && path != "kind" {
			faults = append(faults, fmt.Errorf("%s %q is invalid: %s: %s", kind, idOf(in), path, problem))
		}
	})
	if namespace := in.Text("metadata.namespace"); namespaced && !slices.Contains(namespaces, namespace) &&
		tx.Get("kubernetes:core/v1:Namespace", namespace, p.region()) == nil {
		faults = append(faults, fmt.Errorf("namespaces %q not found", namespace))
	}
	return cluster, errors.Join(faults...)
}

// Update changes an object in place.
func (p *Provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	token, kind, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	news, err := simcloud.Decode(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	in := simcloud.Plain(news)
	if req.GetPreview() {
		properties, err := simcloud.Encode(news)
		return &pulumirpc.UpdateResponse{Properties: properties}, err
	}
	record := &simcloud.Record{Token: token, ID: req.GetId(), URN: req.GetUrn(), Account: p.host.Settings.Account, Region: p.region(), Inputs: in}
	change := p.change("update", kind, record)
	err = change.Run(ctx, func(tx *simcloud.Tx) error {
		cluster, err := p.admit(tx, kind, in)
		if err != nil {
			return err
		}
		current := tx.Get(token, record.ID, record.Region)
		if current == nil {
			return fmt.Errorf("%s %q not found", kind, record.ID)
		}
		record.Properties = maps.Clone(in)
		for _, own := range []string{"metadata.uid", "metadata.creationTimestamp", "status"} {
			if value := current.Properties.At(own); value != nil {
				record.Properties.Set(own, value)
			}
		}
		return p.live(tx, cluster, kind, record)
	})
	if err == nil {
		err = p.await(ctx, kind, record)
	}
	properties, encoding := simcloud.Encode(simcloud.Wrap(record.Properties, secretsOf(news)))
	// What the API server took is what there is, whether or not it came to work
	// before the waiting ended.
	if change.Halfway(err) {
		return nil, change.InitFailed(record.ID, properties, req.GetNews(), err)
	}
	if err = errors.Join(err, encoding); err != nil {
		return nil, change.Explain(err)
	}
	return &pulumirpc.UpdateResponse{Properties: properties}, nil
}

// Diff compares the object as the state has it with the inputs. What the server
// added on its own is nobody's wish.
func (p *Provider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	_, kind, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := plain(req.GetUrn(), req.GetOlds())
	if err != nil {
		return nil, err
	}
	given, err := plain(req.GetUrn(), req.GetOldInputs())
	if err != nil {
		return nil, err
	}
	after, err := plain(req.GetUrn(), req.GetNews())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true, DetailedDiff: map[string]*pulumirpc.PropertyDiff{}}
	before, _ := simcloud.Prune(map[string]any(olds), map[string]any(given), map[string]any(after)).(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(union(before, after))) {
		if name == "status" || strings.HasPrefix(name, "__") || simcloud.Same(before[name], after[name]) {
			continue
		}
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		response.Diffs = append(response.Diffs, name)
		replaces := false
		for _, path := range replacing(kind, p.mutable[kind] && olds.At("immutable") != true) {
			if root, _, _ := strings.Cut(path, "."); root == name && !beneathUnknown(after, path) && !simcloud.Same(simcloud.Props(before).At(path), after.At(path)) {
				replaces = true
			}
		}
		simcloud.Details(name, before[name], after[name], replaces, response.DetailedDiff)
		if replaces {
			response.Replaces = append(response.Replaces, name)
		}
	}
	annotations, _ := after.At("metadata.annotations").(map[string]any)
	if len(response.Replaces) > 0 && annotations[autonamed] != "true" && simcloud.Same(olds.At("metadata.name"), after.At("metadata.name")) &&
		simcloud.Same(olds.At("metadata.namespace"), after.At("metadata.namespace")) {
		response.DeleteBeforeReplace = true
	}
	return response, nil
}

// beneathUnknown tells whether something above the path is not known yet. Then
// nobody can say that the path changes; the official plugin does not either.
func beneathUnknown(in simcloud.Props, path string) bool {
	for i := strings.LastIndex(path, "."); i > 0; i = strings.LastIndex(path, ".") {
		if path = path[:i]; simcloud.IsUnknown(in.At(path)) {
			return true
		}
	}
	return false
}

func plain(urn string, wire *structpb.Struct) (simcloud.Props, error) {
	m, err := simcloud.Decode(urn, wire)
	return simcloud.Plain(m), err
}

func union(a, b map[string]any) map[string]any {
	both := maps.Clone(a)
	if both == nil {
		both = map[string]any{}
	}
	maps.Copy(both, b)
	return both
}

// Read gives the object as it is.
func (p *Provider) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	token, kind, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	olds, err := simcloud.Decode(req.GetUrn(), req.GetProperties())
	if err != nil {
		return nil, err
	}
	given, err := simcloud.Decode(req.GetUrn(), req.GetInputs())
	if err != nil {
		return nil, err
	}
	var current *simcloud.Record
	change := p.change("read", kind, &simcloud.Record{Token: token, ID: req.GetId(), URN: req.GetUrn()})
	err = change.Call(ctx, func(tx *simcloud.Tx) error {
		if _, err := p.cluster(tx); err != nil {
			return err
		}
		current = tx.Get(token, req.GetId(), p.region())
		return nil
	})
	if err != nil {
		return nil, change.Explain(err)
	}
	if current == nil {
		return &pulumirpc.ReadResponse{}, nil
	}
	properties, err := simcloud.Encode(simcloud.Wrap(current.Properties, secretsOf(given)))
	if err != nil {
		return nil, err
	}
	was := simcloud.Plain(given)
	if len(olds) == 0 {
		was = current.Inputs
	}
	now, _ := simcloud.Drifted(map[string]any(current.Properties), map[string]any(was), map[string]any(simcloud.Plain(olds))).(map[string]any)
	inputs, err := simcloud.Encode(simcloud.Wrap(now, secretsOf(given)))
	return &pulumirpc.ReadResponse{Id: current.ID, Properties: properties, Inputs: inputs}, err
}

// Delete removes an object, and with a namespace all that is in it.
func (p *Provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	token, kind, err := kindOf(req.GetUrn())
	if err != nil {
		return nil, err
	}
	record := &simcloud.Record{Token: token, ID: req.GetId(), URN: req.GetUrn(), Account: p.host.Settings.Account, Region: p.region()}
	change := p.change("delete", kind, record)
	err = change.Run(ctx, func(tx *simcloud.Tx) error {
		if _, err := p.cluster(tx); err != nil {
			return err
		}
		return p.buried(tx, kind, record)
	})
	if err != nil {
		return nil, change.Explain(err)
	}
	return &emptypb.Empty{}, nil
}
