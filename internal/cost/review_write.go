package cost

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write prints the review as a table, with what to change and where.
func (r *Review) Write(out io.Writer, stack string) error {
	fmt.Fprintf(out, "stack %s: what containers used in the last %s, against what is reserved\n", stack, span(r.Window))
	if r.Hours < r.Window*0.99 {
		fmt.Fprintf(out, "Prometheus has data for %s of that.\n", span(r.Hours))
	}
	fmt.Fprintln(out)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { fmt.Fprintln(table, strings.Join(cells, "\t")) }
	row("WORKLOAD CONTAINER", "PODS", "SEEN", "RESOURCE", "USED", "RESERVED", "LIMIT", "FINDING", "DECIDED BY")
	few := 0
	for _, one := range r.Rows {
		decided := one.Setting
		if decided == "" {
			decided = one.Place
		}
		if decided == "" {
			decided = "not of this stack"
		}
		if one.Finding == Undecided {
			few++
		}
		row(one.Where, fmt.Sprint(one.Pods), span(one.Hours), one.Resource, optional(one.Resource, one.Used),
			optional(one.Resource, one.Request), optional(one.Resource, one.Limit), string(one.Finding), decided)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the usage: %w", err)
	}
	fmt.Fprintln(out, "\nUsed: of CPU what the busiest pod used 95 % of the time at most, of memory the most that a pod held.")
	if few > 0 {
		fmt.Fprintf(out, "%d of %d rows are not judged: with less than %s of data (--at-least) a quiet hour would pass for a quiet week.\n", few, len(r.Rows), span(r.AtLeast))
	}
	if len(r.Suggestions) == 0 {
		_, err := fmt.Fprintf(out, "No setting of Pulumi.%s.yaml is to be changed.\n", stack)
		return err
	}
	fmt.Fprintf(out, "\nSuggested in Pulumi.%s.yaml:\n", stack)
	table = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	cores, bytes := 0.0, 0.0
	for _, s := range r.Suggestions {
		row("  "+s.Setting+":", s.From+" -> "+s.To, s.Why)
		cores, bytes = cores+s.Cores, bytes+s.Bytes
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the suggestions: %w", err)
	}
	_, err := fmt.Fprintf(out, "Over all pods that %s of CPU and %s of memory.\n", freed("cpu", cores), freed("memory", bytes))
	return err
}

func freed(resource string, amount float64) string {
	if amount < 0 {
		return "takes " + quantity(resource, -amount)
	}
	return "frees " + quantity(resource, amount)
}

// span writes hours as people say them.
func span(hours float64) string {
	switch {
	case hours >= 48:
		return fmt.Sprintf("%.3g days", hours/24)
	case hours < 1:
		return fmt.Sprintf("%.0f min", hours*60)
	}
	return fmt.Sprintf("%.3g h", hours)
}

// JSON prints the review for programs.
func (r *Review) JSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}
