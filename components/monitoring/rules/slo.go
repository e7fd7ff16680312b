package rules

import (
	"fmt"
	"slices"
	"time"
)

// Objectives are measured at the ingress: what a client is answered when no
// pod of the API is there counts, too.
//
// An alert compares how fast the error budget goes with how fast it may go. A
// rate of 1 uses up a 30 days' budget in 30 days. Each looks at a long window,
// so that a short burst wakes nobody, and at a short one, so that it ends soon
// after the fault does.
type burn struct {
	rate        float64
	long, short string
}

var (
	// fast is 2 % of the budget in an hour, or 5 % in six: somebody is woken.
	fast = []burn{{14.4, "1h", "5m"}, {6, "6h", "30m"}}
	// slow is 10 % in a day or three days: somebody looks tomorrow.
	slow = []burn{{3, "1d", "2h"}, {1, "3d", "6h"}}
)

// windows are all of those; long ones are computed less often, since they move
// slowly and read many samples.
var (
	shortWindows = []string{"5m", "30m", "1h", "2h", "6h"}
	longWindows  = []string{"1d", "3d"}
)

// routed selects what the ingress counts for the API, in any release.
func routed(o Options, more string) string {
	return fmt.Sprintf(`{job="%s",router=~".*%s-.+"%s}`, JobTraefik, o.APINamespace, more)
}

// ErrorRatio is the record of the share of requests that failed within a window.
func ErrorRatio(window string) string { return "slipway:api_requests:error_ratio_rate" + window }

// SlowRatio is the record of the share of requests that were slow.
func SlowRatio(window string) string { return "slipway:api_requests:slow_ratio_rate" + window }

// Windows are those that both are recorded for, shortest first.
func Windows() []string { return slices.Concat(shortWindows, longWindows) }

// Budget is the share of requests that an objective leaves for errors.
func Budget(objective float64) float64 { return round(1 - objective) }

// bound matches a bucket's bound as both text formats write it.
func bound(seconds float64) string {
	if seconds == float64(int(seconds)) {
		return fmt.Sprintf(`le=~"%[1]s|%[1]s\\.0"`, number(seconds))
	}
	return fmt.Sprintf(`le="%s"`, number(seconds))
}

func ratios(o Options, windows []string) []Record {
	var records []Record
	for _, window := range windows {
		records = append(records,
			// Without any request there is no ratio, rather than one of nothing.
			Record{ErrorRatio(window), fmt.Sprintf(
				"(sum(rate(traefik_router_requests_total%s[%s])) or vector(0)) / (sum(rate(traefik_router_requests_total%s[%s])) > 0)",
				routed(o, `,code=~"5.."`), window, routed(o, ""), window)},
			Record{SlowRatio(window), fmt.Sprintf(
				"1 - sum(rate(traefik_router_request_duration_seconds_bucket%s[%s])) / (sum(rate(traefik_router_request_duration_seconds_count%s[%s])) > 0)",
				routed(o, ","+bound(o.LatencySeconds)), window, routed(o, ""), window)},
		)
	}
	return records
}

// longObjectives records what the slow alerts look at.
func longObjectives(o Options) Group {
	return Group{Name: "slipway-objectives-long", Every: 5 * time.Minute, Records: ratios(o, longWindows)}
}

// quantile is the time within which this share of requests was answered.
func quantile(o Options, share string) string {
	return fmt.Sprintf(
		"histogram_quantile(%s, sum by (le) (rate(traefik_router_request_duration_seconds_bucket%s[5m])))", share, routed(o, ""))
}

func objectives(o Options) Group {
	records := append([]Record{
		{"slipway:api_requests:rate5m", fmt.Sprintf("sum by (code) (rate(traefik_router_requests_total%s[5m]))", routed(o, ""))},
		{"slipway:api_request_duration_seconds:p50_5m", quantile(o, "0.5")},
		{"slipway:api_request_duration_seconds:p99_5m", quantile(o, "0.99")},
	}, ratios(o, shortWindows)...)
	return Group{Name: "slipway-objectives", Records: records, Alerts: []Alert{
		{
			Name: "ApiAvailabilityBurningFast", Severity: Critical, For: 2 * time.Minute,
			Expr:        burning(ErrorRatio, 1-o.Availability, fast),
			Summary:     "The API answers so many requests with 5xx that the month's error budget is gone within days",
			Description: "{{ $value | humanizePercentage }} of requests failed in the long window; the objective is " + percent(o.Availability) + " of requests answered without a 5xx.",
		},
		{
			Name: "ApiAvailabilityBurningSlow", Severity: Warning, For: 15 * time.Minute,
			Expr:        burning(ErrorRatio, 1-o.Availability, slow),
			Summary:     "The API answers more requests with 5xx than the objective allows",
			Description: "{{ $value | humanizePercentage }} of requests failed in the long window; at this rate the objective of " + percent(o.Availability) + " is missed.",
		},
		{
			Name: "ApiLatencyBurningFast", Severity: Critical, For: 2 * time.Minute,
			Expr:        burning(SlowRatio, 1-o.Latency, fast),
			Summary:     "Far too many requests to the API are slow",
			Description: "{{ $value | humanizePercentage }} of requests took longer than " + number(o.LatencySeconds) + " s in the long window; the objective is " + percent(o.Latency) + " within that time.",
		},
		{
			Name: "ApiLatencyBurningSlow", Severity: Warning, For: 15 * time.Minute,
			Expr:        burning(SlowRatio, 1-o.Latency, slow),
			Summary:     "More requests to the API are slow than the objective allows",
			Description: "{{ $value | humanizePercentage }} of requests took longer than " + number(o.LatencySeconds) + " s in the long window; at this rate the objective of " + percent(o.Latency) + " is missed.",
		},
	}}
}

// burning is true when one of pairs is over in both its windows.
func burning(ratio func(string) string, budget float64, pairs []burn) string {
	var parts []string
	for _, pair := range pairs {
		limit := number(round(pair.rate * budget))
		parts = append(parts, fmt.Sprintf("(%s > %s and %s > %s)", ratio(pair.long), limit, ratio(pair.short), limit))
	}
	return either(parts...)
}

// round takes away what arithmetic on binary fractions adds.
func round(value float64) float64 { return float64(int64(value*1e9+0.5)) / 1e9 }

func percent(share float64) string { return number(round(share*100)) + " %" }
