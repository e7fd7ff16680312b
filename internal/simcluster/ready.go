package simcluster

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"slipway.dev/slipway/internal/simcloud"
)

// seconds that an object of a kind takes to be ready, where it takes any.
var seconds = map[string]time.Duration{
	"apps/v1/Deployment": 20 * time.Second, "apps/v1/DaemonSet": 20 * time.Second, "apps/v1/StatefulSet": 60 * time.Second,
	"batch/v1/Job": 10 * time.Second, "apiextensions.k8s.io/v1/CustomResourceDefinition": 2 * time.Second,
	certificate: 30 * time.Second,
}

func (p *Provider) change(verb, kind string, record *simcloud.Record) *simcloud.Change {
	c := &simcloud.Change{Host: p.host, Verb: verb, Called: kind, Action: verb + " " + kind, Record: record}
	if verb == "create" || verb == "update" {
		c.Lasts = seconds[kind]
	}
	return c
}

// live fills in what the cluster says of an object that was admitted.
func (p *Provider) live(tx *simcloud.Tx, cluster *simcloud.Record, kind string, record *simcloud.Record) error {
	out := record.Properties
	if out.At("metadata.uid") == nil {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(record.URN + strconv.Itoa(tx.Operations)))
		out.Set("metadata.uid", fmt.Sprintf("00000000-0000-4000-8000-%012x", sum.Sum64()&0xffffffffffff))
		out.Set("metadata.creationTimestamp", "2026-01-01T00:00:00Z")
	}
	out.Set("metadata.resourceVersion", strconv.Itoa(tx.Operations))
	if kind != "v1/Service" {
		return nil
	}
	if out.At("spec.clusterIP") == nil && out.Text("spec.type") != "ExternalName" {
		out.Set("spec.clusterIP", fmt.Sprintf("172.20.%d.%d", tx.Operations/250%250, tx.Operations%250+1))
	}
	if out.Text("spec.type") == "LoadBalancer" {
		return p.balance(tx, cluster, record)
	}
	return nil
}

const (
	balancers = "aws:lb/loadBalancer:LoadBalancer"
	subnets   = "aws:ec2/subnet:Subnet"
)

// balance makes the load balancer of a service in subnets that are tagged for
// it, as the controller does. It is not the program's, but it holds the subnets.
func (p *Provider) balance(tx *simcloud.Tx, cluster, service *simcloud.Record) error {
	role := "kubernetes.io/role/elb"
	annotations := service.Properties.Object("metadata.annotations")
	if annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] == "internal" || annotations["service.beta.kubernetes.io/aws-load-balancer-internal"] == "true" {
		role = "kubernetes.io/role/internal-elb"
	}
	var ids []any
	for _, s := range tx.All(subnets) {
		tags, _ := s.Properties["tagsAll"].(map[string]any)
		if s.Properties["vpcId"] == cluster.Properties.At("vpcConfig.vpcId") && tags[role] == "1" {
			ids = append(ids, s.ID)
		}
	}
	if len(ids) == 0 {
		return fmt.Errorf("service %q has no load balancer: could not find any suitable subnets for creating it: none has the tag %s", service.ID, role)
	}
	name := balancerOf(service)
	dns := name + ".elb." + cluster.Region + ".amazonaws.com"
	tx.Put(&simcloud.Record{
		Token: balancers, ID: name, Account: service.Account, Region: cluster.Region, Status: "active",
		Inputs: simcloud.Props{"subnets": ids}, Properties: simcloud.Props{"name": name, "dnsName": dns, "subnets": ids, "arn": name},
	})
	service.Properties.Set("status", map[string]any{"loadBalancer": map[string]any{"ingress": []any{map[string]any{"hostname": dns}}}})
	return nil
}

// balancerOf names the load balancer after the service's identity, as the
// controller does.
func balancerOf(service *simcloud.Record) string {
	return "k8s-" + strings.ReplaceAll(service.Properties.Text("metadata.uid"), "-", "")[12:]
}

// buried removes what goes with an object.
func (p *Provider) buried(tx *simcloud.Tx, kind string, record *simcloud.Record) error {
	current := tx.Get(record.Token, record.ID, record.Region)
	if current == nil {
		return nil
	}
	switch kind {
	case "v1/Service":
		for _, b := range tx.All(balancers) {
			if b.URN == "" && b.ID == balancerOf(current) {
				tx.Remove(b)
			}
		}
	case "v1/Namespace":
		release(tx, record)
		for _, other := range tx.All("") {
			if other.Region == record.Region && other.Properties.Text("metadata.namespace") == record.ID && other.Token != claims {
				return fmt.Errorf("namespace %q is stuck: %s %s is still in it", record.ID, other.Token, other.ID)
			}
		}
	case "apiextensions.k8s.io/v1/CustomResourceDefinition":
		group, name := current.Properties.Text("spec.group"), current.Properties.Text("spec.names.kind")
		for _, other := range tx.All("") {
			if other.Region == record.Region && strings.HasPrefix(other.Token, "kubernetes:"+group+"/") && strings.HasSuffix(other.Token, ":"+name) {
				return fmt.Errorf("definition %q would take %s %s with it, which the program still has", record.ID, other.Token, other.ID)
			}
		}
	}
	return nil
}

// Patience is how long a workload may wait, in real time, for what it needs:
// the engine makes many things at once, and a cluster does not mind their order.
var Patience = 20 * time.Second

