package schema

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	items    = "-- phase: expand\nCREATE TABLE items ();\n"
	colour   = "-- phase: expand\nALTER TABLE items ADD colour text;\n"
	noColour = "-- phase: contract\nALTER TABLE items DROP colour;\n"
)

func TestCheck(t *testing.T) {
	all := map[string]string{"0001_items.sql": items, "0002_colour.sql": colour, "0003_no_colour.sql": noColour, "README.md": "no migration"}
	first := map[string]string{"0001_items.sql": items}
	for name, tc := range map[string]struct {
		version, applied map[string]string
		want             string
	}{
		"same":                  {all, all, ""},
		"back past expanding":   {first, map[string]string{"0001_items.sql": items, "0002_colour.sql": colour}, ""},
		"back past contracting": {first, all, "0003_no_colour took away"},
		"forward":               {all, first, ""},
		"fresh database":        {all, nil, ""},
		"edited":                {map[string]string{"0001_items.sql": items + "--\n"}, first, "0001_items was applied with another text"},
		"other name, same text": {map[string]string{"0001_things.sql": items}, first, ""},
	} {
		t.Run(name, func(t *testing.T) {
			version, err := Files(tc.version)
			require.NoError(t, err)
			applied, err := Files(tc.applied)
			require.NoError(t, err)
			err = Check(version, applied)
			if tc.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrContracted)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestFilesWithoutAPhaseAreRefused(t *testing.T) {
	_, err := Files(map[string]string{"0001_items.sql": "CREATE TABLE items ();\n"})
	require.ErrorContains(t, err, "0001_items.sql")
}

func TestApplied(t *testing.T) {
	got, err := Applied("1|items|expand|aa\n2|no_items|contract|bb\n\n")
	require.NoError(t, err)
	require.Equal(t, []Migration{{1, "items", false, "aa"}, {2, "no_items", true, "bb"}}, got)
	for _, text := range []string{"1|items|expand\n", "x|items|expand|aa\n", "ERROR: relation does not exist"} {
		_, err := Applied(text)
		require.Error(t, err, text)
	}
}

// TestARealDatabaseThatContracted reads what a real PostgreSQL answers after the
// service has migrated it past a contraction: app/tests/test_migrate.py holds the
// file to that. The migrations of this checkout are those of a version before it.
func TestARealDatabaseThatContracted(t *testing.T) {
	answer, err := os.ReadFile(filepath.Join("testdata", "contracted.txt"))
	require.NoError(t, err)
	applied, err := Applied(string(answer))
	require.NoError(t, err)
	require.Len(t, applied, 3)
	const first = "0001_items.sql"
	text, err := os.ReadFile(filepath.Join("..", "..", "app", "src", "slipway_api", "migrations", first))
	require.NoError(t, err)
	version, err := Files(map[string]string{first: string(text)})
	require.NoError(t, err)
	require.Equal(t, version[0], applied[0], "both sides take the same sum of a file")
	require.NoError(t, Check(version, applied[:2]), "what expands leaves room for the version before")
	err = Check(version, applied)
	require.ErrorIs(t, err, ErrContracted)
	require.ErrorContains(t, err, "0003_drop_colour took away what that version may use")
	require.NoError(t, Check(applied, applied))
}
