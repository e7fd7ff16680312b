package rules

import (
	"fmt"
	"slices"
	"time"
)

// logs watches the log collectors, where they are scraped. Beyond what any of
// them can know are lines that the kubelet rotates away before they are read.
func logs(o Options) []Group {
	if !slices.Contains(o.Jobs, JobCollector) {
		return nil
	}
	grows := func(metric, more, window string) string {
		return fmt.Sprintf(`increase(%s{job="%s"%s}[%s]) > 0`, metric, JobCollector, more, window)
	}
	return []Group{{Name: "slipway-logs", Alerts: []Alert{
		{
			Name: "CollectorDown", Severity: Warning, For: 10 * time.Minute,
			// A pod that is gone has no series; its node still does.
			Expr: fmt.Sprintf(`kube_node_status_condition{job="%s",condition="Ready",status="true"} == 1
unless on (node)
up{job="%s"} == 1`, JobState, JobCollector),
			Summary:     "Node {{ $labels.node }} has no log collector that answers",
			Description: "Logs of its pods stay where the kubelet keeps them, and are lost when it has rotated a container's log twice.",
		},
		{
			// A failure is tried again after half a minute at most, so one that
			// lasts goes on being counted.
			Name: "LogsNotStored", Severity: Warning, For: 10 * time.Minute,
			Expr:        grows("slipway_archive_failed_writes_total", "", "5m"),
			Summary:     "Logs of class {{ $labels.class }} cannot be stored on node {{ $labels.node }}",
			Description: "The collector tries again and waits meanwhile. Lines are lost when the kubelet has rotated a container's log twice.",
		},
		{
			// The archive on the node is the buffer, so a short absence is nobody's
			// business. Without a bucket the counter stays at 0.
			Name: "LogsNotArchived", Severity: Warning, For: 20 * time.Minute,
			Expr:        grows("slipway_archive_failed_sends_total", "", "5m"),
			Summary:     "Logs of class {{ $labels.class }} on node {{ $labels.node }} cannot be copied to the bucket",
			Description: "They stay on the node, and are copied when the bucket answers. Lost is what the node deletes before, for age or lack of room, or takes along when it goes.",
		},
		{
			Name: "LogsRefused", Severity: Warning,
			Expr: either(grows("otelcol_receiver_refused_log_records_total", "", "15m"),
				grows("otelcol_receiver_failed_log_records_total", "", "15m")),
			Summary:     "The collector on node {{ $labels.node }} gave up {{ $value }} records of {{ $labels.receiver }}",
			Description: "They were read, could not be stored, and are not tried again: they are lost.",
		},
		{
			Name: "LogsDeletedEarly", Severity: Warning,
			Expr:        grows("slipway_archive_deleted_bytes_total", `,reason="size"`, "1h"),
			Summary:     "{{ $value | humanize1024 }}B of class {{ $labels.class }} on node {{ $labels.node }} were deleted before their time",
			Description: "The class is over its share of the node's disk, so its oldest records went. How long logs are kept is shorter than promised.",
		},
	}}}
}
