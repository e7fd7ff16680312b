package cost

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// citations are the sources of an estimate's prices by number, and its cautions
// by letter.
type citations struct {
	sources  map[string]Source
	names    []string
	cautions []string
}

// citations collects what stands behind the prices that are used.
func (e *Estimate) citations() *citations {
	c := &citations{sources: e.table.Sources}
	used := map[string]bool{}
	cite := func(price Price) {
		for _, source := range price.Sources {
			used[source] = true
		}
		if price.Caution != "" && !slices.Contains(c.cautions, price.Caution) {
			c.cautions = append(c.cautions, price.Caution)
		}
	}
	for _, charge := range e.Charges {
		cite(charge.Price)
	}
	for _, typ := range slices.Sorted(maps.Keys(e.Usage)) {
		cite(e.table.Usage[typ])
	}
	c.names = slices.Sorted(maps.Keys(used))
	slices.Sort(c.cautions)
	return c
}

// mark is what stands beside a price: [1,2] for where it was read, and a letter
// where there is something to be careful about.
func (c *citations) mark(price Price) string {
	var numbers []string
	for i, name := range c.names {
		if slices.Contains(price.Sources, name) {
			numbers = append(numbers, strconv.Itoa(i+1))
		}
	}
	mark := "[" + strings.Join(numbers, ",") + "]"
	if i := slices.Index(c.cautions, price.Caution); i >= 0 {
		mark += letter(i)
	}
	return mark
}

// letter is a, b and so on, then c27.
func letter(i int) string {
	if i < 26 {
		return string(rune('a' + i)) //nolint:gosec // a letter of the alphabet
	}
	return "c" + strconv.Itoa(i+1)
}

// write says what the marks mean.
func (c *citations) write(out io.Writer) error {
	if len(c.cautions) > 0 {
		fmt.Fprintln(out, "\nTo be taken with care:")
		for i, caution := range c.cautions {
			fmt.Fprintf(out, "  %s: %s\n", letter(i), caution)
		}
	}
	text := ""
	for i, name := range c.names {
		text += fmt.Sprintf("  [%d] %s\n", i+1, c.sources[name])
	}
	if text == "" {
		return nil
	}
	_, err := fmt.Fprint(out, "\nRead in public copies of AWS's list prices; look at AWS's own pages before relying on one:\n"+text)
	return err
}
