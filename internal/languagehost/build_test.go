package languagehost

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/gobuild"
)

func quiet(string) {}

func TestUnchangedProgramIsOnlyLookedUp(t *testing.T) {
	calls := spyOnGo(t, "")
	dir, b := write(t, prints("one")), Builder{Cache: t.TempDir()}
	first, err := b.Build(context.Background(), dir, "", quiet)
	require.NoError(t, err)
	assert.Equal(t, "one", output(t, first))
	assert.Equal(t, []string{"env", "list", "build"}, calls())

	second, err := b.Build(context.Background(), dir, "", quiet)
	require.NoError(t, err)
	assert.Equal(t, first, second)
	assert.Equal(t, []string{"env"}, calls())
}

// The same with a target, which anybody may replace or delete.
func TestAnUnchangedTargetIsOnlyLookedUp(t *testing.T) {
	calls := spyOnGo(t, "")
	dir, b := write(t, prints("one")), Builder{Cache: t.TempDir()}
	build := func() (string, []string) {
		path, err := b.Build(context.Background(), dir, "bin/program", quiet)
		require.NoError(t, err)
		require.Equal(t, filepath.Join(dir, "bin", "program"), path)
		return output(t, path), calls()
	}
	said, asked := build()
	assert.Equal(t, "one", said)
	assert.Equal(t, []string{"env", "list", "build"}, asked)
	said, asked = build()
	assert.Equal(t, "one", said)
	assert.Equal(t, []string{"env"}, asked)

	// Whoever compiles the same in the same way does no harm.
	own := exec.Command("go", "build", "-buildvcs=false", "-o", "bin/program", ".")
	own.Dir, own.Env = dir, gobuild.Environment(os.Environ())
	require.NoError(t, own.Run())
	calls()
	_, asked = build()
	assert.Equal(t, []string{"env"}, asked)
	// What was compiled in another way is not taken for the host's.
	own = exec.Command("go", "build", "-buildvcs=false", "-o", "bin/program", ".")
	own.Dir, own.Env = dir, append(os.Environ(), "GOFLAGS=")
	require.NoError(t, own.Run())
	calls()
	said, asked = build()
	assert.Equal(t, "one", said)
	assert.Contains(t, asked, "build")

	add(t, dir, prints("two"))
	said, asked = build()
	assert.Equal(t, "two", said)
	assert.Contains(t, asked, "build")

	target := filepath.Join(dir, "bin", "program")
	foreign, err := b.Build(context.Background(), write(t, prints("three")), "", quiet)
	require.NoError(t, err)
	calls()
	require.NoError(t, os.Rename(foreign, target))
	require.Equal(t, "three", output(t, target))
	said, asked = build()
	assert.Equal(t, "two", said, "somebody else's file is not taken for the program")
	assert.Contains(t, asked, "build")

	require.NoError(t, os.Remove(target))
	said, _ = build()
	assert.Equal(t, "two", said)
}

// Every change that can change the program makes for a new build; what cannot,
// does not.
func TestWhatMakesForANewBuild(t *testing.T) {
	base := map[string]string{
		"go.mod":            "module example.test/program\n\ngo 1.24\n\nrequire example.test/lib v0.0.0\n\nreplace example.test/lib => ./lib\n",
		"main.go":           "package main\n\nimport (\n\t_ \"example.test/lib\"\n\t_ \"example.test/program/assets\"\n\t_ \"example.test/program/sub\"\n)\n\nfunc main() {}\n",
		"assets/assets.go":  "package assets\n\nimport \"embed\"\n\n//go:embed data/*.txt\nvar Data embed.FS\n",
		"assets/data/a.txt": "a",
		"sub/sub.go":        "package sub\n",
		"lib/go.mod":        "module example.test/lib\n\ngo 1.24\n",
		"lib/lib.go":        "package lib\n",
		"README.md":         "read me",
		"unused/unused.go":  "package unused\n",
		"main_test.go":      "package main\n",
		"Pulumi.stack.yaml": "config: {}\n",
	}
	tests := []struct {
		title  string
		change map[string]string
		env    string
		builds bool
	}{
		{"nothing", nil, "", false},
		{"documentation", map[string]string{"README.md": "reread me"}, "", false},
		{"configuration", map[string]string{"Pulumi.stack.yaml": "config: {a: b}\n"}, "", false},
		{"a test", map[string]string{"main_test.go": "package main // changed\n", "sub/sub_test.go": "package sub\n"}, "", false},
		{"a package that is not imported", map[string]string{"unused/unused.go": "package unused // changed\n"}, "", false},
		{"the program", map[string]string{"main.go": base["main.go"] + "// changed\n"}, "", true},
		{"a new file of the program", map[string]string{"more.go": "package main\n"}, "", true},
		{"an imported package", map[string]string{"sub/sub.go": "package sub // changed\n"}, "", true},
		{"a new file of an imported package", map[string]string{"sub/more.go": "package sub\n"}, "", true},
		{"a replaced module", map[string]string{"lib/lib.go": "package lib // changed\n"}, "", true},
		{"a replaced module's requirements", map[string]string{"lib/go.mod": "module example.test/lib\n\ngo 1.23\n"}, "", true},
		{"an embedded file", map[string]string{"assets/data/a.txt": "b"}, "", true},
		{"a new embedded file", map[string]string{"assets/data/b.txt": "b"}, "", true},
		{"go.mod", map[string]string{"go.mod": strings.Replace(base["go.mod"], "go 1.24", "go 1.25", 1)}, "", true},
		{"go.sum", map[string]string{"go.sum": ""}, "", true},
		{"go's flags", nil, "-trimpath", true},
		{"a profile", map[string]string{"default.pgo": ""}, "", true},
	}
	calls := spyOnGo(t, "")
	for _, test := range tests {
		t.Run(test.title, func(t *testing.T) {
			t.Setenv("GOFLAGS", "")
			dir, b := write(t, base), Builder{Cache: t.TempDir()}
			_, err := b.Build(context.Background(), dir, "", quiet)
			require.NoError(t, err)
			require.Contains(t, calls(), "build")
			add(t, dir, test.change)
			t.Setenv("GOFLAGS", test.env)
			_, err = b.Build(context.Background(), dir, "", quiet)
			require.NoError(t, err)
			if test.builds {
				assert.Contains(t, calls(), "build")
			} else {
				assert.Equal(t, []string{"env"}, calls())
			}
		})
	}
}

