package cost

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Source says where figures were read: in a file of a public repository, or on a
// page.
type Source struct {
	Repository string `yaml:"repository"`
	Path       string `yaml:"path"`
	Commit     string `yaml:"commit"`
	Title      string `yaml:"title"`
	Page       string `yaml:"page"`
	// Read is the day on which it was read.
	Read string `yaml:"read"`
	// Stated is the date that it gives for its figures: a day, a month or a year.
	// Empty: it gives none.
	Stated string `yaml:"stated"`

	line int
}

// UnmarshalYAML remembers the line, for messages.
func (s *Source) UnmarshalYAML(node *yaml.Node) error {
	s.line = node.Line
	return fields(node, map[string]any{
		"repository": &s.Repository, "path": &s.Path, "commit": &s.Commit, "title": &s.Title, "page": &s.Page, "read": &s.Read, "stated": &s.Stated,
	})
}

// String is what a person needs to find it again.
func (s Source) String() string {
	place := fmt.Sprintf("%s, %s", s.Title, s.Page)
	if s.Repository != "" {
		place = fmt.Sprintf("%s, %s at %.12s", s.Repository, s.Path, s.Commit)
	}
	stated := "figures without a date"
	if s.Stated != "" {
		stated = "figures of " + s.Stated
	}
	return fmt.Sprintf("%s: %s, read %s", place, stated, s.Read)
}

var (
	repositoryName = regexp.MustCompile(`^[\w.-]+/[\w.-]+$`)
	commitName     = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// check reports what keeps anybody from finding the source again.
func (s Source) check(at string, fault func(line int, format string, args ...any)) {
	wrong := func(format string, args ...any) { fault(s.line, at+format, args...) }
	file, page := s.Repository+s.Path+s.Commit != "", s.Title+s.Page != ""
	switch {
	case file == page:
		wrong(" must have either repository, path and commit, or title and page")
	case file:
		if !repositoryName.MatchString(s.Repository) {
			wrong(".repository is %q, must be owner/name", s.Repository)
		}
		if s.Path == "" {
			wrong(".path is missing")
		}
		if !commitName.MatchString(s.Commit) {
			wrong(".commit is %q, must be the 40 hexadecimal digits of one, since a branch says something else tomorrow", s.Commit)
		}
	default:
		if s.Title == "" {
			wrong(".title is missing")
		}
		if !strings.HasPrefix(s.Page, "https://") {
			wrong(".page is %q, must be an address that begins with https://", s.Page)
		}
	}
	if !dated(s.Read, time.DateOnly) {
		wrong(".read is %q, must be a date such as 2026-11-29", s.Read)
		return
	}
	if s.Stated == "" {
		return
	}
	if !dated(s.Stated, time.DateOnly, "2006-01", "2006") {
		wrong(".stated is %q, must be a date such as 2026-11-29, 2026-11 or 2026", s.Stated)
		return
	}
	if s.Stated > s.Read[:len(s.Stated)] {
		wrong(".stated is %s, after it was read on %s", s.Stated, s.Read)
	}
}

func dated(text string, layouts ...string) bool {
	for _, layout := range layouts {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}
