package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"slipway.dev/slipway/policies/rule"
)

// Formats are the names Write accepts.
var Formats = []string{"text", "json", "sarif", "markdown"}

// Write writes a report in a format.
func Write(out io.Writer, format string, r Report, rules []*rule.Rule) error {
	switch format {
	case "text":
		return writeText(out, r)
	case "json":
		return encode(out, r)
	case "sarif":
		return encode(out, sarif(r, rules))
	case "markdown":
		return writeMarkdown(out, r)
	default:
		return fmt.Errorf("there is no format %q; use one of %s", format, strings.Join(Formats, ", "))
	}
}

func encode(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func writeText(out io.Writer, r Report) error {
	var text strings.Builder
	for _, g := range r.groups() {
		for _, e := range g.entries {
			fmt.Fprintf(&text, "%-9s  %s  %s\n", strings.ToLower(g.title), e.Rule, e.Resource)
			if e.File != "" {
				fmt.Fprintf(&text, "           at %s:%d\n", e.File, e.Line)
			}
			fmt.Fprintf(&text, "           %s\n", said(e))
			if e.Waiver != nil {
				fmt.Fprintf(&text, "           waived until %s by %s: %s\n", e.Waiver.Expires, e.Waiver.Owner, e.Waiver.Reason)
			} else if e.Verdict == rule.Fail {
				fmt.Fprintf(&text, "           do: %s\n", e.Remedy)
			}
		}
	}
	fmt.Fprintln(&text, r.Summary())
	_, err := io.WriteString(out, text.String())
	return err
}

func said(e Entry) string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + " " + e.Message
}

// writeMarkdown writes a section for a pull request.
func writeMarkdown(out io.Writer, r Report) error {
	var text strings.Builder
	text.WriteString("### Policies")
	if r.Stack != "" {
		fmt.Fprintf(&text, " of stack %s", r.Stack)
	}
	fmt.Fprintf(&text, "\n\n%s\n", r.Summary())
	for _, g := range r.groups() {
		if len(g.entries) == 0 {
			continue
		}
		fmt.Fprintf(&text, "\n<details%s><summary>%s (%d)</summary>\n\n| rule | resource | what |\n|---|---|---|\n",
			map[bool]string{true: " open"}[g.title == "Mandatory"], g.title, len(g.entries))
		for _, e := range g.entries {
			what := said(e)
			if e.Waiver != nil {
				what += fmt.Sprintf("; until %s by %s: %s", e.Waiver.Expires, e.Waiver.Owner, e.Waiver.Reason)
			}
			fmt.Fprintf(&text, "| %s | %s | %s |\n", cell(e.Rule), cell(e.Resource), cell(what))
		}
		text.WriteString("\n</details>\n")
	}
	_, err := io.WriteString(out, text.String())
	return err
}

// cell keeps text inside one cell of a table, and from being markup.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;", ">", "&gt;", "`", "'").Replace(text)
}

// sarif is the report in the Static Analysis Results Interchange Format 2.1.0,
// as far as code hosts read it.
func sarif(r Report, rules []*rule.Rule) map[string]any {
	descriptors := make([]map[string]any, 0, len(rules)+2)
	for _, one := range append(slices.Clone(rules), Expired, Unused) {
		descriptors = append(descriptors, map[string]any{
			"id":               one.ID,
			"shortDescription": map[string]any{"text": one.Title},
			"fullDescription":  map[string]any{"text": one.Why},
			"help":             map[string]any{"text": one.Remedy},
			"properties":       map[string]any{"subject": one.Subject},
		})
	}
	results := make([]map[string]any, 0, len(r.Entries))
	for _, e := range r.Entries {
		file, line := e.File, max(e.Line, 1)
		if file == "" {
			file = "Pulumi." + r.Stack + ".yaml"
			if r.Stack == "" {
				file = "Pulumi.yaml" // the project: code hosts want a file that exists
			}
		}
		result := map[string]any{
			"ruleId":  e.Rule,
			"message": map[string]any{"text": e.Resource + ": " + said(e)},
			"locations": []any{map[string]any{
				"physicalLocation": map[string]any{
					"artifactLocation": map[string]any{"uri": file}, "region": map[string]any{"startLine": line},
				},
				"logicalLocations": []any{map[string]any{"fullyQualifiedName": e.Resource, "kind": "resource"}},
			}},
		}
		switch {
		case e.Verdict == rule.Undecided:
			result["kind"], result["level"] = "open", "none"
		case e.Level == rule.Advisory:
			result["level"] = "warning"
		default:
			result["level"] = "error"
		}
		if e.Waiver != nil {
			result["suppressions"] = []any{map[string]any{"kind": "external", "justification": e.Waiver.Reason + " (" + e.Waiver.Owner + ", until " + e.Waiver.Expires + ")"}}
		}
		results = append(results, result)
	}
	return map[string]any{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []any{map[string]any{
			"tool":    map[string]any{"driver": map[string]any{"name": "slipway policy", "informationUri": "https://slipway.dev/slipway", "rules": descriptors}},
			"results": results,
		}},
	}
}