func TestSwitchingBackNeedsNoCompiler(t *testing.T) {
	calls := spyOnGo(t, "")
	dir, b := write(t, prints("one")), Builder{Cache: t.TempDir()}
	for _, text := range []string{"one", "two", "one", "two"} {
		add(t, dir, prints(text))
		path, err := b.Build(context.Background(), dir, "", quiet)
		require.NoError(t, err)
		assert.Equal(t, text, output(t, path))
	}
	assert.Equal(t, 2, strings.Count(strings.Join(calls(), " "), "build"))
}

func TestOldResultsGo(t *testing.T) {
	dir, b := write(t, prints("0")), Builder{Cache: t.TempDir()}
	var last string
	for _, text := range []string{"0", "1", "2", "3", "4", "5", "6"} {
		add(t, dir, prints(text))
		path, err := b.Build(context.Background(), dir, "", quiet)
		require.NoError(t, err)
		last = path
	}
	results, err := filepath.Glob(filepath.Join(b.Cache, "*", "*", filepath.Base(dir)))
	require.NoError(t, err)
	assert.Len(t, results, kept)
	assert.Contains(t, results, last)
}

func TestResultsOfLostProgramsGo(t *testing.T) {
	b := Builder{Cache: t.TempDir()}
	lost, stays, other := write(t, prints("lost")), write(t, prints("stays")), write(t, prints("other"))
	result := map[string]string{}
	for _, dir := range []string{lost, stays} {
		path, err := b.Build(context.Background(), dir, "", quiet)
		require.NoError(t, err)
		result[dir] = path
	}
	require.NoError(t, os.RemoveAll(lost))
	_, err := b.Build(context.Background(), other, "", quiet)
	require.NoError(t, err)
	assert.NoFileExists(t, result[lost])
	assert.FileExists(t, result[stays])
}

// The source changes while it is compiled, so nobody knows which of the two
// the result was made of. It must not be found again.
func TestSourceThatChangesUnderTheCompilerIsNotTrusted(t *testing.T) {
	dir, b := write(t, prints("old")), Builder{Cache: t.TempDir()}
	newer := write(t, prints("new"))
	calls := spyOnGo(t, `if [ "$1" = build ] && [ -e `+newer+`/main.go ]; then mv `+newer+`/main.go `+dir+`/main.go; fi`)
	path, err := b.Build(context.Background(), dir, "", quiet)
	require.NoError(t, err)
	output(t, path)
	calls()
	path, err = b.Build(context.Background(), dir, "", quiet)
	require.NoError(t, err)
	assert.Contains(t, calls(), "build")
	assert.Equal(t, "new", output(t, path))

	// Back to what was summed up before the change: that sum must not lead to
	// the doubtful result.
	add(t, dir, prints("old"))
	path, err = b.Build(context.Background(), dir, "", quiet)
	require.NoError(t, err)
	assert.Equal(t, "old", output(t, path))
}

func TestFlagsThatHideInputsAreNotTrusted(t *testing.T) {
	dir, b := write(t, prints("one")), Builder{Cache: t.TempDir()}
	replaced := write(t, map[string]string{
		"overlay.json": `{"Replace": {"` + filepath.Join(dir, "main.go") + `": "hidden.go"}}`,
	})
	hidden := filepath.Join(replaced, "hidden.go")
	require.NoError(t, os.WriteFile(filepath.Join(replaced, "overlay.json"),
		[]byte(`{"Replace": {"`+filepath.Join(dir, "main.go")+`": "`+hidden+`"}}`), 0o600))
	t.Setenv("GOFLAGS", "-overlay="+filepath.Join(replaced, "overlay.json"))
	for _, text := range []string{"two", "three"} {
		require.NoError(t, os.WriteFile(hidden, []byte(prints(text)["main.go"]), 0o600))
		path, err := b.Build(context.Background(), dir, "", quiet)
		require.NoError(t, err)
		assert.Equal(t, text, output(t, path))
	}
}

