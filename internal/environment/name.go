package environment

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// ErrName is returned for a name that no preview can have.
var ErrName = errors.New("not a name for a branch preview")

// longestName keeps namespaces, host and pods within what DNS allows.
const longestName = 40

var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// CheckName returns ErrName unless name can be part of a host's and of a
// namespace's name, and begins like those of stacks that must say when they end:
// beginnings are the limit ephemeralStacks of the policies.
func CheckName(name string, beginnings []string) error {
	if len(name) > longestName || !label.MatchString(name) {
		return fmt.Errorf("%q: %w: its host and namespaces are called by it, so use at most %d lower-case letters, digits and '-', such as pr-123",
			name, ErrName, longestName)
	}
	for _, beginning := range beginnings {
		if strings.HasPrefix(name, beginning) && name != beginning {
			return nil
		}
	}
	return fmt.Errorf("%q: %w: the policies tell previews by how their names begin: %s, such as %s",
		name, ErrName, strings.Join(beginnings, ", "), example(beginnings))
}

func example(beginnings []string) string {
	if len(beginnings) == 0 {
		return "none, until ephemeralStacks in policies/settings.yaml has some"
	}
	return beginnings[0] + "123"
}

// Namespaces are those of a preview, and nothing of it is elsewhere.
func Namespaces(name string) []string { return []string{name + "-api", name + "-database"} }

// Errors about how long a preview is to be kept.
var (
	// ErrExpiry is returned for a time that makes no sense.
	ErrExpiry = errors.New("not a time to keep a branch preview")
	// ErrExpired is returned for a preview whose time is over.
	ErrExpired = errors.New("the branch preview has expired")
)

// How long a preview is kept: at first unless told otherwise, and at most.
const (
	DefaultKeep = 72 * time.Hour
	LongestKeep = 30 * 24 * time.Hour
)

// Expiry is when a preview that is created or updated now ends. keep is how long
// from now it is to be kept, and zero where nobody said: then a preview that is
// there ends when it was to end. was is the zero time for one that is not there.
func Expiry(name string, now time.Time, keep time.Duration, was time.Time) (time.Time, error) {
	switch {
	case keep < 0 || keep > 0 && keep < time.Minute || keep > LongestKeep:
		return time.Time{}, fmt.Errorf("%s: %w: give 1m to %dh from now", keep, ErrExpiry, LongestKeep/time.Hour)
	case keep > 0:
	case was.IsZero():
		keep = DefaultKeep
	case now.Before(was):
		return was, nil
	default:
		return time.Time{}, fmt.Errorf("%s: %w at %s; keep it longer with `slipway env create %s --expires 72h`, or remove it with `slipway env remove %s`",
			name, ErrExpired, was.Format(time.RFC3339), name, name)
	}
	return now.Add(keep).UTC().Truncate(time.Second), nil
}
