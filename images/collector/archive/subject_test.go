package archive

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func subject(t *testing.T, text string) Subject {
	t.Helper()
	s, err := NewSubject(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSpellings is what the search in the database is held to as well.
func TestSpellings(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "spellings.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Subject, Text string
		Holds         bool
	}
	if err := json.Unmarshal(raw, &cases); err != nil || len(cases) == 0 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		s := subject(t, c.Subject)
		if got := s.In(c.Text); got != c.Holds {
			t.Errorf("%q in %q: %v", c.Subject, c.Text, got)
		}
		line, err := json.Marshal(map[string]any{"Body": map[string]string{"message": c.Text}})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.InRecord(line); got != c.Holds {
			t.Errorf("%q in the record %s: %v", c.Subject, line, got)
		}
	}
}

func TestWhatOfARecordIsSearched(t *testing.T) {
	const frame = `{"Timestamp":"2026-01-02T03:04:05Z","SeverityText":"info","Resource":{"k8s.pod.name":"api-17"},"Attributes":ATTRIBUTES,"Body":BODY}`
	for _, c := range []struct {
		subject, attributes, body string
		want                      bool
	}{
		{"api-17", `{"stream":"stdout"}`, `{"a":"x"}`, false},
		{"info", `{"stream":"stdout"}`, `{"a":"x"}`, false},
		{"Timestamp", `null`, `"x"`, false},
		{"api-17", `{"stream":"stdout"}`, `{"a":[1,{"b":"for api-17"}]}`, true},
		{"api-17", `{"user":"api-17"}`, `"x"`, true},
		{"api-17", `{}`, `{"by":{"api-17":true}}`, true},
		{"47110815", `{}`, `{"customer":47110815}`, true},
		{"4711", `{}`, `{"Duration":47110815}`, false},
		{"4711", `{}`, `{"Duration":14711}`, false},
		{"api-17", `{}`, `"a line of text, of api-17"`, true},
	} {
		line := strings.NewReplacer("ATTRIBUTES", c.attributes, "BODY", c.body).Replace(frame)
		if got := subject(t, c.subject).InRecord([]byte(line)); got != c.want {
			t.Errorf("%s in %s: %v", c.subject, line, got)
		}
	}
	if !subject(t, "api-17").InRecord([]byte(`{"Body": "half a line of api-17`)) {
		t.Error("what is no record does not count")
	}
}

func TestASubjectIsChecked(t *testing.T) {
	for text, want := range map[string]error{
		"":                        ErrSubjectShort,
		"abc":                     ErrSubjectShort,
		"  abc \n":                ErrSubjectShort,
		"äöü":                     ErrSubjectShort,
		"----":                    ErrSubjectText,
		"two\nlines":              ErrSubjectText,
		"\xff\xfe\xfd\xfc":        ErrSubjectText,
		strings.Repeat("x", 257):  ErrSubjectLong,
		"abcd":                    nil,
		strings.Repeat("ä", 256):  nil,
		" 0190a0a0-0000-7000-80 ": nil,
	} {
		_, err := NewSubject(text)
		if !errors.Is(err, want) {
			t.Errorf("%.20q: %v", text, err)
		}
		if err != nil && strings.TrimSpace(text) != "" && strings.Contains(err.Error(), strings.TrimSpace(text)) {
			t.Errorf("the error repeats it: %v", err)
		}
	}
}
