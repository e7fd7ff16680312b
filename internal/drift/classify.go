// Package drift compares what exists with a stack's state, and says of each
// difference what it means.
package drift

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/proposal"
)

// Class is what a difference means.
type Class string

const (
	// Benign differences belong to a controller, which changes the field by
	// design.
	Benign Class = "benign"
	// ByHand differences were made by somebody, or by a program that should
	// not have.
	ByHand Class = "changed by hand"
	// Missing resources are declared and do not exist.
	Missing Class = "missing"
	// Unfinished resources are those that the last update could not wait for.
	// The state has what it asked for, and the next update asks again.
	Unfinished Class = "unfinished"
	// Security differences change who may do what, or what is protected.
	Security Class = "security relevant"
)

// Difference is one resource that differs.
type Difference struct {
	URN   string `json:"urn"`
	Type  string `json:"type"`
	Name  string `json:"name"`
	Class Class  `json:"class"`
	// Properties are the paths that differ.
	Properties []string `json:"properties,omitempty"`
	// Owner says which controller owns a benign difference.
	Owner string `json:"owner,omitempty"`
}

// Report is all that differs, in the order of the state.
type Report struct {
	Differences []Difference `json:"differences"`
	// Looked is how many resources were compared.
	Looked int `json:"looked"`
}

// Real are the differences that are not benign.
func (r *Report) Real() []Difference {
	return slices.DeleteFunc(slices.Clone(r.Differences), func(d Difference) bool { return d.Class == Benign })
}

// Foreign are the real differences that no update of the stack left behind.
func (r *Report) Foreign() []Difference {
	return slices.DeleteFunc(r.Real(), func(d Difference) bool { return d.Class == Unfinished })
}

// Classify reads a refresh's proposal.
func Classify(p *proposal.Proposal) *Report {
	owners := scaled(p)
	report := &Report{}
	for _, s := range p.Steps {
		if !s.Custom {
			continue
		}
		report.Looked++
		d := Difference{URN: s.URN, Type: s.Type, Name: checkpoint.Name(s.URN)}
		switch s.Operation {
		case proposal.Missing:
			d.Class = Missing
		case "update", "replace":
			classify(&d, s, owners)
		default:
			continue
		}
		report.Differences = append(report.Differences, d)
	}
	return report
}

// classify judges a resource that exists and differs: it is as bad as its
// worst property.
func classify(d *Difference, s *proposal.Step, owners map[string]string) {
	for path := range s.Properties {
		d.Properties = append(d.Properties, path)
	}
	if len(d.Properties) == 0 {
		d.Properties = slices.Clone(s.Diffs)
	}
	slices.Sort(d.Properties)
	d.Class = Benign
	var benign []string
	for _, path := range d.Properties {
		owner := ownerOf(s, path, owners)
		if owner == "" {
			d.Class = ByHand
			continue
		}
		if !slices.Contains(benign, owner) {
			benign = append(benign, owner)
		}
	}
	// A provider that names no property cannot be believed to name a benign one.
	if len(d.Properties) == 0 {
		d.Class = ByHand
	}
	if d.Class == Benign {
		d.Owner = strings.Join(benign, ", ")
		return
	}
	switch {
	case secure(s.Type, d.Properties):
		d.Class = Security
	case s.Old != nil && len(s.Old.InitErrors) > 0:
		d.Class = Unfinished
	}
}

// scaled maps each workload that an autoscaler of the stack scales to its
// autoscaler.
func scaled(p *proposal.Proposal) map[string]string {
	owners := map[string]string{}
	for _, s := range p.Steps {
		if !strings.HasSuffix(s.Type, ":HorizontalPodAutoscaler") || s.Old == nil {
			continue
		}
		spec, _ := s.Old.Inputs["spec"].(map[string]any)
		target, _ := spec["scaleTargetRef"].(map[string]any)
		kind, _ := target["kind"].(string)
		name, _ := target["name"].(string)
		owners[kind+" "+field(s.Old.Inputs, "namespace")+"/"+name] = "autoscaler " + checkpoint.Name(s.URN)
	}
	return owners
}

func field(inputs map[string]any, key string) string {
	metadata, _ := inputs["metadata"].(map[string]any)
	text, _ := metadata[key].(string)
	return text
}

