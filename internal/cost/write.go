package cost

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Write prints the estimate as a table, with what it does not count, where each
// price was read, and what to be careful about.
func (e *Estimate) Write(out io.Writer, stack string) error {
	fmt.Fprintf(out, "stack %s: list prices of %s in %s, without tax; a month has %v hours\n\n", stack, e.table.Region, e.table.Currency, e.table.Hours)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...string) { fmt.Fprintln(table, strings.Join(cells, "\t")) }
	cited := e.citations()
	row("a month", "scaled out", "units", "each", "read in", "  what")
	charges := slices.Clone(e.Charges)
	slices.SortStableFunc(charges, func(a, b Charge) int {
		if d := b.Month - a.Month; math.Abs(d) > 1e-9 {
			return int(math.Copysign(1, d))
		}
		return strings.Compare(a.Resource+a.What, b.Resource+b.What)
	})
	for _, c := range charges {
		units := amount(c.Number)
		if c.Most != c.Number {
			units += " to " + amount(c.Most)
		}
		row(money(c.Month), money(c.Peak), units, amount(c.Price.USD)+"/"+c.Price.Per, cited.mark(c.Price), "  "+c.Resource+": "+c.What)
	}
	row(money(e.Month()), money(e.Peak()), "", "", "", "  total")
	if err := table.Flush(); err != nil {
		return fmt.Errorf("writing the costs: %w", err)
	}
	if e.Budget > 0 {
		fmt.Fprintf(out, "\nThe stack's own budget is %s a month.\n", money(e.Budget))
	}
	if len(e.Usage) > 0 {
		fmt.Fprintln(out, "\nPaid by use, and not counted:")
		for _, typ := range slices.Sorted(maps.Keys(e.Usage)) {
			price := e.table.Usage[typ]
			fmt.Fprintf(out, "  %s (%d): %s, %s a %s %s\n", typ, e.Usage[typ], price.What, amount(price.USD), price.Per, cited.mark(price))
		}
	}
	if len(e.Unknown) > 0 {
		fmt.Fprintln(out, "\nNOT PRICED, so the total is too low:")
		for _, what := range e.Unknown {
			fmt.Fprintln(out, "  "+what)
		}
	}
	return cited.write(out)
}

// Delta says in one sentence what a change does to the costs.
func Delta(before, after *Estimate) string {
	change := after.Month() - before.Month()
	text := fmt.Sprintf("%+.2f %s a month", change, after.table.Currency)
	if math.Abs(change) < 0.005 {
		text = "costs as before"
	}
	text += fmt.Sprintf(", %s in all without what is paid by use", money(after.Month()))
	if n := len(after.Unknown); n > 0 {
		text += fmt.Sprintf("; NOT PRICED: %s", strings.Join(after.Unknown, "; "))
	}
	return text
}

func money(usd float64) string { return fmt.Sprintf("%.2f", usd) }

func amount(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }
