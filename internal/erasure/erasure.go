package erasure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a subject's length, in characters. The programs that search have the
// same, and more to say about what a subject is.
const (
	shortest = 4
	longest  = 256
)

// ErrSubject is returned for a subject that is none. The error does not repeat
// it.
var ErrSubject = errors.New("the subject cannot be searched for")

// Subject checks what somebody gave as a subject, and removes the space around
// it.
func Subject(given string) (string, error) {
	subject := strings.TrimSpace(given)
	letter := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }
	switch length := utf8.RuneCountInString(subject); {
	case length == 0:
		return "", fmt.Errorf("%w: there is none; give it as the argument or on standard input", ErrSubject)
	case !utf8.ValidString(subject) || strings.ContainsFunc(subject, unicode.IsControl):
		return "", fmt.Errorf("%w: it must be one line of UTF-8", ErrSubject)
	case length < shortest:
		return "", fmt.Errorf("%w: it has fewer than %d characters, and what is about others would be erased; give one that names nobody else", ErrSubject, shortest)
	case length > longest:
		return "", fmt.Errorf("%w: it has more than %d characters; give what identifies the person and no more", ErrSubject, longest)
	case !strings.ContainsFunc(subject, letter):
		return "", fmt.Errorf("%w: it must have at least one letter or digit", ErrSubject)
	}
	return subject, nil
}

// Count is what a place answers for one kind of what it holds.
type Count struct {
	Found  int `json:"found"`
	Erased int `json:"erased"`
}

// Place is where something about people is, and can be erased.
type Place interface {
	// Name says where, in words.
	Name() string
	// Run erases what is about the subject, or only searches for it, and counts by
	// kind. Counts may come with an error: what was done before it.
	Run(ctx context.Context, subject string, search bool) (map[string]Count, error)
}

// Left is what no erasure reaches, and how long it stays.
type Left struct {
	What  string `json:"what"`
	Where string `json:"where"`
	Kept  string `json:"kept"`
	Why   string `json:"why"`
}

// Result is what happened to one kind of what a place holds.
type Result struct {
	Place  string `json:"place"`
	Kind   string `json:"kind"`
	Before int    `json:"before"`
	Erased int    `json:"erased"`
	// After is what a search found afterwards; nil when there was none.
	After *int `json:"after,omitempty"`
}

// Report says what was found, what was erased, and what is left.
type Report struct {
	Stack   string   `json:"stack"`
	Results []Result `json:"results"`
	// Faults are the places that could not be searched or erased, with the reason.
	Faults []string `json:"faults,omitempty"`
	Left   []Left   `json:"left"`
	// Done is true once everything was erased and a search has found nothing.
	Done bool `json:"done"`
}

// ErrLeft is returned when something about the subject is left, or may be.
var ErrLeft = errors.New("not everything is erased")

// Search finds out what there is. A place that cannot be searched is a fault of
// the report, and does not keep the others.
func Search(ctx context.Context, log io.Writer, places []Place, subject string) *Report {
	r := &Report{Results: []Result{}, Left: []Left{}}
	r.each(ctx, log, "searching", places, subject, true, func(result *Result, count Count) { result.Before = count.Found })
	return r
}

// Erase erases, and then searches everywhere again.
func (r *Report) Erase(ctx context.Context, log io.Writer, places []Place, subject string) {
	r.each(ctx, log, "erasing from", places, subject, false, func(result *Result, count Count) { result.Erased = count.Erased })
	r.each(ctx, log, "searching again", places, subject, true, func(result *Result, count Count) { result.After = &count.Found })
	r.Done = ctx.Err() == nil && r.Judge() == nil
}

// each asks one place after the other. What was not asked because of ctx is a
// fault.
func (r *Report) each(ctx context.Context, log io.Writer, doing string, places []Place, subject string, search bool, note func(*Result, Count)) {
	for _, place := range places {
		if ctx.Err() != nil {
			r.fault(fmt.Sprintf("%s: %v", place.Name(), ctx.Err()))
			continue
		}
		fmt.Fprintf(log, "%s: %s\n", doing, place.Name())
		counts, err := place.Run(ctx, subject, search)
		if err != nil {
			r.fault(fmt.Sprintf("%s: %v", place.Name(), err))
		}
		for kind, count := range counts {
			note(r.result(place.Name(), kind), count)
		}
	}
}

func (r *Report) fault(text string) {
	if !slices.Contains(r.Faults, text) {
		r.Faults = append(r.Faults, text)
	}
}

func (r *Report) result(place, kind string) *Result {
	at, found := slices.BinarySearchFunc(r.Results, Result{Place: place, Kind: kind}, func(a, b Result) int {
		if order := strings.Compare(a.Place, b.Place); order != 0 {
			return order
		}
		return strings.Compare(a.Kind, b.Kind)
	})
	if !found {
		r.Results = slices.Insert(r.Results, at, Result{Place: place, Kind: kind})
	}
	return &r.Results[at]
}

// Found is how much there was before.
func (r *Report) Found() int {
	sum := 0
	for _, result := range r.Results {
		sum += result.Before
	}
	return sum
}

// Judge returns ErrLeft, with what is to be done, unless every place was
// searched and has nothing left.
func (r *Report) Judge() error {
	if len(r.Faults) > 0 {
		return fmt.Errorf("%w: %d places could not be searched or erased; mend what they say and run the same command again", ErrLeft, len(r.Faults))
	}
	after := 0
	for _, result := range r.Results {
		if result.After != nil {
			after += *result.After
		}
		// A kind that appeared after the first search and was not searched again.
		if result.After == nil && result.Erased > 0 {
			return fmt.Errorf("%w: %s was not searched again; run the same command again", ErrLeft, result.Place)
		}
	}
	if after > 0 {
		return fmt.Errorf("%w: %d were found afterwards, which are written at this moment or were sent again; run the same command again", ErrLeft, after)
	}
	return nil
}
