package image

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"slipway.dev/slipway/internal/paths"
)

// checkoutDir is this repository.
const checkoutDir = "../.."

// write makes the files of a tree below dir.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// sample is a checkout with every directory that images are made from.
func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	const dockerfile = "ARG BASE=docker.io/library/debian:bookworm-slim\nFROM ${BASE}\n"
	write(t, dir, map[string]string{
		"images/pause/main.go":         "package main\n\nfunc main() { select {} }\n",
		"images/collector/main.go":     "package main\n\nfunc main() {}\n",
		"images/base/bootstrap":        "#!/bin/sh\n",
		"images/postgres/Dockerfile":   dockerfile,
		"images/pgbouncer/Dockerfile":  dockerfile,
		"images/monitoring/Dockerfile": dockerfile,
		"images/discovery/main.go":     "package main\n\nfunc main() { select {} }\n",
		"images/benchmark/main.go":     "package main\n\nfunc main() { select {} }\n",
		"app/Dockerfile":               dockerfile,
		"app/src/main.py":              "print()\n",
		"go.mod":                       "module sample.test\n\ngo 1.26\n",
	})
	return dir
}

// open opens a checkout with a cache of its own.
func open(t *testing.T, checkout string, tools Tools) *Builder {
	t.Helper()
	t.Setenv(paths.CacheEnv, t.TempDir())
	t.Setenv(paths.RunEnv, t.TempDir())
	return reopen(t, checkout, tools)
}

// reopen opens a checkout as the next command would, with the same cache.
func reopen(t *testing.T, checkout string, tools Tools) *Builder {
	t.Helper()
	b, err := Open(checkout, tools)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// staticProgram is the compiled pause program, made once.
var staticProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "slipway-image-test")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // temporary
	b := &Builder{checkout: checkoutDir, dir: dir}
	path, err := b.compiled(context.Background(), Spec{Kind: Program, From: pauseDir})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// toolbox holds every tool of the catalog, each with content of its own behind
// a program that runs.
func toolbox(t *testing.T) Directory {
	t.Helper()
	program, err := staticProgram()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, spec := range catalog(checkoutDir) {
		if spec.Kind == Program && !spec.own() {
			content := append(append([]byte{}, program...), spec.From...)
			if err := os.WriteFile(filepath.Join(dir, spec.From), content, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	return Directory(dir)
}

// ensure builds refs or fails the test.
func ensure(t *testing.T, b *Builder, refs ...string) []Archive {
	t.Helper()
	archives, err := b.Ensure(t.Context(), io.Discard, refs...)
	if err != nil {
		t.Fatal(err)
	}
	return archives
}

const metricsServer = "registry.k8s.io/metrics-server/metrics-server"
