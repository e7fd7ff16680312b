package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/task"
)

// Every suite that make knows by itself is part of make test, and no other.
func TestEverySuiteIsInMakeTest(t *testing.T) {
	raw, err := os.ReadFile("../../Makefile")
	require.NoError(t, err)
	var targets []string
	for _, match := range regexp.MustCompile(`(?m)^(check|e2e|[a-z]+-test):`).FindAllStringSubmatch(string(raw), -1) {
		targets = append(targets, match[1])
	}
	var names []string
	for _, s := range everything("slipway", ".") {
		names = append(names, s.name)
	}
	assert.ElementsMatch(t, targets, names)
}

func TestFailuresAreFoundInAJoin(t *testing.T) {
	one, two := &task.Failed{Task: "e2e"}, &task.Failed{Task: "check"}
	assert.Equal(t, []*task.Failed{one, two}, failures(fmt.Errorf("testing: %w", errors.Join(one, errors.New("other"), two))))
	assert.Empty(t, failures(nil))
	assert.Empty(t, failures(errors.New("interrupted")))
}

func TestAnExcerptHasWhatFailedAndWhatLedToIt(t *testing.T) {
	var log strings.Builder
	log.WriteString("=== RUN   TestBefore\n    a_test.go:1: fine\n--- PASS: TestBefore (0.1s)\n")
	log.WriteString("=== RUN   TestA\n")
	for i := range before / 2 {
		fmt.Fprintf(&log, "symptom %d\n", i)
	}
	log.WriteString("=== RUN   TestA/part\n    a_test.go:1: reason\n--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/part (0.1s)\n")
	log.WriteString("=== RUN   TestB\n--- PASS: TestB (0.1s)\nFAIL\nFAIL\tpackage\t1s\nok  \tother\t1s\n")
	var out bytes.Buffer
	require.NoError(t, excerpt(&out, strings.NewReader(log.String())))
	said := out.String()
	assert.True(t, strings.HasPrefix(said, "=== RUN   TestA\nsymptom 0\n"), said[:40])
	assert.Contains(t, said, "reason\n--- FAIL: TestA (0.1s)\n")
	assert.Contains(t, said, "FAIL\tpackage\t1s\n")
	for _, passed := range []string{"fine", "TestB", "other"} {
		assert.NotContains(t, said, passed)
	}

	out.Reset()
	require.NoError(t, excerpt(&out, strings.NewReader(strings.Repeat("line\n", 2*before)+"FAIL\n")))
	assert.Equal(t, before, strings.Count(out.String(), "\n"))
	require.Error(t, excerpt(&out, strings.NewReader(strings.Repeat("x", 17<<20))))
}

func TestASuiteThatYieldsSaysOfItsCommandWhatOthersDo(t *testing.T) {
	niceness := func(yields bool) int {
		var log bytes.Buffer
		s := suite{name: "any", yields: yields, commands: [][]string{{"nice"}, {"false"}}}
		require.EqualError(t, s.run(t.Context(), t.TempDir(), &log), "false: exit status 1")
		n, err := strconv.Atoi(strings.TrimSpace(log.String()))
		require.NoError(t, err)
		return n
	}
	require.Equal(t, yielding, strconv.Itoa(niceness(true)-niceness(false)))
}
