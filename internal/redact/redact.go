// Package redact takes secret values out of text in which nothing marks them,
// such as the errors of an engine, a provider or a program.
package redact

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"slipway.dev/slipway/internal/checkpoint"
)

// Text is what a value is looked for in. The zero value leaves text as it is.
type Text struct{ replacer *strings.Replacer }

// A value shorter than this is left: in its place whole words would be blotted
// out, and nothing that short is kept secret by being hidden.
const shortest = 4

// A line of a longer value is looked for by itself from this length on: text
// that quotes a key in PEM indents it.
const wholeLine = 16

// telling are the names of environment variables that hold a secret.
var telling = regexp.MustCompile(`(?i)(SECRET|TOKEN|PASSWORD|PASSPHRASE|CREDENTIALS?|_KEY)$`)

// New looks for values, and for what variables of an environment hold, of the
// form NAME=VALUE, whose name says that it is secret. Each is also found as Go's
// and JSON's quotes, a URL or base64 have it.
func New(values, environ []string) Text {
	for _, variable := range environ {
		if name, value, _ := strings.Cut(variable, "="); telling.MatchString(name) {
			values = append(values, value)
		}
	}
	var forms []string
	for _, value := range values {
		forms = append(forms, formsOf(value)...)
	}
	// The longest first: one may begin as another does.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, checkpoint.Masked)
	}
	return Text{strings.NewReplacer(pairs...)}
}

func formsOf(value string) []string {
	value = strings.TrimSpace(value)
	if len(value) < shortest {
		return nil
	}
	forms := []string{value, url.QueryEscape(value), url.PathEscape(value), base64.StdEncoding.EncodeToString([]byte(value))}
	quoted := []string{strconv.Quote(value)}
	if text, err := json.Marshal(value); err == nil {
		quoted = append(quoted, string(text))
	}
	for _, form := range quoted {
		forms = append(forms, form[1:len(form)-1])
	}
	if lines := strings.Split(value, "\n"); len(lines) > 1 {
		for _, line := range lines {
			if line = strings.TrimSpace(line); len(line) >= wholeLine && !strings.HasPrefix(line, "-----") {
				forms = append(forms, line)
			}
		}
	}
	return forms
}

// In is text without the values.
func (t Text) In(text string) string {
	if t.replacer == nil {
		return text
	}
	return t.replacer.Replace(text)
}
