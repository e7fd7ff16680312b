package archive

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Bounds of a subject's length, in characters. A shorter one would be found in
// what is about others.
const (
	shortestSubject = 4
	longestSubject  = 256
)

// Errors of NewSubject. None repeats the subject.
var (
	ErrSubjectShort = fmt.Errorf("the subject has fewer than %d characters: it would erase what is about others; give one that names nobody else", shortestSubject)
	ErrSubjectLong  = fmt.Errorf("the subject has more than %d characters; give what identifies it and no more", longestSubject)
	ErrSubjectText  = errors.New("the subject must be one line of UTF-8 with at least one letter or digit")
)

// rounds is how often a text is decoded in search of a subject: what a client
// encoded may have been encoded again by each program that passed it on.
const rounds = 6

// Subject is an identifier of a person that texts are searched for, whichever
// way they spell it. app/src/slipway_api/subject.py searches the database by the
// same rules, and testdata/spellings.json holds both to them.
type Subject struct{ needle string }

// NewSubject reads a subject. Space around it is not part of it.
func NewSubject(text string) (Subject, error) {
	text = strings.TrimSpace(text)
	switch length := utf8.RuneCountInString(text); {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return Subject{}, ErrSubjectText
	case length < shortestSubject:
		return Subject{}, ErrSubjectShort
	case length > longestSubject:
		return Subject{}, ErrSubjectLong
	case !strings.ContainsFunc(text, word):
		return Subject{}, ErrSubjectText
	}
	return Subject{folded(text)}, nil
}

// In tells whether text holds the subject as a whole word, as it is or encoded
// as JSON and URLs are, in any case.
func (s Subject) In(text string) bool { return s.within(text, rounds) }

// within tries every order of decoding: a backslash may be that of \x40, or
// escape the one before it.
func (s Subject) within(text string, rounds int) bool {
	if !strings.ContainsAny(text, `%\`) {
		return s.reads(text)
	}
	readings, seen := []string{text}, map[string]bool{text: true}
	for ; len(readings) > 0 && rounds >= 0; rounds-- {
		var next []string
		for _, reading := range readings {
			if s.reads(reading) {
				return true
			}
			for _, decoded := range []string{unpercent(reading), unescape(reading)} {
				if !seen[decoded] {
					seen[decoded] = true
					next = append(next, decoded)
				}
			}
		}
		readings = next
	}
	return false
}

// reads tells whether a decoded text holds the subject.
func (s Subject) reads(text string) bool {
	text = folded(text)
	return s.occurs(text) ||
		// A form's way to write a space.
		strings.Contains(s.needle, " ") && strings.Contains(text, "+") && s.occurs(strings.ReplaceAll(text, "+", " "))
}

// occurs looks for the subject where it is no part of a longer word: user-17 is
// not in user-170.
func (s Subject) occurs(text string) bool {
	first, _ := utf8.DecodeRuneInString(s.needle)
	last, _ := utf8.DecodeLastRuneInString(s.needle)
	for from := 0; ; {
		at := strings.Index(text[from:], s.needle)
		if at < 0 {
			return false
		}
		begin := from + at
		before, _ := utf8.DecodeLastRuneInString(text[:begin])
		after, _ := utf8.DecodeRuneInString(text[begin+len(s.needle):])
		if (!word(first) || !word(before)) && (!word(last) || !word(after)) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[begin:])
		from = begin + size
	}
}

func word(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// folded is a text without the difference between cases, and between an accent
// and the letter that has it.
func folded(text string) string {
	ascii := true
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			ascii = false
			break
		}
	}
	if ascii {
		return strings.ToLower(text)
	}
	return norm.NFC.String(cases.Fold().String(strings.ToValidUTF8(text, "\uFFFD")))
}

var (
	percents = regexp.MustCompile(`(?:(?:%|\\x)[0-9A-Fa-f]{2})+`)
	escapes  = regexp.MustCompile(`(?:\\u[0-9A-Fa-f]{4})+|\\U[0-9A-Fa-f]{8}|\\["\\/bfnrt]`)
	short    = strings.NewReplacer(`\"`, `"`, `\\`, `\`, `\/`, `/`, `\b`, "\b", `\f`, "\f", `\n`, "\n", `\r`, "\r", `\t`, "\t")
)

// unpercent decodes bytes that are written as %40 or \x40; what is no such byte
// stays.
func unpercent(text string) string {
	if !strings.ContainsAny(text, `%\`) {
		return text
	}
	return percents.ReplaceAllStringFunc(text, func(run string) string {
		var decoded []byte
		for run != "" {
			skip := strings.IndexAny(run, "%x") + 1
			value, err := strconv.ParseUint(run[skip:skip+2], 16, 8)
			if err != nil {
				return run // the expression lets none through
			}
			decoded, run = append(decoded, byte(value)), run[skip+2:]
		}
		return strings.ToValidUTF8(string(decoded), "\uFFFD")
	})
}

// unescape decodes what JSON and Go write behind a backslash; what is no such
// escape stays.
func unescape(text string) string {
	if !strings.Contains(text, `\`) {
		return text
	}
	return escapes.ReplaceAllStringFunc(text, func(run string) string {
		switch run[1] {
		case 'u':
			var units []uint16
			for at := 0; at < len(run); at += len(`\u0000`) {
				unit, err := strconv.ParseUint(run[at+2:at+6], 16, 16)
				if err != nil {
					return run
				}
				units = append(units, uint16(unit))
			}
			return string(utf16.Decode(units))
		case 'U':
			value, err := strconv.ParseUint(run[2:], 16, 32)
			if err != nil || value > unicode.MaxRune {
				return run
			}
			return string(rune(value))
		}
		return short.Replace(run)
	})
}

// InRecord tells whether a line of an archive is about the subject: what a
// program wrote is searched, and which trace and parent a client chose for a span,
// not the names of fields, pods and nodes that every record has. A number is about
// it when it is the subject.
func (s Subject) InRecord(line []byte) bool {
	// One level of escapes is the line's own.
	if !s.within(string(line), rounds+1) {
		return false
	}
	var record struct {
		Attributes, Body, Name, Trace, Parent any
		Events                                []struct{ Name, Attributes any }
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	if err := decoder.Decode(&record); err != nil || record.Attributes == nil && record.Body == nil {
		return true // no record of ours, so all of it counts
	}
	searched := []any{record.Attributes, record.Body, record.Name, record.Trace, record.Parent}
	for _, event := range record.Events {
		searched = append(searched, event.Name, event.Attributes)
	}
	return s.inValue(searched)
}

func (s Subject) inValue(value any) bool {
	switch value := value.(type) {
	case string:
		return s.In(value)
	case json.Number:
		return folded(value.String()) == s.needle
	case []any:
		for _, item := range value {
			if s.inValue(item) {
				return true
			}
		}
	case map[string]any:
		for name, item := range value {
			if s.In(name) || s.inValue(item) {
				return true
			}
		}
	}
	return false
}
