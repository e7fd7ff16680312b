package graph

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"slipway.dev/slipway/stacks"
)

// TestProcessingDocument keeps the record of processing equal to what the
// stacks' settings lead to.
func TestProcessingDocument(t *testing.T) {
	current(t, "data-protection.md", "settings", processingDocument(t))
}

func processingDocument(t *testing.T) string {
	t.Helper()
	byStack := map[string][]stacks.Processing{}
	for _, stack := range environments {
		byStack[stack] = base(t, stack).Processing()
	}
	var out strings.Builder
	out.WriteString(`# Data protection

The record of processing: what is kept that is, or could become, about a person, why, where, for how long, and which setting
decides. Written from stacks/processing.go and the settings of each stack; run ` + "`make update`" + `. Who is responsible, and
on which legal basis, is for the operator to add.

`)
	for _, stack := range environments {
		fmt.Fprintf(&out, "- `%s`: `dataProtection.profile` is `%s`.\n", stack, base(t, stack).DataProtection.Profile)
	}
	out.WriteString(`
What the profile ` + "`standard`" + ` removes is listed in images/collector/privacy/doc.go, and tried by tests/logs: a stream of
marked addresses, tokens, mail addresses and queries, in every way in which programs write them, of which no byte may be
stored, and all of which is found when the profile is ` + "`off`" + `. What it cannot know: names, and anything else in plain words.
A line of more than 1 MiB is taken apart there, and an address that lies across that edge is seen as two halves.

## What, why and where

| what | why | where | without |
|---|---|---|---|
`)
	for _, p := range byStack["prod"] {
		fmt.Fprintf(&out, "| %s | %s | %s | %s |\n", p.What, p.Why, p.Where, p.Without)
	}
	out.WriteString("\n## For how long\n\n| what | " + strings.Join(environments, " | ") + " | decided by |\n|---|" +
		strings.Repeat("---|", len(environments)) + "---|\n")
	for i, p := range byStack["prod"] {
		fmt.Fprintf(&out, "| %s |", p.What)
		for _, stack := range environments {
			kept := byStack[stack][i].Kept
			if kept == "" {
				kept = "not kept"
			}
			fmt.Fprintf(&out, " %s |", kept)
		}
		fmt.Fprintf(&out, " %s |\n", p.Setting)
	}
	erasureSection(t, &out)
	return out.String()
}

// erasureSection says what `slipway erase` reaches and what it leaves; the
// command prints the latter from the same entries.
func erasureSection(t *testing.T, out *strings.Builder) {
	t.Helper()
	out.WriteString(`
## Erasing what is about one person

` + "`slipway erase SUBJECT --stack STACK`" + ` searches for an identifier of a person, a customer number or a mail address for instance, asks,
erases, and searches again; its exit code is 0 only when the second search found nothing and every place was reached.
` + "`--dry-run`" + ` only searches. Without an argument it reads the subject from standard input, so that no shell keeps it. Neither
logs, errors, command lines in the cluster nor the stack's state get to see it. It erases from:

`)
	for _, p := range base(t, "prod").Processing() {
		if p.Left == "" {
			fmt.Fprintf(out, "- %s: %s\n", p.What, p.Where)
		}
	}
	out.WriteString(`
A row goes when its name, or the answer or key of a repeated request, holds the subject; a record of the log goes when what a
program wrote does. The subject is found as a whole word, in any case, and in the ways in which JSON and URLs write it, also one
inside the other (images/collector/archive/testdata/spellings.json). Not found: a part of a longer word (user-17 is not in
user-170), other ways to encode it (base64, hashes), what was cut off with the end of a long text, and what another identifier
says of the same person. So give each identifier that the person has. A mail address is not in the archive anyway unless
the profile is ` + "`off`" + `. Whoever repeats a request whose idempotency key was erased stores its row again.

The same command continues an erasure that was interrupted. A node without a collector counts as not searched. On the disk, what was
erased is free space until something else is written there.

It does not reach, and lists at its end, what the stack has of the following, which stays as long as it is kept:

`)
	out.WriteString("| what | " + strings.Join(environments, " | ") + " | why |\n|---|" + strings.Repeat("---|", len(environments)) + "---|\n")
	for i, p := range base(t, "prod").Processing() {
		if p.Left == "" {
			continue
		}
		fmt.Fprintf(out, "| %s |", p.What)
		for _, stack := range environments {
			fmt.Fprintf(out, " %s |", cmp.Or(base(t, stack).Processing()[i].Kept, "not kept"))
		}
		fmt.Fprintf(out, " %s |\n", p.Left)
	}
}

// TestErasureFollowsTheRecord: what is kept is erased or listed, and nothing is
// both.
func TestErasureFollowsTheRecord(t *testing.T) {
	for _, stack := range environments {
		settings := base(t, stack)
		left := map[string]string{}
		for _, p := range settings.Erasure().Left {
			left[p.What] = p.Kept
		}
		erased := 0
		for _, p := range settings.Processing() {
			kept, listed := left[p.What]
			if want := p.Kept != "" && p.Left != ""; listed != want || listed && kept != p.Kept {
				t.Errorf("%s: %s is kept %q and listed with %q", stack, p.What, p.Kept, kept)
			}
			if p.Left == "" {
				erased++
			}
		}
		classes := settings.Erasure().Classes
		if len(classes) == 0 || erased != len(classes)+len([]string{"items", "idempotency_keys"}) {
			t.Errorf("%s: %d entries are erased, and there are the classes %v", stack, erased, classes)
		}
		settings.Logging.Sink = stacks.SinkOff
		if classes := settings.Erasure().Classes; len(classes) > 0 {
			t.Errorf("%s: nothing is archived, and %v are to be searched", stack, classes)
		}
		settings.Foundation, settings.Guest.Host, settings.Logging.Sink = stacks.AsGuest, "local", stacks.SinkFiles
		guest := settings.Erasure()
		if len(guest.Classes) > 0 || !strings.Contains(guest.Left[len(guest.Left)-1].Left, "--stack local") {
			t.Errorf("%s as a guest: %v", stack, guest)
		}
	}
}

// TestRecordFollowsTheSettings: a record that named another time than what is
// declared would be worse than none.
func TestRecordFollowsTheSettings(t *testing.T) {
	settings := base(t, "prod")
	settings.Logging.AccessDays, settings.DataProtection.Profile, settings.AWS.Logs.KeepDays = 3, "off", 77
	text := fmt.Sprint(settings.Processing())
	for _, want := range []string{"at most 3 days", "then nothing", "77 days"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	settings.Logging.Sink = stacks.SinkOff
	for _, p := range settings.Processing() {
		if strings.Contains(p.Where, "otelcol") && p.Kept != "" {
			t.Errorf("nothing is collected, and %s is kept for %s", p.What, p.Kept)
		}
	}
	for _, stack := range environments {
		for i, p := range base(t, stack).Processing() {
			if other := settings.Processing(); p.Setting != other[i].Setting || p.Where != other[i].Where {
				t.Errorf("%s: entry %d is %s, in prod %s", stack, i, p.What, other[i].What)
			}
		}
	}
}
