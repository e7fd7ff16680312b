package stacks

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/logging"
	"slipway.dev/slipway/components/traefik"
)

// Processing is an entry of the record of processing (GDPR article 30): data
// that is, or could become, about a person.
type Processing struct {
	// What is kept, and whose data it may be.
	What string
	// Why it is kept.
	Why string
	// Where it lies.
	Where string
	// Without is what is left out or removed before it is kept.
	Without string
	// Kept is how long, in this stack. Empty: the stack does not have it.
	Kept string
	// Setting decides how long.
	Setting string
	// Left says why `slipway erase` does not take what is about one person out of
	// it, which then stays for as long as Kept says. Empty: it does.
	Left string
}

const minimised = "addresses of clients (cut to /24 and /48), credentials, e-mail addresses, query strings, long texts"

// Processing is the record of processing of a stack with these settings. Each
// stack has the same entries in the same order.
func (s Settings) Processing() []Processing {
	entries := append(s.logProcessing(), s.serviceProcessing()...)
	return append(entries, s.cloudProcessing()...)
}

// logProcessing are the logs of pods.
func (s Settings) logProcessing() []Processing {
	entries := []Processing{{
		What:    "What programs write, as they write it",
		Why:     "Reading it at once, and reading it again after a collector was away",
		Where:   "The kubelet's files on each node, /var/log/pods",
		Without: "What the programs leave out: the API writes no path, query, header or address; Traefik and PostgreSQL as below",
		Kept:    "until rotated: by size, a few files of 10 MiB for each container", Setting: "the kubelet's containerLogMaxSize and containerLogMaxFiles",
		Left: "the runtime is writing to them; what a collector has still to read from them is archived later, so erase again where one was behind",
	}}
	why := map[string]string{
		"access":      "Seeing errors, load and abuse",
		"application": "Finding faults of the service",
		"database":    "Finding faults of the database, failovers and slow checkpoints",
		"system":      "Finding faults of everything else",
	}
	without := map[string]string{
		"access":   "at Traefik, every field but " + strings.Join(traefik.DefaultFields, ", "),
		"database": "at PostgreSQL, statements and their values, connections and addresses",
	}
	protected := s.DataProtection.Profile == string(logging.Standard)
	for _, class := range s.Logging.classes() {
		removed := "nothing"
		if protected {
			removed = minimised
		}
		if at := without[class.Name]; at != "" {
			removed = at + "; then " + removed
		}
		entry := Processing{
			What: fmt.Sprintf("Log records, class %s (%s)", class.Name, class.Describe()), Why: why[class.Name],
			Where: "Files on each node, /var/lib/otelcol/archive", Without: removed,
			Setting: fmt.Sprintf("logging.%sDays, logging.diskMiB", class.Name),
		}
		if s.Logging.Sink != SinkOff {
			entry.Kept = fmt.Sprintf("at most %s, and %d MiB per node", days(class.Days), class.DiskMiB)
		}
		entries = append(entries, entry)
	}
	return append(entries, s.traceProcessing(protected), s.archiveProcessing())
}

// traceProcessing is what is kept of requests that were followed.
func (s Settings) traceProcessing(protected bool) Processing {
	entry := Processing{
		What: "Spans of requests that are followed (tracing.perThousand): route, status, how long each step took", Why: "Finding what makes a request slow",
		Where: "Files on each node, /var/lib/otelcol/archive", Without: "nothing", Setting: "tracing.days, logging.diskMiB",
	}
	if protected {
		entry.Without = "everything but a list of attributes that hold nothing of a client: no path, query, header or address"
	}
	if s.traces() != nil {
		entry.Kept = fmt.Sprintf("at most %s, and %d MiB per node", days(s.Tracing.Days), s.Logging.DiskMiB)
	}
	return entry
}

// archiveProcessing is the copy of logs in a bucket. An erasure on a node has the
// copies of what is there written anew.
func (s Settings) archiveProcessing() Processing {
	entry := Processing{
		What: "Copies of these log records and spans, of all classes", Why: "Reading logs of nodes that are gone",
		Where:   "On AWS with logging.sink s3, the bucket of logs below pods/, in the stack's region, encrypted",
		Without: "what is left out and removed before they are stored on a node", Setting: "logging.sink, the classes' days",
		Left: "what an erasure changes on a node is copied anew within minutes, and the copy in its place is deleted after 1 day; " +
			"left are copies whose file is no longer on a node that is there, because the node has gone or its disk was too small: nobody of the platform may read the bucket",
	}
	if s.Logging.Sink != SinkS3 {
		return entry
	}
	var kept []string
	for _, class := range s.archived() {
		kept = append(kept, class.Name+" "+days(class.Days))
	}
	entry.Kept = strings.Join(kept, ", ") + ", each from when it was copied, and up to 3 days until S3 has deleted every version"
	return entry
}