func TestBuildsOfTheSameProgramWaitForEachOther(t *testing.T) {
	calls := spyOnGo(t, "")
	dir, b := write(t, prints("one")), Builder{Cache: t.TempDir()}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			path, err := b.Build(context.Background(), dir, "", quiet)
			assert.NoError(t, err)
			assert.FileExists(t, path)
		})
	}
	group.Wait()
	assert.Equal(t, 1, strings.Count(strings.Join(calls(), " "), "build"))
}

func TestBuildTarget(t *testing.T) {
	dir, b := write(t, prints("one")), Builder{Cache: t.TempDir()}
	path, err := b.Build(context.Background(), dir, "bin/program", quiet)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "bin", "program"), path)
	assert.Equal(t, "one", output(t, path))
	add(t, dir, prints("two"))
	path, err = b.Build(context.Background(), dir, path, quiet)
	require.NoError(t, err)
	assert.Equal(t, "two", output(t, path))
}

func TestProgramsThatCannotBeBuilt(t *testing.T) {
	for title, test := range map[string]struct {
		files map[string]string
		want  string
	}{
		"fault":         {map[string]string{"main.go": "package main\n\nfunc main() { nonsense() }\n"}, "./main.go:3:15: undefined: nonsense"},
		"syntax":        {map[string]string{"main.go": "package main\n\nfunc main( {}\n"}, "main.go:3:12: syntax error"},
		"import":        {map[string]string{"main.go": "package main\n\nimport _ \"example.test/program/gone\"\n\nfunc main() {}\n"}, "example.test/program/gone"},
		"library":       {map[string]string{"main.go": "package library\n"}, "the package is not called main"},
		"no Go files":   {map[string]string{"main.go": ""}, ""},
		"no such thing": {nil, "there are no Go files in it"},
	} {
		t.Run(title, func(t *testing.T) {
			dir := t.TempDir()
			if test.files != nil {
				add(t, dir, prints("one"))
				add(t, dir, test.files)
			}
			for _, target := range []string{"", "bin"} {
				_, err := Builder{Cache: t.TempDir()}.Build(context.Background(), dir, target, quiet)
				require.Error(t, err)
				assert.Contains(t, err.Error(), test.want)
				assert.Contains(t, err.Error(), "compiling "+dir)
			}
		})
	}
}

func TestFaultyProgramIsBuiltOnceItIsRight(t *testing.T) {
	dir, b := write(t, prints("one")), Builder{Cache: t.TempDir()}
	add(t, dir, map[string]string{"main.go": "package main\n\nfunc main() { nonsense() }\n"})
	_, err := b.Build(context.Background(), dir, "", quiet)
	var fault *CompileError
	require.ErrorAs(t, err, &fault)
	assert.Equal(t, dir, fault.Dir)
	results, err := filepath.Glob(filepath.Join(b.Cache, "*", "*", "*"))
	require.NoError(t, err)
	assert.Empty(t, results)
	entries, err := filepath.Glob(filepath.Join(b.Cache, "*", "*"))
	require.NoError(t, err)
	assert.Len(t, entries, 1, "the lock, and no directory for a result")
	add(t, dir, prints("one"))
	path, err := b.Build(context.Background(), dir, "", quiet)
	require.NoError(t, err)
	assert.Equal(t, "one", output(t, path))
}

func TestLostCacheIsRebuilt(t *testing.T) {
	dir, b := write(t, prints("one")), Builder{Cache: t.TempDir()}
	path, err := b.Build(context.Background(), dir, "", quiet)
	require.NoError(t, err)
	record := filepath.Join(filepath.Dir(filepath.Dir(path)), "manifest.json")
	for title, spoil := range map[string]func() error{
		"executable":    func() error { return os.Remove(path) },
		"manifest":      func() error { return os.WriteFile(record, []byte("{"), 0o600) },
		"empty record":  func() error { return os.WriteFile(record, []byte("{}"), 0o600) },
		"whole program": func() error { return os.RemoveAll(filepath.Dir(record)) },
	} {
		require.NoError(t, spoil(), title)
		again, err := b.Build(context.Background(), dir, "", quiet)
		require.NoError(t, err, title)
		assert.Equal(t, "one", output(t, again), title)
	}
}

func TestInterruptedBuildLeavesNothingHalf(t *testing.T) {
	dir, b := write(t, prints("one")), Builder{Cache: t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())
	started := filepath.Join(t.TempDir(), "started")
	spyOnGo(t, `if [ "$1" = build ] && [ ! -e `+started+` ]; then touch `+started+`; sleep 3600; fi`)
	failed := make(chan error, 1)
	go func() {
		_, err := b.Build(ctx, dir, "", quiet)
		failed <- err
	}()
	eventually(t, "the compiler to start", func() bool { _, err := os.Stat(started); return err == nil })
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	path, err := b.Build(context.Background(), dir, "", quiet)
	require.NoError(t, err)
	assert.Equal(t, "one", output(t, path))
}
