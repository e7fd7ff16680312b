package dash

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/prometheus"
)

// watchdog is the alert that always fires, to show that alerting works.
const watchdog = "Watchdog"

// Cost is what a stack costs a month, as far as it is known.
type Cost struct {
	// Known says that Month and Peak are what it costs at its smallest and scaled
	// out, in Currency.
	Known       bool
	Month, Peak float64
	Currency    string
	// Note says what the figure does not; without a figure, why.
	Note string
}

func leader(ctx context.Context, a asking) (Answer, error) {
	members, err := a.prometheus.Instant(ctx, `max by (name) (patroni_primary)`, a.now)
	if err != nil || len(members) == 0 {
		return Answer{State: Empty}, err
	}
	var leaders []string
	for _, member := range members {
		if member.Samples[0].Value == 1 {
			leaders = append(leaders, member.Labels["name"])
		}
	}
	slices.Sort(leaders)
	timeline, err := a.prometheus.Instant(ctx, `max(patroni_postgres_timeline)`, a.now)
	if err != nil {
		return Answer{}, err
	}
	got := Answer{Word: strings.Join(leaders, " and "), Note: fmt.Sprintf("of %d", len(members))}
	if len(timeline) > 0 {
		got.Note += fmt.Sprintf(", timeline %.0f", timeline[0].Samples[0].Value)
	}
	if len(leaders) != 1 {
		got.Word, got.Tone = cmp.Or(got.Word, "none"), "bad"
	}
	return got, nil
}

// followed are the slowest of the requests that have a trace.
func followed(ctx context.Context, a asking) (Answer, error) {
	all, err := a.prometheus.Exemplars(ctx, `http_request_duration_seconds_bucket`+asked, a.now.Add(-a.span.Long), a.now)
	if err != nil || len(all) == 0 {
		return Answer{State: Empty, Message: a.panel.Missing}, err
	}
	slices.SortStableFunc(all, func(x, y prometheus.Exemplar) int {
		return cmp.Or(cmp.Compare(y.Value, x.Value), y.Time.Compare(x.Time))
	})
	got := Answer{Columns: []Heading{{"Request", Text}, {"Took", Seconds}, {"Ago", Text}, {"Trace", Text}}}
	for _, one := range all[:min(slowest, len(all))] {
		got.Rows = append(got.Rows, []any{
			one.Series["method"] + " " + one.Series["route"], one.Value, since(a.now, one.Time), one.Labels["trace_id"],
		})
	}
	return got, nil
}

// slowest is how many requests are shown.
const slowest = 10

func firing(ctx context.Context, a asking) (Answer, error) {
	all, err := a.prometheus.Alerts(ctx)
	if err != nil || len(all) == 0 {
		return Answer{State: Empty, Message: a.panel.Missing}, err
	}
	count, pending := 0.0, 0
	for _, alert := range all {
		switch {
		case alert.Labels["alertname"] == watchdog:
		case alert.State == "firing":
			count++
		default:
			pending++
		}
	}
	got := Answer{Value: &count, Note: fmt.Sprintf("%d about to", pending), Tone: "good"}
	if count > 0 {
		got.Tone = "bad"
	}
	return got, nil
}

// severities in their order; what is not among them comes last.
var severities = []string{"critical", "warning", "info", "none"}

func alerts(ctx context.Context, a asking) (Answer, error) {
	all, err := a.prometheus.Alerts(ctx)
	if err != nil || len(all) == 0 {
		return Answer{State: Empty, Message: a.panel.Missing}, err
	}
	all = slices.DeleteFunc(all, func(alert prometheus.Alert) bool { return alert.Labels["alertname"] == watchdog })
	if len(all) == 0 {
		return Answer{State: Empty, Message: "No alert fires; the watchdog does, so alerting works."}, nil
	}
	rank := func(alert prometheus.Alert) int {
		at := slices.Index(severities, alert.Labels["severity"])
		if at < 0 {
			at = len(severities)
		}
		if alert.State != "firing" {
			at += 2 * len(severities)
		}
		return at
	}
	slices.SortStableFunc(all, func(x, y prometheus.Alert) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), x.ActiveAt.Compare(y.ActiveAt), strings.Compare(x.Labels["alertname"], y.Labels["alertname"]))
	})
	got := Answer{Columns: []Heading{{"State", Text}, {"Severity", Text}, {"Alert", Text}, {"What", Text}, {"Since", Text}}}
	for _, alert := range all {
		what := cmp.Or(alert.Annotations["summary"], alert.Annotations["description"], alert.Annotations["message"])
		got.Rows = append(got.Rows, []any{alert.State, alert.Labels["severity"], alert.Labels["alertname"], what, since(a.now, alert.ActiveAt)})
	}
	if len(got.Rows) > maxRows {
		got.More, got.Rows = len(got.Rows)-maxRows, got.Rows[:maxRows]
	}
	return got, nil
}

// since is a length of time as people say it.
func since(now, then time.Time) string {
	d := max(0, now.Sub(then))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

func costOf(_ context.Context, a asking) (Answer, error) {
	if a.cost == nil {
		return Answer{State: Empty, Message: a.panel.Missing}, nil
	}
	cost := a.cost()
	if !cost.Known {
		return Answer{State: Empty, Message: cmp.Or(cost.Note, a.panel.Missing)}, nil
	}
	word := fmt.Sprintf("%.0f %s", cost.Month, cost.Currency)
	note := cost.Note
	if cost.Peak > cost.Month {
		note = strings.TrimSuffix(fmt.Sprintf("up to %.0f scaled out; %s", cost.Peak, note), "; ")
	}
	return Answer{Word: word, Note: note}, nil
}
