package rule

import (
	"fmt"
	"reflect"
	"strconv"
)

// Limits are the thresholds rules compare with. Each can be set in
// policies/settings.yaml, for all stacks or for one. A number, or each of a list,
// lies between the tags least and most.
type Limits struct {
	// Registries are prefixes that images may come from, with a final slash.
	Registries []string `yaml:"registries" json:"registries"`
	// RequireDigest asks for images by digest, not only by tag.
	RequireDigest bool `yaml:"requireDigest" json:"requireDigest"`
	// ImmutableRegistries are prefixes of images, with a final slash, in whose
	// repositories a tag can be given once and never moved; an image from there is
	// named by its content when it has a tag. Empty by default: most registries
	// let tags move.
	ImmutableRegistries []string `yaml:"immutableRegistries" json:"immutableRegistries"`
	// RequireCPULimit asks for CPU limits beside memory limits. Off by default:
	// a CPU limit throttles a container while the machine idles.
	RequireCPULimit bool `yaml:"requireCPULimit" json:"requireCPULimit"`
	// HostPathReaders are log collectors, as namespace/name of a DaemonSet, that
	// may mount paths of the node read-only; with a colon and a path behind it,
	// that path and no other.
	HostPathReaders []string `yaml:"hostPathReaders" json:"hostPathReaders"`
	// HostPathWriters are DaemonSets that may write to a path of the node, as
	// namespace/name:/path: what they remember there has to outlive their pods.
	HostPathWriters []string `yaml:"hostPathWriters" json:"hostPathWriters"`
	// StorageClasses are the classes that claims may name.
	StorageClasses []string `yaml:"storageClasses" json:"storageClasses"`
	// RequiredLabels are on every workload, Service and Namespace.
	RequiredLabels []string `yaml:"requiredLabels" json:"requiredLabels"`
	// Issuers are the names of certificate issuers that may be asked.
	Issuers []string `yaml:"issuers" json:"issuers"`
	// MaxCertificateHours bounds a certificate's life; 0 does not.
	MaxCertificateHours int `yaml:"maxCertificateHours" json:"maxCertificateHours" least:"0"`
	// CertificateSuffixes are the domains certificates may name.
	CertificateSuffixes []string `yaml:"certificateSuffixes" json:"certificateSuffixes"`
	// PlatformNamespaces may hold the TLS option that applies to everyone, and
	// services of type LoadBalancer.
	PlatformNamespaces []string `yaml:"platformNamespaces" json:"platformNamespaces"`
	// PrivateSuffixes are domains that must not be in a public zone.
	PrivateSuffixes []string `yaml:"privateSuffixes" json:"privateSuffixes"`
	// Regions are the cloud regions data may lie in.
	Regions []string `yaml:"regions" json:"regions"`
	// GlobalRegions are regions in which services without a region keep their
	// keys and logs, such as Route 53 in us-east-1. Empty by default: what is made
	// there beside those is not told apart.
	GlobalRegions []string `yaml:"globalRegions" json:"globalRegions"`
	// MaxLogDays bounds how long a log is kept.
	MaxLogDays int `yaml:"maxLogDays" json:"maxLogDays" least:"1"`
	// MaxAuditLogDays bounds how long the control plane's log is kept: it says who
	// administered what, and is asked months later.
	MaxAuditLogDays int `yaml:"maxAuditLogDays" json:"maxAuditLogDays" least:"1"`
	// PublicPorts are the ports on which a security group may let everyone in.
	PublicPorts []int `yaml:"publicPorts" json:"publicPorts" least:"1" most:"65535"`
	// MinBackupDays is how long backups must be kept at least.
	MinBackupDays int `yaml:"minBackupDays" json:"minBackupDays" least:"1"`
	// LockBackups asks for buckets of backups from which nobody can delete a
	// version before its time.
	LockBackups bool `yaml:"lockBackups" json:"lockBackups"`
	// AllocationTags are on everything that costs money.
	AllocationTags []string `yaml:"allocationTags" json:"allocationTags"`
	// InstanceTypes are prefixes of the machine types a stack may use; empty
	// allows all.
	InstanceTypes []string `yaml:"instanceTypes" json:"instanceTypes"`
	// EphemeralStacks are prefixes of names of stacks that must say when they
	// end, in ExpiryTag.
	EphemeralStacks []string `yaml:"ephemeralStacks" json:"ephemeralStacks"`
	ExpiryTag       string   `yaml:"expiryTag" json:"expiryTag"`
	// MinReplicas is how many pods of a server keep it up through one failure.
	MinReplicas int `yaml:"minReplicas" json:"minReplicas" least:"1"`
	// PatroniMembers is how many members keep a synchronous cluster writable
	// through one failure.
	PatroniMembers int `yaml:"patroniMembers" json:"patroniMembers" least:"1"`
	// KeepAliveSeconds is how long the API's server keeps an idle connection.
	KeepAliveSeconds int `yaml:"keepAliveSeconds" json:"keepAliveSeconds" least:"1"`
}

// DefaultLimits are the thresholds where nothing is set.
func DefaultLimits() Limits {
	return Limits{
		Registries:          []string{"slipway.dev/", "registry.k8s.io/", "quay.io/jetstack/", "docker.io/library/"},
		StorageClasses:      []string{"standard", "retain"},
		RequiredLabels:      []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/part-of", "app.kubernetes.io/managed-by"},
		Issuers:             []string{"slipway", "slipway-root"},
		MaxCertificateHours: 2160,
		CertificateSuffixes: []string{".slipway.test", ".svc", ".svc.cluster.local"},
		PlatformNamespaces:  []string{"slipway-ingress"},
		PrivateSuffixes:     []string{"internal.slipway.test"},
		Regions:             []string{"eu-central-1", "eu-west-1"},
		MaxLogDays:          90,
		MaxAuditLogDays:     365,
		PublicPorts:         []int{443},
		MinBackupDays:       14,
		AllocationTags:      []string{"project", "stack", "owner"},
		EphemeralStacks:     []string{"pr-", "review-"},
		ExpiryTag:           "slipway.dev/expires",
		MinReplicas:         2,
		PatroniMembers:      3,
		KeepAliveSeconds:    35,
	}
}

// Faults are the numbers out of bounds, by the limit's name.
func (l Limits) Faults() map[string]string {
	faults := map[string]string{}
	value := reflect.ValueOf(l)
	for _, field := range reflect.VisibleFields(value.Type()) {
		var numbers []int
		switch v := value.FieldByIndex(field.Index).Interface().(type) {
		case int:
			numbers = []int{v}
		case []int:
			numbers = v
		}
		for _, n := range numbers {
			for tag, beyond := range map[string]func(bound int) bool{
				"least": func(bound int) bool { return n < bound }, "most": func(bound int) bool { return n > bound },
			} {
				if bound, err := strconv.Atoi(field.Tag.Get(tag)); err == nil && beyond(bound) {
					faults[field.Tag.Get("yaml")] = fmt.Sprintf("is %d, must be at %s %d", n, tag, bound)
				}
			}
		}
	}
	return faults
}
