package flow

import (
	"fmt"
	"slices"
	"strings"
)

// Table writes the matrices of several stacks as one Markdown table, in the
// order of stacks. A flow that all of them have is written once.
func Table(stacks []string, matrices map[string]Matrix) string {
	type row struct {
		from, to, ports, out, in string
	}
	in := map[row][]string{}
	var order []row
	outside := map[string]bool{}
	for _, stack := range stacks {
		for _, end := range matrices[stack].Ends {
			outside[end.Name] = end.Namespace == ""
		}
		for _, f := range whole(matrices[stack]) {
			r := row{f.From, f.To, strings.Join(f.Ports, ", "), policies(f.Out), policies(f.In)}
			if in[r] == nil {
				order = append(order, r)
			}
			if !slices.Contains(in[r], stack) {
				in[r] = append(in[r], stack)
			}
		}
	}
	slices.SortStableFunc(order, func(a, b row) int {
		if by := strings.Compare(a.from, b.from); by != 0 {
			return by
		}
		return strings.Compare(a.to, b.to)
	})
	for i := 0; i < len(order); i++ {
		// Networks that differ in nothing share a line.
		for j := i + 1; j < len(order); j++ {
			a, b := order[i], order[j]
			same := row{a.from, "", a.ports, a.out, a.in} == row{b.from, "", b.ports, b.out, b.in}
			if same && outside[a.to] && outside[b.to] && slices.Equal(in[a], in[b]) {
				joined := a
				joined.to = a.to + ", " + b.to
				in[joined], outside[joined.to] = in[a], true
				order[i] = joined
				order = slices.Delete(order, j, j+1)
				j--
			}
		}
	}
	var out strings.Builder
	out.WriteString("| from | to | ports | let out by | let in by | stacks |\n|---|---|---|---|---|---|\n")
	for _, r := range order {
		where := "all"
		if len(in[r]) < len(stacks) {
			where = strings.Join(in[r], ", ")
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s | %s |\n", r.from, r.to, r.ports, r.out, r.in, where)
	}
	return out.String()
}

// policies are names as the table has them; a dash stands for a side that no
// policy is about.
func policies(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ")
}

// whole writes what every pod of a namespace may do once, as "every pod".
func whole(m Matrix) []Flow {
	size := map[string]int{}
	home := map[string]string{}
	for _, end := range m.Ends {
		home[end.Name] = end.Namespace
		size[end.Namespace]++
	}
	type what struct{ namespace, to, rest string }
	of := func(f Flow) what {
		return what{home[f.From], f.To, strings.Join(f.Ports, " ") + "|" + policies(f.Out) + "|" + policies(f.In)}
	}
	count := map[what]int{}
	for _, f := range m.Flows {
		count[of(f)]++
	}
	var flows []Flow
	done := map[what]bool{}
	for _, f := range m.Flows {
		key := of(f)
		if key.namespace == "" || size[key.namespace] < 2 || count[key] < size[key.namespace] {
			flows = append(flows, f)
		} else if !done[key] {
			done[key] = true
			f.From = key.namespace + "/every pod"
			flows = append(flows, f)
		}
	}
	return flows
}
