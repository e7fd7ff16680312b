package rehearsal

import (
	"fmt"
	"strings"
	"time"
)

// Result is what a rehearsal found.
type Result struct {
	Stack string
	Began time.Time
	Steps []Step
}

// Step is one part of the life and how it went.
type Step struct {
	Name, Did string
	Took      time.Duration
	Err       error
}

// Page is the result on one page.
func (r *Result) Page() string {
	var page strings.Builder
	fmt.Fprintf(&page, "# Rehearsal of %s: SIMULATED\n\n", r.Stack)
	fmt.Fprintf(&page, "The real engine against a simulated cloud on %s. It proves what the program does, not what AWS does.\n\n", r.Began.UTC().Format("2006-01-02 15:04 UTC"))
	page.WriteString("| step | outcome | seconds | what happened |\n|---|---|---|---|\n")
	for _, s := range r.Steps {
		outcome := "passed"
		switch {
		case s.Err != nil:
			outcome = "**failed**"
		case s.Did == "not reached", strings.HasPrefix(s.Did, "not rehearsed"):
			outcome = "-"
		}
		fmt.Fprintf(&page, "| %s | %s | %.1f | %s |\n", s.Name, outcome, s.Took.Seconds(), s.Did)
	}
	for _, s := range r.Steps {
		if s.Err != nil {
			fmt.Fprintf(&page, "\n## %s\n\n```\n%s\n```\n", s.Name, s.Err)
		}
	}
	return page.String()
}
