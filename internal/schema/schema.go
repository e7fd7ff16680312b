// Package schema decides whether a database's schema allows an older version
// of the service.
//
// Migrations are numbered files. One that expands leaves everything in place
// that the version before needs, so the service can go back past it. One that
// contracts takes away what older versions use, so it cannot.
package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ErrContracted is returned when the older version needs what was taken away,
// or the database's history is not the one of this repository.
var ErrContracted = errors.New("the database's schema cannot go back")

// Migration is one migration, of a version or as recorded in the database.
type Migration struct {
	Version  int
	Name     string
	Contract bool
	// Checksum is the SHA-256 of the file, in hex.
	Checksum string
}

var (
	fileName  = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)\.sql$`)
	phaseLine = regexp.MustCompile(`^-- phase: (expand|contract)\n`)
)

// Files reads the migrations of a version from their files by name; other
// files are passed over.
func Files(files map[string]string) ([]Migration, error) {
	var migrations []Migration
	for name, text := range files {
		match := fileName.FindStringSubmatch(name)
		if match == nil {
			continue
		}
		phase := phaseLine.FindStringSubmatch(text)
		if phase == nil {
			return nil, fmt.Errorf("reading migration %s: it does not begin with -- phase: expand or contract", name)
		}
		version, err := strconv.Atoi(match[1])
		if err != nil {
			return nil, fmt.Errorf("reading migration %s: %w", name, err)
		}
		sum := sha256.Sum256([]byte(text))
		migrations = append(migrations, Migration{Version: version, Name: match[2], Contract: phase[1] == "contract", Checksum: hex.EncodeToString(sum[:])})
	}
	slices.SortFunc(migrations, func(a, b Migration) int { return a.Version - b.Version })
	return migrations, nil
}

// Query reads the applied migrations, a line each, for Applied.
const Query = `SELECT version, name, phase, checksum FROM schema_migrations ORDER BY version`

// Applied reads what psql prints for Query with -A, -t and -F|.
func Applied(text string) ([]Migration, error) {
	var migrations []Migration
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		fields := strings.Split(line, "|")
		const columns = 4
		if len(fields) != columns {
			return nil, fmt.Errorf("reading the applied migrations: %q has not %d columns", line, columns)
		}
		version, err := strconv.Atoi(fields[0])
		if err != nil {
			return nil, fmt.Errorf("reading the applied migrations: %w", err)
		}
		migrations = append(migrations, Migration{Version: version, Name: fields[1], Contract: fields[2] == "contract", Checksum: fields[3]})
	}
	return migrations, nil
}

// Check tells whether a version with the given migrations can run on a
// database that has the applied ones.
func Check(version, applied []Migration) error {
	known := make(map[int]Migration, len(version))
	for _, m := range version {
		known[m.Version] = m
	}
	var faults []string
	for _, m := range applied {
		own, ok := known[m.Version]
		switch {
		case !ok && m.Contract:
			faults = append(faults, fmt.Sprintf("%04d_%s took away what that version may use", m.Version, m.Name))
		case ok && own.Checksum != m.Checksum:
			faults = append(faults, fmt.Sprintf("%04d_%s was applied with another text than that version's %04d_%s", m.Version, m.Name, own.Version, own.Name))
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s; go forward instead, with a version that fits the schema", ErrContracted, strings.Join(faults, "; "))
}
