package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/history"
	"slipway.dev/slipway/internal/lock"
	"slipway.dev/slipway/internal/platform"
)

// States of a branch preview, by the newest entry of its history.
const (
	stateUp         = "up"
	stateFailed     = "failed"
	stateUnfinished = "unfinished"
	stateBusy       = "busy"
	stateUnknown    = "unknown"
)

// previewRow is one branch preview as it is listed.
type previewRow struct {
	Name string `json:"name"`
	// Commit is the one of the newest update, empty where none was recorded.
	Commit  string    `json:"commit,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	// AgeSeconds is how long ago it was created.
	AgeSeconds int    `json:"ageSeconds"`
	Expired    bool   `json:"expired"`
	State      string `json:"state"`
	URL        string `json:"url,omitempty"`
	Host       string `json:"host,omitempty"`
	// Fault says why no more is known of it.
	Fault string `json:"fault,omitempty"`

	shown string
}

func envList() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "list", Short: "List the branch previews of this machine", Args: cobra.NoArgs,
		Long: `States: up, its newest update succeeded; failed, it did not; unfinished, none
ended, or a removal did not; busy, one is running.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			rows, err := w.previews(cmd.Context(), time.Now())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), rows)
			}
			return printPreviews(cmd.OutOrStdout(), rows)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// previews describes each branch preview of this machine. One that cannot be
// read is a row as well.
func (w *workplace) previews(ctx context.Context, now time.Time) ([]previewRow, error) {
	names, err := platform.Guests()
	if err != nil {
		return nil, err
	}
	rows := make([]previewRow, 0, len(names))
	for _, name := range names {
		s, err := platform.OpenStack(w.checkout, name, w.tools)
		if err != nil {
			return nil, err
		}
		if !s.IsGuest() {
			continue // this checkout has a stack of that name
		}
		row := previewRow{Name: name, State: stateUnknown}
		e, err := s.Guest()
		if err != nil {
			row.Fault = err.Error()
			rows = append(rows, row)
			continue
		}
		row.Created, row.Expires, row.Expired = e.Created, e.Expires, e.Expired(now)
		row.AgeSeconds, row.URL, row.Host = int(now.Sub(e.Created).Seconds()), e.URL(), e.Host
		if err := row.look(ctx, s); err != nil {
			row.Fault = err.Error()
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// look asks the stack's history and locks.
func (r *previewRow) look(ctx context.Context, s *platform.Stack) error {
	r.State = stateUnfinished
	stated, err := s.Stated(ctx)
	if err != nil || !stated {
		return err
	}
	files, err := s.Backend(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = files.Close() }()
	if err := r.newest(ctx, files); err != nil {
		return err
	}
	locks, err := lock.List(ctx, files)
	for _, l := range locks {
		if l.Life != lock.Dead {
			r.State = stateBusy
		}
	}
	return err
}

func (r *previewRow) newest(ctx context.Context, files *backend.Stack) error {
	h, err := history.Open(ctx, files)
	if err != nil {
		return err
	}
	e, err := h.Newest(ctx)
	if errors.Is(err, history.ErrEmpty) {
		return nil
	}
	if err != nil {
		return err
	}
	r.Commit, r.shown = e.Commit, shortCommit(e)
	switch {
	case e.Result != history.Succeeded:
		r.State = stateFailed
	case e.Kind != "destroy":
		r.State = stateUp
	}
	return nil
}

func printPreviews(to io.Writer, rows []previewRow) error {
	if len(rows) == 0 {
		_, err := fmt.Fprintln(to, "no branch previews; slipway env create pr-123 makes one")
		return err
	}
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tCOMMIT\tCREATED\tEXPIRES\tAGE\tSTATE\tURL")
	for _, r := range rows {
		if r.Created.IsZero() {
			fmt.Fprintf(table, "%s\t\t\t\t\t%s\t%s\n", r.Name, r.State, oneLine(r.Fault))
			continue
		}
		expires := r.Expires.Local().Format(time.DateTime)
		if r.Expired {
			expires += " (expired)"
		}
		state := r.State
		if r.Fault != "" {
			state += ": " + oneLine(r.Fault)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, orDash(r.shown), r.Created.Local().Format(time.DateTime), expires,
			age(time.Duration(r.AgeSeconds)*time.Second), state, r.URL)
	}
	return table.Flush()
}

// age is such as 3d, 7h or 12m.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day:
		return fmt.Sprintf("%dd", d/day)
	case d >= 2*time.Hour:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return fmt.Sprintf("%dm", max(d, 0)/time.Minute)
	}
}
