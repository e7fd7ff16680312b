package simcluster

// immutable are the fields of built-in kinds whose change needs a new object,
// as the official plugin has it. Those of the metadata are every object's.
var immutable = map[string][]string{
	"apps/v1/DaemonSet":   {"spec.selector"},
	"apps/v1/Deployment":  {"spec.selector"},
	"apps/v1/StatefulSet": {"spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates"},
	"batch/v1/Job":        {"spec.completions", "spec.parallelism", "spec.selector", "spec.template"},
	"v1/ConfigMap":        {"data", "binaryData"},
	"v1/Secret":           {"type", "data", "stringData"},
	"v1/Service":          {"spec.clusterIP"},
	"v1/PersistentVolumeClaim": {
		"spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName",
	},
	"storage.k8s.io/v1/StorageClass":                  {"parameters", "provisioner"},
	"rbac.authorization.k8s.io/v1/RoleBinding":        {"roleRef"},
	"rbac.authorization.k8s.io/v1/ClusterRoleBinding": {"roleRef"},
}

// replacing are the paths whose change replaces an object of the kind. The
// content of a mutable ConfigMap or Secret is none of them.
func replacing(kind string, mutable bool) []string {
	paths := []string{"kind", "metadata.name", "metadata.namespace"}
	for _, path := range immutable[kind] {
		if !mutable || path == "type" {
			paths = append(paths, path)
		}
	}
	return paths
}