// serviceProcessing is what the service remembers.
func (s Settings) serviceProcessing() []Processing {
	where := "PostgreSQL, on the volumes of its members"
	return []Processing{
		{
			What: "What clients store as items", Why: "It is the service", Where: where,
			Without: "nothing", Kept: "until a client deletes it; with the stack otherwise", Setting: "none: database.unprotected allows to delete all of it",
		},
		{
			What: "Idempotency keys, with the answers to be repeated", Why: "A request that is sent again has one effect", Where: where,
			Without: "nothing", Kept: "1 day, and until the service next tidies up", Setting: "none: the service's idempotency_hours",
		},
		{
			What: "Rows as they were before they were changed or deleted", Why: "PostgreSQL needs them for running transactions, standbys and recovery",
			Where: where + ", in its pages and its write-ahead log", Without: "nothing",
			Kept: "until vacuum has cleared the page, and the log was written over", Setting: "none: PostgreSQL's autovacuum and max_wal_size",
			Left: "no query finds them; only the database itself writes its files",
		},
		s.backupProcessing(),
	}
}

// backupProcessing is what is kept to get the database back.
func (s Settings) backupProcessing() Processing {
	entry := Processing{
		What: "Backups of the database, and its write-ahead log", Why: "Getting data back", Where: "A volume beside the database; on AWS the bucket of backups, in the stack's region, encrypted",
		Without: "nothing", Setting: "database.backups.keepDays, database.backups.fullDays",
		Left: "a backup is whole or none; erase again after restoring one",
	}
	b := s.Database.Backups
	if !s.keepsBackups() {
		return entry
	}
	entry.Kept = days(b.KeepDays + b.FullDays + 1)
	if s.Foundation == OnAWS {
		entry.Kept += "; copies that were overwritten or deleted, " + days(b.KeepDays)
	}
	return entry
}

// cloudProcessing is what AWS keeps for an environment.
func (s Settings) cloudProcessing() []Processing {
	kept := func(n int) string {
		if s.Foundation != OnAWS || n == 0 {
			return ""
		}
		return days(n)
	}
	return []Processing{
		{
			What: "Who spoke to whom in the network (flow logs), with addresses of clients", Why: "Finding attacks and faults of the network",
			Where: "The bucket of logs, in the stack's region, encrypted", Without: "nothing: an address is what they are about",
			Kept: kept(s.AWS.Logs.KeepDays), Setting: "aws.logs.keepDays",
			Left: "AWS writes them once, by address and interface: there is no subject in them to search for",
		},
		{
			What: "Who did what in the cluster (audit and control plane logs): names of operators", Why: "Knowing who changed what",
			Where: "CloudWatch, in the stack's region, encrypted", Without: "nothing",
			Kept: kept(s.AWS.Cluster.LogDays), Setting: "aws.cluster.logDays",
			Left: "a record of who did what is worth nothing once something can be taken out",
		},
		{
			What: "Queries for the public zone, with addresses of resolvers", Why: "Finding faults and abuse of names",
			Where: "CloudWatch, us-east-1", Without: "nothing",
			Kept: kept(s.AWS.Zones.QueryLogDays), Setting: "aws.zones.queryLogDays",
			Left: "CloudWatch deletes streams, not single entries, and they name resolvers, not people",
		},
	}
}

// Erasure is what `slipway erase` has to know of a stack.
type Erasure struct {
	// Classes are those of the log archive on the nodes. Empty: the stack has none.
	Classes []string
	// Left is what it does not reach.
	Left []Processing
}

// Erasure divides the record of processing into what `slipway erase` searches and
// what it leaves.
func (s Settings) Erasure() Erasure {
	var erasure Erasure
	for _, entry := range s.Processing() {
		if entry.Left != "" && entry.Kept != "" {
			erasure.Left = append(erasure.Left, entry)
		}
	}
	switch {
	case s.Foundation == AsGuest:
		erasure.Left = append(erasure.Left, Processing{
			What: "Log records of the branch preview's pods", Where: "The log archive of stack " + s.Guest.Host,
			Kept: "as there", Left: "the archive is its host's; run slipway erase --stack " + s.Guest.Host + " as well",
		})
	case s.Logging.Sink != SinkOff:
		for _, class := range s.loggingArgs("").Stored() {
			erasure.Classes = append(erasure.Classes, class.Name)
		}
	}
	return erasure
}

// output is the erasure as a stack output: what is deployed decides, not the
// checkout that the command runs in.
func (e Erasure) output() pulumi.Map {
	left := make(pulumi.Array, len(e.Left))
	for i, entry := range e.Left {
		left[i] = pulumi.ToStringMap(map[string]string{
			"what": entry.What, "where": entry.Where, "kept": entry.Kept, "why": entry.Left,
		})
	}
	return pulumi.Map{"classes": pulumi.ToStringArray(e.Classes), "left": left}
}

func days(n int) string {
	if n == 1 {
		return "1 day"
	}
	return fmt.Sprintf("%d days", n)
}
