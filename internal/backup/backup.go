// Package backup reads what pgBackRest says of the backups it keeps, and the moments that people
// name.
package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"
)

// Backup is one that is whole.
type Backup struct {
	// Label names it in the repository.
	Label string `json:"label"`
	// Type is full, diff or incr; the latter two need the one that Needs names.
	Type  string `json:"type"`
	Needs string `json:"needs,omitempty"`
	// Started and Finished are when it was taken.
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	// DatabaseBytes is the size of what it restores, RepositoryBytes what it alone takes in the
	// repository.
	DatabaseBytes   int64 `json:"databaseBytes"`
	RepositoryBytes int64 `json:"repositoryBytes"`
}

// ErrNone is returned where the repository holds no backup yet.
var ErrNone = errors.New("there is no backup yet; the first one is taken once the database runs, see `slipway backup now`")

// Parse reads the output of `pgbackrest info --output=json`: the whole backups of all databases in
// it, oldest first.
func Parse(raw []byte) ([]Backup, error) {
	var stanzas []struct {
		Backup []struct {
			Label     string
			Type      string
			Prior     *string
			Error     *bool
			Timestamp struct{ Start, Stop int64 }
			Info      struct {
				Size       int64
				Repository struct{ Delta int64 }
			}
		}
	}
	if err := json.Unmarshal(raw, &stanzas); err != nil {
		return nil, fmt.Errorf("reading what pgBackRest said: %w", err)
	}
	var all []Backup
	for _, stanza := range stanzas {
		for _, one := range stanza.Backup {
			if one.Error != nil && *one.Error {
				continue
			}
			made := Backup{
				Label: one.Label, Type: one.Type,
				Started: time.Unix(one.Timestamp.Start, 0).UTC(), Finished: time.Unix(one.Timestamp.Stop, 0).UTC(),
				DatabaseBytes: one.Info.Size, RepositoryBytes: one.Info.Repository.Delta,
			}
			if one.Prior != nil {
				made.Needs = *one.Prior
			}
			all = append(all, made)
		}
	}
	slices.SortStableFunc(all, func(a, b Backup) int { return a.Finished.Compare(b.Finished) })
	return all, nil
}

// Write prints a table, newest first, and from when on the database can be got back.
func Write(out io.Writer, all []Backup) error {
	if len(all) == 0 {
		return ErrNone
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FINISHED\tTYPE\tDATABASE\tIN REPOSITORY\tLABEL")
	for _, one := range slices.Backward(all) {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", one.Finished.Format(time.DateTime), one.Type,
			size(one.DatabaseBytes), size(one.RepositoryBytes), one.Label)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nany moment since %s UTC can be restored, as far as the archive has come: slipway backup drill --at TIME\n",
		all[0].Finished.Format(time.DateTime))
	return err
}

// size writes bytes as people read them.
func size(bytes int64) string {
	const unit = 1024
	value, prefixes := float64(bytes), "KMGT"
	if value < unit {
		return strconv.FormatInt(bytes, 10) + " B"
	}
	at := -1
	for value >= unit && at < len(prefixes)-1 {
		value, at = value/unit, at+1
	}
	return fmt.Sprintf("%.1f %ciB", value, prefixes[at])
}

// Moment reads a time that a person names: RFC 3339, or "2026-11-30 14:05:00", which is UTC. The
// result is as PostgreSQL reads it. Empty is the end of the archive, and stays empty.
func Moment(text string, now time.Time) (string, error) {
	if text == "" {
		return "", nil
	}
	moment, err := time.Parse(time.RFC3339, text)
	if err != nil {
		moment, err = time.Parse(time.DateTime, text)
	}
	if err != nil {
		return "", fmt.Errorf("%q is not a moment such as 2026-11-30T14:05:00Z, or \"2026-11-30 14:05:00\" in UTC", text)
	}
	if moment.After(now) {
		return "", fmt.Errorf("%q is still to come; it is %s UTC", text, now.UTC().Format(time.DateTime))
	}
	return moment.UTC().Format("2006-01-02 15:04:05.999999") + "+00", nil
}