// controlled are the fields that Kubernetes' own controllers and
// cert-manager's write, by the end of a type token; an empty one is any
// Kubernetes type.
var controlled = []struct{ kind, path, owner string }{
	{"", "status", "the kind's controller"},
	{"", "metadata.generation", "the API server"},
	{"", "metadata.resourceVersion", "the API server"},
	{"", "metadata.managedFields", "the API server"},
	{":Deployment", `metadata.annotations["deployment.kubernetes.io/revision"]`, "the Deployment controller"},
	{":PersistentVolumeClaim", "spec.volumeName", "the volume binder"},
	{":Service", "spec.clusterIP", "the API server"},
	{":Service", "spec.clusterIPs", "the API server"},
	{":ValidatingWebhookConfiguration", "webhooks[*].clientConfig.caBundle", "cert-manager"},
	{":MutatingWebhookConfiguration", "webhooks[*].clientConfig.caBundle", "cert-manager"},
	{":CustomResourceDefinition", "spec.conversion.webhook.clientConfig.caBundle", "cert-manager"},
	{":APIService", "spec.caBundle", "cert-manager"},
}

// ownerOf names the controller that owns a property, and is empty for none.
func ownerOf(s *proposal.Step, path string, owners map[string]string) string {
	if !strings.HasPrefix(s.Type, "kubernetes:") {
		return ""
	}
	if path == "spec.replicas" && s.Old != nil {
		kind := s.Type[strings.LastIndex(s.Type, ":")+1:]
		if owner := owners[kind+" "+field(s.Old.Inputs, "namespace")+"/"+field(s.Old.Inputs, "name")]; owner != "" {
			return owner
		}
	}
	for _, c := range controlled {
		if strings.HasSuffix(s.Type, c.kind) && below(anyIndex(path), c.path) {
			return c.owner
		}
	}
	return ""
}

func below(path, top string) bool {
	rest, ok := strings.CutPrefix(path, top)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// anyIndex turns the numbers of list elements into stars.
func anyIndex(path string) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(path, '[')
		if open < 0 {
			return b.String() + path
		}
		shut := strings.IndexByte(path[open:], ']')
		if shut < 0 {
			return b.String() + path
		}
		index := path[open+1 : open+shut]
		if strings.Trim(index, "0123456789") == "" {
			index = "*"
		}
		b.WriteString(path[:open] + "[" + index + "]")
		path = path[open+shut+1:]
	}
}

// secureTypes decide who may do what, whatever of them differs.
var secureTypes = []string{
	":NetworkPolicy", ":Role", ":RoleBinding", ":ClusterRole", ":ClusterRoleBinding", ":ServiceAccount", ":Secret",
	":ValidatingWebhookConfiguration", ":MutatingWebhookConfiguration", ":ValidatingAdmissionPolicy", ":ValidatingAdmissionPolicyBinding",
	":Ingress", ":IngressRoute", ":Middleware", ":TLSOption",
	":SecurityGroup", ":SecurityGroupRule", ":RolePolicy", ":RolePolicyAttachment", ":Policy", ":BucketPolicy", ":BucketPublicAccessBlock",
	":Key", ":AccessEntry", ":AccessPolicyAssociation",
}

// secureWords are parts of a path that do so in any type.
var secureWords = []string{
	"securityContext", "serviceAccount", "hostNetwork", "hostPID", "hostIPC", "hostPath", "hostPort", "pod-security.kubernetes.io",
	"automountServiceAccountToken", "capabilities", "privileged", "publicAccess", "publiclyAccessible", "encrypt", "kms",
}

func secure(kind string, paths []string) bool {
	if slices.ContainsFunc(secureTypes, func(end string) bool { return strings.HasSuffix(kind, end) }) {
		return true
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		return slices.ContainsFunc(secureWords, func(word string) bool {
			return strings.Contains(strings.ToLower(path), strings.ToLower(word))
		})
	})
}

// Write prints differences, a line each.
func Write(to io.Writer, differences []Difference) {
	for _, d := range differences {
		text := fmt.Sprintf("  %-17s %s %s", d.Class, d.Type, d.Name)
		if len(d.Properties) > 0 {
			text += ": " + strings.Join(d.Properties, ", ")
		}
		if d.Owner != "" {
			text += " (" + d.Owner + ")"
		}
		fmt.Fprintln(to, text)
	}
}
