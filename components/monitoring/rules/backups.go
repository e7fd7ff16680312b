package rules

import (
	"fmt"
	"time"
)

// Backups is how often what is done to get the database back, as settings say.
// The zero value has none.
type Backups struct {
	// Every is the longest between two backups, Checked between two looks at the
	// archive, Drilled between two drills; 0 is never.
	Every, Checked, Drilled time.Duration
}

// backups watches that the database could be got back. Each of these is silent
// about itself where its metric is absent, which the first one therefore names.
func backups(o Options) []Group {
	b := o.Backups
	if b.Every == 0 {
		return nil
	}
	age := func(metric string) string {
		return fmt.Sprintf(`time() - max(slipway_backup_%s_timestamp_seconds{job="%s"})`, metric, JobBackups)
	}
	older := func(metric string, than time.Duration) string {
		return fmt.Sprintf(`%s > %d`, age(metric), int(than.Seconds()))
	}
	group := Group{Name: "slipway-backups", Alerts: []Alert{
		{
			Name: "BackupMissing", Severity: Critical, For: time.Hour,
			Expr: either(older("completed", 2*b.Every),
				fmt.Sprintf(`absent(slipway_backup_completed_timestamp_seconds{job="%s"}) * 0`, JobBackups)),
			Summary:     "The newest backup of the database is too old, or there is none",
			Description: "Getting the database back would replay everything written since, if the archive has it.",
		},
		{
			Name: "BackupArchiveBroken", Severity: Critical, For: 10 * time.Minute,
			Expr:        older("archive_checked", 2*b.Checked+10*time.Minute),
			Summary:     "The archive does not receive what the database writes",
			Description: "What is written is with the members alone. They keep it until an eighth of their volume is full, then give it up.",
		},
	}}
	if b.Drilled > 0 {
		group.Alerts = append(group.Alerts, Alert{
			Name: "BackupUnproven", Severity: Warning, For: time.Hour,
			Expr:        older("drilled", b.Drilled+24*time.Hour),
			Summary:     "No backup of the database was restored lately",
			Description: "The drill that restores one and reads it did not succeed, or did not run.",
		})
	}
	return []Group{group}
}
