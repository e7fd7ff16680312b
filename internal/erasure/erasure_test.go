package erasure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// shelf is a place that remembers texts, each of which holds the subject or does
// not.
type shelf struct {
	name string
	// holds counts by kind.
	holds map[string]int
	// stuck are not erased, and fault is what every run ends with.
	stuck    int
	fault    error
	searches int
	erasures int
	// during is called at each run.
	during func()
}

func (s *shelf) Name() string { return s.name }

func (s *shelf) Run(_ context.Context, _ string, search bool) (map[string]Count, error) {
	if s.during != nil {
		s.during()
	}
	if s.fault != nil {
		return nil, s.fault
	}
	counts := map[string]Count{}
	for kind, found := range s.holds {
		count := Count{Found: found}
		if search {
			s.searches++
		} else {
			s.erasures++
			s.holds[kind] = min(found, s.stuck)
			count.Erased = found - s.holds[kind]
		}
		counts[kind] = count
	}
	return counts, nil
}

const sought = "jane-4711"

func written(t *testing.T, r *Report) string {
	t.Helper()
	var text, object bytes.Buffer
	require.NoError(t, r.Write(&text))
	require.NoError(t, r.JSON(&object))
	require.True(t, json.Valid(object.Bytes()))
	require.NotContains(t, text.String()+object.String(), sought)
	return text.String()
}

func TestEveryPlaceIsErasedAndSearchedAgain(t *testing.T) {
	database := &shelf{name: "database", holds: map[string]int{"items": 2, "idempotency_keys": 1}}
	node := &shelf{name: "log archive on node-1", holds: map[string]int{"access": 3, "system": 0}}
	places := []Place{database, node}
	var log bytes.Buffer
	r := Search(t.Context(), &log, places, sought)
	r.Left = []Left{{What: "Backups", Where: "a bucket", Kept: "35 days", Why: "whole or none"}}
	require.Equal(t, 6, r.Found())
	require.Zero(t, database.erasures+node.erasures, "a search changed something")
	require.NotContains(t, written(t, r), "erased;")
	r.Erase(t.Context(), &log, places, sought)
	require.NoError(t, r.Judge())
	require.True(t, r.Done)
	text := written(t, r)
	require.Regexp(t, `database +items +2 +2 +0\n`, text)
	require.Regexp(t, `log archive on node-1 +access +3 +3 +0\n`, text)
	require.Contains(t, text, "Backups (a bucket)\n  kept: 35 days\n  why: whole or none")
	require.Contains(t, text, "a search of every place found nothing afterwards")
	require.NotContains(t, log.String(), sought)
}

func TestWhatIsLeftIsAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		place *shelf
		says  string
	}{
		"found afterwards": {&shelf{name: "a", holds: map[string]int{"access": 3}, stuck: 1}, "1 were found afterwards"},
		"not searched":     {&shelf{name: "a", fault: errors.New("no collector is ready on it")}, "could not be searched"},
	} {
		t.Run(name, func(t *testing.T) {
			good := &shelf{name: "b", holds: map[string]int{"items": 1}}
			places := []Place{c.place, good}
			r := Search(t.Context(), io.Discard, places, sought)
			r.Erase(t.Context(), io.Discard, places, sought)
			require.False(t, r.Done)
			require.ErrorIs(t, r.Judge(), ErrLeft)
			require.ErrorContains(t, r.Judge(), c.says)
			require.Zero(t, good.holds["items"], "one place kept another from being erased")
			text := written(t, r)
			require.NotContains(t, text, "found nothing afterwards")
			if c.place.fault != nil {
				require.Equal(t, 1, strings.Count(text, "FAILED  a: no collector is ready on it"), text)
			}
		})
	}
}

func TestAnUnknownSubjectIsSaidSo(t *testing.T) {
	place := &shelf{name: "database", holds: map[string]int{"items": 0}}
	r := Search(t.Context(), io.Discard, []Place{place}, sought)
	r.Stack = "local"
	require.Zero(t, r.Found())
	require.NoError(t, r.Judge())
	require.Contains(t, written(t, r), "nothing that can be searched holds the subject; nothing was changed in stack local")
	require.Zero(t, place.erasures)
}

// A place that could not be searched may hold it.
func TestNothingFoundIsNotSaidOfWhatWasNotSearched(t *testing.T) {
	r := Search(t.Context(), io.Discard, []Place{&shelf{name: "a", fault: errors.New("away")}}, sought)
	require.ErrorIs(t, r.Judge(), ErrLeft)
	require.NotContains(t, written(t, r), "nothing")
}

func TestAnInterruptedErasureIsContinued(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	first := &shelf{name: "a", holds: map[string]int{"items": 1}}
	second := &shelf{name: "b", holds: map[string]int{"access": 1}}
	places := []Place{first, second}
	r := Search(ctx, io.Discard, places, sought)
	first.during = stop
	r.Erase(ctx, io.Discard, places, sought)
	require.False(t, r.Done)
	require.ErrorIs(t, r.Judge(), ErrLeft)
	require.Equal(t, 0, first.holds["items"])
	require.Equal(t, 1, second.holds["access"])
	r = Search(t.Context(), io.Discard, places, sought)
	require.Equal(t, 1, r.Found())
	r.Erase(t.Context(), io.Discard, places, sought)
	require.True(t, r.Done)
	require.Zero(t, second.holds["access"])
}

func TestASubjectIsChecked(t *testing.T) {
	for given, says := range map[string]string{
		"":                       "there is none",
		" \n":                    "there is none",
		"abc":                    "fewer than 4",
		" äöü\n":                 "fewer than 4",
		"-----":                  "letter or digit",
		"abc\ndef":               "one line",
		"abcd\xff":               "one line of UTF-8",
		strings.Repeat("x", 257): "more than 256",
	} {
		_, err := Subject(given)
		require.ErrorIs(t, err, ErrSubject, "%q", given)
		require.ErrorContains(t, err, says)
		if trimmed := strings.TrimSpace(given); trimmed != "" {
			require.NotContains(t, err.Error(), trimmed)
		}
	}
	subject, err := Subject(" jane.doe@example.org\n")
	require.NoError(t, err)
	require.Equal(t, "jane.doe@example.org", subject)
}
