package cloud

import (
	"slices"
	"strings"
	"unicode"

	"slipway.dev/slipway/policies/rule"
)

const (
	logGroupType = "aws:cloudwatch/logGroup:LogGroup"
	// controlPlane begins the names of the log groups of clusters.
	controlPlane = "/aws/eks/"
)

// logWords mark the buckets that logs are kept in.
var logWords = []string{"log", "logs", "flow", "audit", "archive"}

func logs() []*rule.Rule {
	archive := lifecycleType + "/archive"
	return []*rule.Rule{{
		ID: "log-archive-bounded", Title: "What logs are written to ends them as well",
		Why: "A log that is kept in a bucket, or in a group that AWS makes by itself, is kept for ever: " +
			"nothing that says for how long is there to be judged.",
		Remedy: "Give a bucket for logs a lifecycle whose expiration.days is at most maxAuditLogDays, and declare the log group " +
			"/aws/eks/<cluster>/cluster of a cluster that writes logs. A bucket counts as one for logs when a word of its name is log, logs, flow, audit or archive.",
		References: []string{"GDPR article 5(1)(e)", "https://docs.aws.amazon.com/eks/latest/userguide/control-plane-logs.html"},
		Types:      []string{bucketType, clusterType}, Reads: []string{"bucket", "name", "enabledClusterLogTypes"},
		Consults: map[string][]string{lifecycleType: {"rules"}, logGroupType: {"name"}}, EitherWay: true,
		Check: func(s *rule.Stack, r *rule.Resource, limits rule.Limits) []rule.Complaint {
			if c := rule.As[cluster](r); c != nil {
				return grouped(s, c)
			}
			words := strings.FieldsFunc(r.Name+" "+r.Text("bucket"), func(c rune) bool { return !unicode.IsLetter(c) })
			if !slices.ContainsFunc(words, func(word string) bool { return slices.Contains(logWords, word) }) {
				return nil
			}
			if l := rule.As[lifecycle](part(s, r, lifecycleType)); l != nil {
				for _, one := range l.Rules {
					if one.Status == "Enabled" && one.Expiration != nil && one.Expiration.Days > 0 && one.Expiration.Days <= limits.MaxAuditLogDays {
						return nil
					}
				}
			}
			return rule.Complain("", "no lifecycle ends what is in it within %d days", limits.MaxAuditLogDays)
		},
		Example: rule.Example{Resource: "aws:s3/bucketV2:BucketV2/archive", Unknown: "rules", UnknownIn: archive,
			Also: map[string]map[string]any{archive: {"rules[0].expiration": nil}}},
	}}
}

// grouped asks for the log group of a cluster that writes logs.
func grouped(s *rule.Stack, c *cluster) []rule.Complaint {
	if len(c.EnabledClusterLogTypes) == 0 {
		return nil
	}
	for _, group := range s.Of(logGroupType) {
		name := group.Text("name")
		if name == controlPlane+c.Name+"/cluster" || c.Name == "" && strings.HasPrefix(name, controlPlane) {
			return nil
		}
	}
	return rule.Complain("enabledClusterLogTypes", "are kept for ever: no log group for them is declared")
}
