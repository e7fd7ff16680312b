package check

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestScriptsAreKnownByTheirFirstLine(t *testing.T) {
	checkout := t.TempDir()
	for name, text := range map[string]string{
		"images/x/start":   "#!/bin/sh\nset -e\n",
		"scripts/with-env": "#!/usr/bin/env bash\n",
		"scripts/dash":     "#! /usr/bin/dash -e\n",
		"lib.sh":           "say() { :; }\n",
		"scripts/tool.py":  "#!/usr/bin/env python3\n",
		"fish":             "#!/usr/bin/fish\n",
		"notes":            "#!/bin/sh is how it begins elsewhere: not\n"[2:],
		"data":             strings.Repeat("x", 5000),
		"empty":            "",
	} {
		path := filepath.Join(checkout, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	git := exec.Command("git", "init", "--quiet")
	git.Dir = checkout
	require.NoError(t, git.Run())
	scripts, err := checker{checkout: checkout}.scripts(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"images/x/start", "lib.sh", "scripts/dash", "scripts/with-env"}, scripts)
}

func TestScriptsHere(t *testing.T) {
	scripts, err := checker{checkout: "../.."}.scripts(t.Context())
	require.NoError(t, err)
	require.Subset(t, scripts, []string{
		".ci/run", "images/base/bootstrap", "images/pgbouncer/slipway-pgbouncer", "images/postgres/slipway-postgres",
		"scripts/app-test", "scripts/bootstrap",
	})
}

// A machine that cannot fetch the database is told so, and its check goes on.
func TestNoDatabaseIsAReasonToSkip(t *testing.T) {
	checkout := t.TempDir()
	pin := filepath.Join(checkout, "tools", "govulncheck", "go.mod")
	require.NoError(t, os.MkdirAll(filepath.Dir(pin), 0o755))
	require.NoError(t, os.WriteFile(pin,
		[]byte("module tools\n\ngo 1.26.0\n\nrequire golang.org/x/vulndb v0.0.0-20200101000000-000000000000\n"), 0o600))
	t.Setenv("GOPROXY", "off")
	skipped, err := checker{checkout: checkout}.pinnedVulnerabilities(t.Context(), io.Discard)
	require.NoError(t, err)
	require.Contains(t, skipped, "golang.org/x/vulndb")
}
