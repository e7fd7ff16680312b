package dashboards

import (
	"fmt"
	"slices"

	"slipway.dev/slipway/components/monitoring/rules"
)

// logs is there where collectors are.
func logs(o rules.Options) []Dashboard {
	if !slices.Contains(o.Jobs, rules.JobCollector) {
		return nil
	}
	from := fmt.Sprintf(`{job="%s"}`, rules.JobCollector)
	rate := func(by, metric string) string { return fmt.Sprintf("sum by (%s) (rate(%s%s[5m]))", by, metric, from) }
	grown := func(metric string) string { return fmt.Sprintf("sum(increase(%s%s[1h]))", metric, from) }
	return []Dashboard{{Name: "logs", Title: "Slipway: logs", Rows: []Row{
		{"Right now", []Panel{
			{Title: "Collectors", Tells: "That answer; one for each node.", Unit: Plain, Number: true,
				Queries: one(fmt.Sprintf(`count(up{job="%s"} == 1) or vector(0)`, rules.JobCollector), "")},
			{Title: "Deleted early", Tells: "In the last hour, for lack of room rather than for age.", Unit: Bytes, Number: true, Limit: 1,
				Queries: one(fmt.Sprintf(`sum(increase(slipway_archive_deleted_bytes_total{job="%s",reason="size"}[1h]))`, rules.JobCollector), "")},
			{Title: "Given up", Tells: "Records in the last hour that could not be stored and are lost.", Unit: Plain, Number: true, Limit: 1,
				Queries: one(grown("otelcol_receiver_refused_log_records_total")+"\n+ "+grown("otelcol_receiver_failed_log_records_total"), "")},
			{Title: "Failed attempts", Tells: "To write, in the last hour; each is tried again.", Unit: Plain, Number: true, Limit: 1,
				Queries: one(grown("slipway_archive_failed_writes_total"), "")},
		}},
		{"What is kept", []Panel{
			{Title: "Records", Tells: "Stored in a second, by class.", Unit: PerSecond,
				Queries: one(rate("receiver", "otelcol_receiver_accepted_log_records_total"), "{{receiver}}")},
			{Title: "Written", Tells: "Before compression, by class.", Unit: BytesPerSec,
				Queries: one(rate("class", "slipway_archive_written_bytes_total"), "{{class}}")},
			{Title: "Deleted", Tells: "Compressed, by class and reason: age is as promised, size is early.", Unit: BytesPerSec,
				Queries: one(rate("class, reason", "slipway_archive_deleted_bytes_total"), "{{class}} {{reason}}")},
		}},
		{"Copies and spans", []Panel{
			{Title: "Copied to the bucket", Tells: "Compressed, by class; nothing where logs are on the nodes alone.", Unit: BytesPerSec,
				Queries: one(rate("class", "slipway_archive_sent_bytes_total"), "{{class}}")},
			{Title: "Copies that failed", Tells: "In an hour, by node; each is made again.", Unit: Plain, Limit: 1,
				Queries: one(fmt.Sprintf("sum by (node) (increase(slipway_archive_failed_sends_total%s[1h]))", from), "{{node}}")},
			{Title: "Spans", Tells: "Steps of followed requests: what the collectors took, and what the API could not send.", Unit: PerSecond, Queries: []Query{
				{rate("node", "otelcol_receiver_accepted_spans_total"), "{{node}}"},
				{fmt.Sprintf(`sum(rate(slipway_trace_spans_dropped_total{job="%s"}[5m]))`, rules.JobAPI), "dropped by the API"},
			}},
		}},
		{"The collectors", []Panel{
			{Title: "Written, by node", Tells: "A node that writes much more than the others has a loud pod.", Unit: BytesPerSec,
				Queries: one(rate("node", "slipway_archive_written_bytes_total"), "{{node}}")},
			{Title: "Memory", Tells: "By node.", Unit: Bytes, Queries: one("otelcol_process_memory_rss_bytes"+from, "{{node}}")},
			{Title: "Processor", Tells: "Cores, by node.", Unit: Plain, Queries: one(rate("node", "otelcol_process_cpu_seconds_total"), "{{node}}")},
		}},
	}}}
}
