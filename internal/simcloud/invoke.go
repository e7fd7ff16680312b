package simcloud

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// function answers an invoke from what exists.
type function func(q *query) (Props, error)

// query is one invoke.
type query struct {
	*Tx
	p  *Provider
	in Props
}

// functions are the simulated invokes by token.
var functions = map[string]function{
	"aws:index/getCallerIdentity:getCallerIdentity": func(q *query) (Props, error) {
		account := q.p.Settings.Account
		return Props{"accountId": account, "arn": q.p.Settings.Identity, "id": account, "userId": "AIDASIMULATED"}, nil
	},
	"aws:index/getRegion:getRegion": func(q *query) (Props, error) {
		name := q.p.region
		if wanted := q.in.Text("name"); wanted != "" {
			name = wanted
		}
		if _, ok := regions[name]; !ok {
			return nil, refuse("InvalidParameterValue", "there is no region %q", name)
		}
		return Props{"name": name, "id": name, "endpoint": "ec2." + name + ".amazonaws.com", "description": name}, nil
	},
	"aws:index/getPartition:getPartition": func(*query) (Props, error) {
		return Props{"partition": "aws", "id": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}, nil
	},
	"aws:index/getAvailabilityZones:getAvailabilityZones": availabilityZones,
	"aws:iam/getPolicyDocument:getPolicyDocument":         policyDocument,
	"aws:iam/getRole:getRole": func(q *query) (Props, error) {
		return q.existing(iamRole, "global", q.in.Text("name"))
	},
	"aws:eks/getCluster:getCluster": func(q *query) (Props, error) {
		return q.existing(eksCluster, q.p.region, q.in.Text("name"))
	},
	"aws:eks/getClusterAuth:getClusterAuth": func(q *query) (Props, error) {
		// A token is made without asking, so one for a cluster that does not exist
		// is given too.
		name := q.in.Text("name")
		return Props{"id": name, "name": name, "token": "k8s-aws-v1." + base64.RawURLEncoding.EncodeToString([]byte("simulated "+name))}, nil
	},
	"aws:eks/getAddonVersion:getAddonVersion": func(q *query) (Props, error) {
		name := q.in.Text("addonName")
		if _, ok := addons[name]; !ok {
			return nil, refuse("ResourceNotFoundException", "addonName: no add-on %q is known to the simulation", name)
		}
		if version := q.in.Text("kubernetesVersion"); !slices.Contains(kubernetesVersions, version) {
			return nil, refuse("InvalidParameterException", "kubernetesVersion: unsupported Kubernetes version %q", version)
		}
		return Props{"version": "v1.0.0-eksbuild.1", "id": name}, nil
	},
	"aws:kms/getKey:getKey": func(q *query) (Props, error) {
		key := (&op{Tx: q.Tx, p: q.p, record: &Record{Account: q.p.Settings.Account}}).key(q.in.Text("keyId"))
		if key == nil {
			return nil, refuse("NotFoundException", "keyId: key %s does not exist in %s", q.in.Text("keyId"), q.p.region)
		}
		return q.result(key, "aws:kms/getKey:getKey"), nil
	},
	"aws:route53/getZone:getZone": zoneByName,
	"aws:s3/getBucket:getBucket": func(q *query) (Props, error) {
		b := (&op{Tx: q.Tx, p: q.p, record: &Record{Account: q.p.Settings.Account}}).bucket(q.in.Text("bucket"))
		if b == nil {
			return nil, refuse("NoSuchBucket", "bucket: the specified bucket does not exist: '%s'", q.in.Text("bucket"))
		}
		return q.result(b, "aws:s3/getBucket:getBucket"), nil
	},
	"aws:ssm/getParameter:getParameter": ssmParameter,
}