// await waits until an object is what the official plugin waits for: a workload
// has what it needs, others meet the condition they are annotated with.
func (p *Provider) await(ctx context.Context, kind string, record *simcloud.Record) error {
	annotations, _ := record.Properties.At("metadata.annotations").(map[string]any)
	condition, conditioned := annotations[waitFor].(string)
	workload := slices.Contains([]string{"apps/v1/Deployment", "apps/v1/DaemonSet", "apps/v1/StatefulSet", "batch/v1/Job"}, kind)
	if annotations["pulumi.com/skipAwait"] == "true" || !conditioned && (!workload || record.Properties.At("spec.replicas") == 0.0) {
		return nil
	}
	deadline := time.NewTimer(Patience)
	defer deadline.Stop()
	for {
		missing := ""
		if err := p.host.World.Do(func(tx *simcloud.Tx) (err error) {
			if conditioned {
				missing, err = p.unmet(tx, kind, record, condition)
			} else {
				missing = p.lacks(tx, record)
			}
			if missing == "" && err == nil && kind == "apps/v1/StatefulSet" {
				err = p.provision(tx, record)
			}
			return err
		}); err != nil || missing == "" {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-deadline.C:
			return fmt.Errorf("timed out waiting for %s %q to be ready: %s", kind, record.ID, missing)
		case <-p.host.Stopped():
			return context.Canceled
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lacks says what keeps the pods of a workload from running, or "".
func (p *Provider) lacks(tx *simcloud.Tx, record *simcloud.Record) string {
	cluster, err := p.cluster(tx)
	if err != nil {
		return err.Error()
	}
	if !slices.ContainsFunc(tx.All("aws:eks/nodeGroup:NodeGroup"), func(g *simcloud.Record) bool {
		return g.Status == "active" && g.Region == cluster.Region && g.Properties["clusterName"] == cluster.ID && g.Properties.Number("scalingConfig.desiredSize") > 0
	}) {
		return "0/0 nodes are available"
	}
	namespace := record.Properties.Text("metadata.namespace")
	has := func(token, name string) bool { return tx.Get(token, namespace+"/"+name, record.Region) != nil }
	pod := record.Properties.Object("spec.template.spec")
	if account := pod.Text("serviceAccountName"); account != "" && account != "default" && !has("kubernetes:core/v1:ServiceAccount", account) {
		return fmt.Sprintf("error looking up service account %s/%s: serviceaccount %q not found", namespace, account, account)
	}
	for path, token := range map[string]string{ //nolint:gosec // kinds of objects
		"volumes[].configMap.name": "kubernetes:core/v1:ConfigMap", "volumes[].secret.secretName": "kubernetes:core/v1:Secret",
		"volumes[].projected.sources[].configMap.name": "kubernetes:core/v1:ConfigMap", "containers[].envFrom[].configMapRef.name": "kubernetes:core/v1:ConfigMap",
		"containers[].envFrom[].secretRef.name": "kubernetes:core/v1:Secret", "containers[].env[].valueFrom.secretKeyRef.name": "kubernetes:core/v1:Secret",
		"containers[].env[].valueFrom.configMapKeyRef.name": "kubernetes:core/v1:ConfigMap",
	} {
		for _, f := range simcloud.Walk(map[string]any(pod), path) {
			name, _ := f.Value.(string)
			if has(token, name) || optional(pod, f.Path) || p.issued(tx, namespace, name, record.Region) {
				continue
			}
			return fmt.Sprintf("%s: %s %q not found", f.Path, token[strings.LastIndex(token, ":")+1:], name)
		}
	}
	return p.lacksStorage(tx, cluster, record)
}

// optional tells whether the reference at a path may lead nowhere.
func optional(pod simcloud.Props, path string) bool {
	parent := path[:strings.LastIndex(path, ".")]
	for _, f := range simcloud.Walk(map[string]any(pod), generic(parent)+".optional") {
		if strings.HasPrefix(f.Path, parent+".") && f.Value == true {
			return true
		}
	}
	return false
}

// generic turns the indexes of a path into [].
func generic(path string) string {
	var out strings.Builder
	inside := false
	for _, r := range path {
		switch {
		case r == '[':
			inside = true
			out.WriteString("[")
		case r == ']':
			inside = false
			out.WriteString("]")
		case !inside:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// issued tells whether a controller in the cluster makes the secret: that of a
// cert-manager certificate.
func (p *Provider) issued(tx *simcloud.Tx, namespace, name, region string) bool {
	return slices.ContainsFunc(tx.All(certificates), func(c *simcloud.Record) bool {
		return c.Region == region && c.Properties.Text("metadata.namespace") == namespace && c.Properties.Text("spec.secretName") == name
	})
}

// lacksStorage says which storage class a stateful workload misses, or the
// add-on that would serve it.
func (p *Provider) lacksStorage(tx *simcloud.Tx, cluster, record *simcloud.Record) string {
	for _, claim := range record.Properties.Objects("spec.volumeClaimTemplates") {
		name := claim.Text("spec.storageClassName")
		if name == "" {
			continue
		}
		class := tx.Get("kubernetes:storage.k8s.io/v1:StorageClass", name, record.Region)
		if class == nil {
			return fmt.Sprintf("storageclass.storage.k8s.io %q not found", name)
		}
		if class.Properties.Text("provisioner") == "ebs.csi.aws.com" && tx.Get("aws:eks/addon:Addon", cluster.ID+":aws-ebs-csi-driver", cluster.Region) == nil {
			return "waiting for a volume to be created by ebs.csi.aws.com: the add-on aws-ebs-csi-driver is not in the cluster"
		}
	}
	return ""
}
