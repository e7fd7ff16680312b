package rules

import (
	"fmt"
	"time"
)

// benchmark watches how the last run ended. Runs that are under way, and the
// ones before, are not asked.
func benchmark(o Options) []Group {
	if o.BenchmarkNamespace == "" {
		return nil
	}
	last := func(ended string) string {
		const of = `{job="%[1]s",namespace="%[2]s"}`
		return fmt.Sprintf(`max(kube_job_status_start_time`+of+` and on (namespace, job_name) kube_job_status_%[3]s`+of+` > 0)`,
			JobState, o.BenchmarkNamespace, ended)
	}
	return []Group{{Name: "slipway-benchmark", Alerts: []Alert{{
		Name: "BenchmarkFailed", Severity: Warning, For: time.Minute,
		Expr:        fmt.Sprintf("%s > (%s or vector(0))", last("failed"), last("succeeded")),
		Summary:     "The last benchmark failed",
		Description: "The platform was slower than it may be, requests failed, or it could not be measured.",
	}}}}
}
