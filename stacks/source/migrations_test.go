package source_test

import (
	"errors"
	"maps"
	"os"
	"testing"

	"slipway.dev/slipway/stacks/source"
)

func TestOnlyWhatIsListedChangesTheMigrations(t *testing.T) {
	base := map[string]string{
		source.Migrating: "# why\nrun.py\n\nsteps\n", "app/run.py": "run", "app/steps/1.sql": "one", "app/routes.py": "routes",
	}
	tagOf := func(change map[string]string) string {
		files := maps.Clone(base)
		maps.Copy(files, change)
		got, err := source.Migrations(tree(t, files))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := tagOf(nil)
	for name, test := range map[string]struct {
		change map[string]string
		same   bool
	}{
		"nothing":          {nil, true},
		"another file":     {map[string]string{"app/routes.py": "other", "app/new.py": ""}, true},
		"what runs them":   {map[string]string{"app/run.py": "walk"}, false},
		"a migration":      {map[string]string{"app/steps/1.sql": "uno"}, false},
		"a new migration":  {map[string]string{"app/steps/2.sql": "two"}, false},
		"what is listed":   {map[string]string{source.Migrating: "run.py\nsteps\nroutes.py\n"}, false},
		"compiled sources": {map[string]string{"app/steps/__pycache__/a": "", "app/steps/a.pyc": ""}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tagOf(test.change); (got == want) != test.same {
				t.Errorf("tag %s against %s: want the same = %t", got, want, test.same)
			}
		})
	}
	if _, err := source.Migrations(tree(t, map[string]string{"app/run.py": "run"})); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v without a list", err)
	}
	if _, err := source.Migrations(tree(t, map[string]string{source.Migrating: "gone.py\n"})); err == nil {
		t.Error("no error for what is listed and not there")
	}
}
