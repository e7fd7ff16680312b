package catalogue_test

import (
	"slices"
	"strings"
	"testing"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/rule"
)

// unsaid are the rules about single objects of a cluster that its API server is
// not asked, and why.
var unsaid = map[string]string{
	"access-log-minimal":      "a command line would have to be parsed",
	"dashboard-not-public":    "a command line would have to be parsed",
	"database-log-minimal":    "a file in a ConfigMap would have to be parsed",
	"logs-redacted":           "a file in a ConfigMap would have to be parsed",
	"patroni-configmaps":      "a file in a ConfigMap would have to be parsed",
	"patroni-ttl":             "a file in a ConfigMap would have to be parsed",
	"private-name-not-public": "a zone file would have to be parsed",
	"certificate-limits":      "thresholds, and durations would have to be parsed",
	"requests-and-limits":     "a threshold, and the server fills in what is missing",
	"default-tls-option":      "a threshold",
	"image-by-digest":         "thresholds; the server holds images to the registries",
	"no-host-path":            "thresholds by the name of the workload, which its pods do not have",
	"no-node-port":            "a threshold",
	"required-labels":         "a threshold",
	"storage-class-allowed":   "a threshold",
	"pods-spread":             "selectors would have to be matched",
	"probes-differ":           "the server fills in what is missing of the probes that are compared",
	"no-bare-pods":            "people look into a cluster with a pod of their own",
	"no-deprecated-api":       "a server that lacks the API refuses it by itself",
	"judged-kinds":            "no server has such kinds, or it makes other objects of them that it is asked about",
	"data-not-replaced":       "it is about what an update would do",
}

// TestEveryRuleTheClusterCouldJudgeIsSaidThere: a rule that needs no other
// object has a condition, or a reason why it has none.
func TestEveryRuleTheClusterCouldJudgeIsSaidThere(t *testing.T) {
	for _, r := range catalogue.Rules() {
		ofCluster := slices.ContainsFunc(r.Types, func(token string) bool { return strings.HasPrefix(token, "kubernetes:") })
		could := ofCluster && !r.OfStack() && r.ID != rule.Readable
		if reason := unsaid[r.ID]; could && r.Admission == nil && reason == "" {
			t.Errorf("nothing says why the API server is not asked %s", r.ID)
		} else if reason != "" && (!could || r.Admission != nil) {
			t.Errorf("%s is listed as unsaid and is said, or could not be", r.ID)
		}
	}
}