// Invoke answers a function, or refuses it by name.
func (p *Provider) Invoke(ctx context.Context, req *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	answer, ok := functions[req.GetTok()]
	if !ok {
		return nil, status.Errorf(codes.InvalidArgument,
			"%sthe simulation does not know the function %q and so cannot answer it; add it to internal/simcloud", simulated, req.GetTok())
	}
	args, err := Decode(req.GetTok(), req.GetArgs())
	if err != nil {
		return nil, err
	}
	in := clean(Plain(args))
	var failures []*pulumirpc.CheckFailure
	checkObject(req.GetTok(), "", schema.Functions[req.GetTok()].Inputs, in, func(path, problem string) {
		failures = append(failures, &pulumirpc.CheckFailure{Property: path, Reason: simulated + path + " " + problem})
	})
	if len(failures) > 0 {
		return &pulumirpc.InvokeResponse{Failures: failures}, nil
	}
	var out Props
	change := &Change{Host: p.Host, Verb: "read", Called: req.GetTok(), Action: req.GetTok(), Record: &Record{}}
	err = change.Call(ctx, func(tx *Tx) error {
		out, err = answer(&query{Tx: tx, p: p, in: in})
		return err
	})
	if err != nil {
		return nil, status.Errorf(codes.Unknown, "%scalling %s: %v", simulated, req.GetTok(), err)
	}
	result := maps.Clone(in)
	maps.Copy(result, out)
	for name, output := range schema.Functions[req.GetTok()].Outputs {
		if _, set := result[name]; !set && output.Required {
			result[name] = zero(output.Type)
		}
	}
	encoded, err := Encode(Wrap(result, func(name string) bool { return name == "token" }))
	return &pulumirpc.InvokeResponse{Return: encoded}, err
}

// existing answers with a thing by its ID.
func (q *query) existing(token, region, id string) (Props, error) {
	r := q.Get(token, id, region)
	if r == nil || r.Account != q.p.Settings.Account {
		return nil, refuse(kinds[token].missing, "the %s '%s' does not exist", kinds[token].called, id)
	}
	name := kinds[token].name()
	module, _, _ := strings.Cut(strings.TrimPrefix(token, "aws:"), "/")
	return q.result(r, "aws:"+module+"/get"+name+":get"+name), nil
}

// result picks of a thing's properties those that the function has.
func (q *query) result(r *Record, function string) Props {
	out := Props{"id": r.ID}
	for name := range schema.Functions[function].Outputs {
		if v, ok := r.Properties[name]; ok {
			out[name] = v
		}
	}
	return out
}

func availabilityZones(q *query) (Props, error) {
	for _, unsupported := range []string{"filters", "allAvailabilityZones"} {
		for _, f := range q.in.Objects(unsupported) {
			if f.Text("name") != "opt-in-status" {
				return nil, errors.New("filters: the simulation only knows the filter opt-in-status")
			}
		}
	}
	var names, ids []any
	for _, zone := range zonesOf(q.p.region) {
		if slices.Contains(q.in.Texts("excludeNames"), zone) || slices.Contains(q.in.Texts("excludeZoneIds"), zoneID(zone)) {
			continue
		}
		names, ids = append(names, zone), append(ids, zoneID(zone))
	}
	return Props{"id": q.p.region, "names": names, "zoneIds": ids, "groupNames": []any{q.p.region}}, nil
}

func zoneByName(q *query) (Props, error) {
	var matching []*Record
	for _, z := range q.All(dnsZone) {
		id, name := q.in.Text("zoneId"), q.in.Text("name")
		private := !empty(z.Properties["vpcs"])
		if z.Account == q.p.Settings.Account && (id != "" && z.ID == id || name != "" && sameName(name, z.Properties.Text("name")) && private == q.in.Flag("privateZone")) {
			matching = append(matching, z)
		}
	}
	if len(matching) != 1 {
		return nil, refuse("NoSuchHostedZone", "%d matching Route 53 hosted zones found, and not one", len(matching))
	}
	return q.result(matching[0], "aws:route53/getZone:getZone"), nil
}

// publicParameters are what AWS publishes for everybody.
var publicParameters = []string{"/aws/service/eks/optimized-ami/", "/aws/service/ami-amazon-linux-latest/", "/aws/service/bottlerocket/"}

func ssmParameter(q *query) (Props, error) {
	name := q.in.Text("name")
	value, kind := "", "String"
	if own := q.Get(parameter, name, q.p.region); own != nil {
		value, kind = own.Properties.Text("value"), own.Properties.Text("type")
	} else if slices.ContainsFunc(publicParameters, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
		value = "ami-" + digest(17, name, q.p.region)
		if strings.HasSuffix(name, "release_version") || strings.HasSuffix(name, "image_version") {
			value = "1.0.0-20260101"
		}
	} else {
		return nil, refuse("ParameterNotFound", "name: there is no parameter %s", name)
	}
	return Props{"id": name, "arn": "arn:aws:ssm:" + q.p.region + "::parameter" + name, "type": kind, "value": value, "insecureValue": value, "version": 1.0}, nil
}
