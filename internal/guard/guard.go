// Package guard knows which resources hold data, and finds what a plan would
// do to them.
//
// It is told nothing by the program it judges: a rollback runs an older
// program, which may lack a protection that was added since. What counts is
// the type of the resource as it is in the state, and its protection there.
package guard

import (
	"slices"
	"strings"

	"slipway.dev/slipway/internal/checkpoint"
)

// Resource is what the guard needs to know of one that exists.
type Resource struct {
	URN, Type string
	// Custom is false for a component, which is nothing by itself.
	Custom  bool
	Protect bool
	Inputs  map[string]any
}

// holders maps a type token to what is lost with the resource.
var holders = map[string]string{
	"kubernetes:apps/v1:StatefulSet":                              "the state of its members",
	"kubernetes:core/v1:PersistentVolumeClaim":                    "a volume",
	"kubernetes:core/v1:PersistentVolume":                         "a volume",
	"kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition": "every object of the kind it defines",

	"random:index/randomPassword:RandomPassword": "a password that data may be locked with",
	"random:index/randomBytes:RandomBytes":       "a key that data may be locked with",
	"tls:index/privateKey:PrivateKey":            "a private key",

	"aws:ebs/volume:Volume":                             "a volume",
	"aws:efs/fileSystem:FileSystem":                     "a file system",
	"aws:rds/instance:Instance":                         "a database",
	"aws:rds/cluster:Cluster":                           "a database",
	"aws:rds/clusterInstance:ClusterInstance":           "a member of a database",
	"aws:docdb/cluster:Cluster":                         "a database",
	"aws:dynamodb/table:Table":                          "a table",
	"aws:elasticache/replicationGroup:ReplicationGroup": "a cache that may be used as a database",
	"aws:opensearch/domain:Domain":                      "a search index",
	"aws:s3/bucket:Bucket":                              "a bucket",
	"aws:s3/bucketV2:BucketV2":                          "a bucket",
	"aws:kms/key:Key":                                   "a key that data may be locked with",
	"aws:secretsmanager/secret:Secret":                  "a secret",
	"aws:cloudwatch/logGroup:LogGroup":                  "what was logged, such as who did what in a cluster",
	"aws:backup/vault:Vault":                            "backups",
	"aws:ecr/repository:Repository":                     "the images that rollbacks go back to",
	"aws:route53/zone:Zone":                             "a zone, whose name servers the parent zone names",
	"aws:eks/cluster:Cluster":                           "a cluster with all that runs on it",
}

const namespaceType = "kubernetes:core/v1:Namespace"

// Guard answers for the resources of one state.
type Guard struct {
	resources map[string]Resource
	// namespaces maps a namespace to something in it that holds data.
	namespaces map[string]string
}

// New takes the resources that exist.
func New(resources []Resource) *Guard {
	g := &Guard{resources: make(map[string]Resource, len(resources)), namespaces: map[string]string{}}
	for _, r := range resources {
		g.resources[r.URN] = r
		if _, ok := holders[r.Type]; !ok {
			continue
		}
		if namespace := metadata(r.Inputs, "namespace"); namespace != "" {
			g.namespaces[namespace] = checkpoint.Name(r.URN)
		}
	}
	return g
}

// FromState takes the resources of a state.
func FromState(s *checkpoint.State) *Guard {
	resources := make([]Resource, 0, len(s.Resources))
	for i := range s.Resources {
		r := &s.Resources[i]
		if r.Delete {
			continue
		}
		resources = append(resources, Resource{
			URN: string(r.URN), Type: string(r.Type), Custom: r.Custom, Protect: r.Protect, Inputs: r.Inputs,
		})
	}
	return New(resources)
}

func metadata(inputs map[string]any, key string) string {
	object, _ := inputs["metadata"].(map[string]any)
	text, _ := object[key].(string)
	return text
}

// Holds says what data is lost when a resource is deleted, and is empty when
// none is. A resource the state does not know holds nothing.
func (g *Guard) Holds(urn string) string {
	r, ok := g.resources[urn]
	if !ok {
		return ""
	}
	if what := holders[r.Type]; what != "" {
		return what
	}
	if r.Type == namespaceType {
		if inside := g.namespaces[metadata(r.Inputs, "name")]; inside != "" {
			return "the namespace of " + inside + ", which is deleted with it"
		}
	}
	if r.Protect && r.Custom {
		return "something the stack protects"
	}
	return ""
}

// destructive are Pulumi's operations after which the resource that was there
// is not.
var destructive = []string{"delete", "delete-replaced", "replace", "create-replacement", "discard", "discard-replaced", "remove-pending-replace"}

// Destructive tells whether after an operation the resource that was there is
// gone.
func Destructive(operation string) bool { return slices.Contains(destructive, operation) }

// Loss is data that a plan would delete.
type Loss struct {
	URN string `json:"urn"`
	// Operation is Pulumi's word, delete or replace.
	Operation string `json:"operation"`
	// Holds says what is lost.
	Holds string `json:"holds"`
	// Because are the properties that force a replacement.
	Because []string `json:"because,omitempty"`
}

// String is one line for a person.
func (l Loss) String() string {
	text := l.Operation + " " + checkpoint.Type(l.URN) + " " + checkpoint.Name(l.URN) + ": holds " + l.Holds
	if len(l.Because) > 0 {
		text += " (cannot be changed in place: " + strings.Join(l.Because, ", ") + ")"
	}
	return text
}
