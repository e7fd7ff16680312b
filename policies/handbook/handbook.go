// Package handbook writes the rules' documentation from the rules.
package handbook

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/policies/example"
	"slipway.dev/slipway/policies/rule"
)

// Pages are the documents by their path below docs: policies.md, and one page
// for each rule.
func Pages(rules []*rule.Rule) (map[string]string, error) {
	pages := map[string]string{"policies.md": table(rules)}
	for _, r := range rules {
		text, err := page(r)
		if err != nil {
			return nil, fmt.Errorf("describing rule %s: %w", r.ID, err)
		}
		pages["policies/"+r.ID+".md"] = text
	}
	return pages, nil
}

// Write makes the directory hold the pages, and no page of a rule that is gone.
func Write(docs string, pages map[string]string) error {
	if err := os.MkdirAll(filepath.Join(docs, "policies"), 0o755); err != nil {
		return fmt.Errorf("making the directory of the policies' pages: %w", err)
	}
	for _, stale := range Stale(docs, pages) {
		text, wanted := pages[stale]
		path := filepath.Join(docs, stale)
		var err error
		if wanted {
			err = os.WriteFile(path, []byte(text), 0o644)
		} else {
			err = os.Remove(path)
		}
		if err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	return nil
}

// Stale are the pages that differ from those on disk, are missing there, or are
// there and wanted no longer.
func Stale(docs string, pages map[string]string) []string {
	var stale []string
	for _, path := range slices.Sorted(maps.Keys(pages)) {
		if raw, err := os.ReadFile(filepath.Join(docs, path)); err != nil || string(raw) != pages[path] {
			stale = append(stale, path)
		}
	}
	entries, err := os.ReadDir(filepath.Join(docs, "policies"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return append(stale, "policies")
	}
	for _, entry := range entries {
		if path := "policies/" + entry.Name(); pages[path] == "" {
			stale = append(stale, path)
		}
	}
	return stale
}

func table(rules []*rule.Rule) string {
	var out strings.Builder
	fmt.Fprintf(&out, `# Policies

Written from the rules in policies/ by `+"`slipway policy docs`"+`; `+"`slipway check`"+` fails when this is stale.

%d rules. Each answers pass, fail or undecided: undecided is what a preview cannot know, is listed, and is asked again
by the update. Levels and thresholds per stack: policies/settings.yaml. Exceptions, with owner and end: policies/waivers.yaml.
Scope *resource* is judged before a resource is changed, *stack* when all are known, *cluster* also by the API server,
whoever asks it: the stack declares those as admission policies.

`, len(rules))
	bySubject := map[string][]*rule.Rule{}
	for _, r := range rules {
		bySubject[r.Subject] = append(bySubject[r.Subject], r)
	}
	for _, subject := range slices.Sorted(maps.Keys(bySubject)) {
		fmt.Fprintf(&out, "## %s\n\n| rule | level | scope | what holds |\n|---|---|---|---|\n", subject)
		for _, r := range bySubject[subject] {
			fmt.Fprintf(&out, "| [%s](policies/%s.md) | %s | %s | %s |\n", r.ID, r.ID, r.DefaultLevel(), scope(r), r.Title)
		}
		out.WriteString("\n")
	}
	return strings.TrimRight(out.String(), "\n") + "\n"
}

func scope(r *rule.Rule) string {
	words := "resource"
	if r.OfStack() {
		words = "stack"
	}
	if r.Admission != nil {
		words += ", cluster"
	}
	return words
}

func page(r *rule.Rule) (string, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "# %s\n\n%s.\n\n%s\n\n**What to do:** %s\n\n", r.ID, r.Title, r.Why, r.Remedy)
	fmt.Fprintf(&out, "Level: %s. Scope: %s. Subject: %s.\n\n", r.DefaultLevel(), scope(r), r.Subject)
	kinds := make([]string, 0, len(r.Types))
	for _, token := range r.Types {
		kinds = append(kinds, "`"+strings.TrimPrefix(token, "kubernetes:")+"`")
	}
	if len(kinds) > 12 {
		kinds = append(kinds[:12], fmt.Sprintf("and %d more", len(r.Types)-12))
	}
	fmt.Fprintf(&out, "About: %s.\n\n", strings.Join(kinds, ", "))
	out.WriteString("References:\n\n")
	for _, reference := range r.References {
		fmt.Fprintf(&out, "- %s\n", reference)
	}
	failing, passing, err := examples(r)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&out, "\n## Fails\n\n%s\n## Passes\n\n%s", failing, passing)
	return out.String(), nil
}

// examples are the failing and the passing case: of each resource that the
// example changes, what was changed.
func examples(r *rule.Rule) (failing, passing string, err error) {
	e := r.Example
	platform, err := example.Platform()
	if err != nil {
		return "", "", err
	}
	changes := map[string]map[string]any{}
	maps.Copy(changes, e.Also)
	if len(e.Set) > 0 {
		changes[e.Resource] = e.Set
	}
	var bad, good strings.Builder
	for _, id := range slices.Sorted(maps.Keys(changes)) {
		if len(changes[id]) == 0 {
			continue
		}
		var before *rule.Resource
		for _, one := range platform.Resources {
			if one.ID() == id {
				before = one
			}
		}
		if before == nil {
			return "", "", fmt.Errorf("the example platform has no %s", id)
		}
		after := before
		for _, path := range slices.Sorted(maps.Keys(changes[id])) {
			if after, err = after.With(path, changes[id][path]); err != nil {
				return "", "", err
			}
		}
		fmt.Fprintf(&bad, "`%s`:\n\n```yaml\n%s```\n", id, excerpt(after, changes[id]))
		fmt.Fprintf(&good, "`%s`:\n\n```yaml\n%s```\n", id, excerpt(before, changes[id]))
	}
	for _, id := range e.Remove {
		fmt.Fprintf(&bad, "`%s` is not declared.\n", id)
		fmt.Fprintf(&good, "`%s` is declared.\n", id)
	}
	if e.Operation != "" {
		fmt.Fprintf(&bad, "An update that would %s `%s`.\n", e.Operation, e.Resource)
		fmt.Fprintf(&good, "One that changes it in place.\n")
	}
	if e.Add != "" {
		fmt.Fprintf(&bad, "```yaml\n%s```\n", e.Add)
		good.WriteString("Without that object.\n")
	}
	if e.Stack != "" {
		fmt.Fprintf(&bad, "\nin stack `%s`.\n", e.Stack)
	}
	return bad.String(), good.String(), nil
}

// excerpt shows the values at the changed paths.
func excerpt(r *rule.Resource, set map[string]any) string {
	shown := map[string]any{}
	for path := range set {
		value := r.At(path)
		if value == nil {
			value = "(not set)"
		}
		shown[path] = value
	}
	text, err := yaml.Marshal(shown)
	if err != nil {
		return err.Error() + "\n"
	}
	return string(text)
}
