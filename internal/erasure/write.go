package erasure

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
)

// JSON writes the report for programs.
func (r *Report) JSON(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// Write writes the report for people.
func (r *Report) Write(out io.Writer) error {
	if r.Found() > 0 || r.erased() {
		table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "WHERE\tWHAT\tBEFORE\tERASED\tAFTER")
		for _, result := range r.Results {
			after := "-"
			if result.After != nil {
				after = strconv.Itoa(*result.After)
			}
			fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\n", result.Place, result.Kind, result.Before, result.Erased, after)
		}
		if err := table.Flush(); err != nil {
			return err
		}
	} else if len(r.Faults) == 0 {
		fmt.Fprintf(out, "nothing that can be searched holds the subject; nothing was changed in stack %s\n", r.Stack)
	}
	for _, fault := range r.Faults {
		fmt.Fprintf(out, "FAILED  %s\n", fault)
	}
	if len(r.Left) > 0 {
		fmt.Fprintln(out, "\nnot searched, and may hold the subject for as long as it is kept:")
		for _, left := range r.Left {
			fmt.Fprintf(out, "- %s (%s)\n  kept: %s\n  why: %s\n", left.What, left.Where, left.Kept, left.Why)
		}
	}
	if r.Done {
		fmt.Fprintln(out, "\nerased; a search of every place found nothing afterwards")
	}
	return nil
}

func (r *Report) erased() bool {
	for _, result := range r.Results {
		if result.Erased > 0 || result.After != nil && *result.After > 0 {
			return true
		}
	}
	return false
}
