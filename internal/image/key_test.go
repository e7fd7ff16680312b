package image

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// keys returns the key of every image, by repository, as a new process
// computes them.
func keys(t *testing.T, checkout string, tools Tools) map[string]string {
	t.Helper()
	b := reopen(t, checkout, tools)
	got := map[string]string{}
	for _, spec := range b.Catalog() {
		key, err := b.key(spec)
		if err != nil {
			t.Fatal(err)
		}
		// The tag is part of what a change may move.
		got[spec.Repository()] = spec.Ref + " " + key
	}
	return got
}

// A change rebuilds the images made from it, and no other.
func TestOnlyWhatChangedIsRebuilt(t *testing.T) {
	const (
		coredns    = "registry.k8s.io/coredns/coredns"
		controller = "quay.io/jetstack/cert-manager-controller"
		webhook    = "quay.io/jetstack/cert-manager-webhook"
		injector   = "quay.io/jetstack/cert-manager-cainjector"
		busybox    = "docker.io/library/busybox"
		traefik    = "docker.io/library/traefik"
	)
	for name, test := range map[string]struct {
		change func(t *testing.T, checkout string, tools Directory, b *Builder)
		want   []string
	}{
		"nothing": {func(*testing.T, string, Directory, *Builder) {}, nil},
		"the app": {func(t *testing.T, checkout string, _ Directory, _ *Builder) {
			write(t, checkout, map[string]string{"app/src/main.py": "print(1)\n"})
		}, []string{API}},
		"a test of the app": {func(t *testing.T, checkout string, _ Directory, _ *Builder) {
			write(t, checkout, map[string]string{"app/tests/test_main.py": "pass\n"})
		}, nil},
		"the Dockerfile of PostgreSQL": {func(t *testing.T, checkout string, _ Directory, _ *Builder) {
			write(t, checkout, map[string]string{"images/postgres/Dockerfile": "ARG BASE\nFROM ${BASE}\n"})
		}, []string{Postgres}},
		"the recipe of the base": {func(t *testing.T, checkout string, _ Directory, _ *Builder) {
			write(t, checkout, map[string]string{"images/base/bootstrap": "#!/bin/sh\nfalse\n"})
		}, []string{API, Postgres, PgBouncer, Monitoring}},
		"the pause program": {func(t *testing.T, checkout string, _ Directory, _ *Builder) {
			write(t, checkout, map[string]string{"images/pause/main.go": "package main\n"})
		}, []string{"registry.k8s.io/pause"}},
		"the program that finds targets": {func(t *testing.T, checkout string, _ Directory, _ *Builder) {
			write(t, checkout, map[string]string{"images/discovery/main.go": "package main\n"})
		}, []string{Discovery}},
		"a package of the program that measures": {func(t *testing.T, checkout string, _ Directory, _ *Builder) {
			write(t, checkout, map[string]string{"images/benchmark/load/load.go": "package load\n"})
		}, []string{Benchmark}},
		"one tool": {func(t *testing.T, _ string, tools Directory, _ *Builder) {
			write(t, string(tools), map[string]string{"metrics-server": "other"})
		}, []string{metricsServer}},
		"a tool of three images": {func(t *testing.T, _ string, tools Directory, _ *Builder) {
			write(t, string(tools), map[string]string{"cert-manager": "other"})
		}, []string{controller, webhook, injector}},
		"a tool built again to the same bytes": {func(t *testing.T, _ string, tools Directory, _ *Builder) {
			same, err := os.ReadFile(filepath.Join(string(tools), "traefik"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, string(tools), map[string]string{"traefik": string(same)})
		}, nil},
		"fresh packages": {func(t *testing.T, _ string, _ Directory, b *Builder) {
			if err := b.Refresh(); err != nil {
				t.Fatal(err)
			}
		}, []string{API, Collector, Postgres, PgBouncer, Monitoring, Benchmark, busybox, coredns, traefik, controller, webhook, injector}},
	} {
		t.Run(name, func(t *testing.T) {
			checkout, tools := sample(t), toolbox(t)
			b := open(t, checkout, tools)
			before := keys(t, checkout, tools)
			test.change(t, checkout, tools, b)
			var changed []string
			for repo, key := range keys(t, checkout, tools) {
				if before[repo] != key {
					changed = append(changed, repo)
				}
			}
			slices.Sort(changed)
			slices.Sort(test.want)
			if !slices.Equal(changed, test.want) {
				t.Errorf("rebuilt %v, want %v", changed, test.want)
			}
		})
	}
}

// Where a checkout lies decides nothing.
func TestKeysAreTheSameInEveryCheckout(t *testing.T) {
	tools := toolbox(t)
	open(t, sample(t), tools)
	one, two := keys(t, sample(t), tools), keys(t, sample(t), tools)
	for repo := range one {
		if one[repo] != two[repo] {
			t.Errorf("%s: %s in one checkout, %s in another", repo, one[repo], two[repo])
		}
	}
}

func TestSelect(t *testing.T) {
	b := open(t, sample(t), toolbox(t))
	all, err := b.Select()
	if err != nil || len(all) != len(b.Catalog()) {
		t.Errorf("no name selects %d images, %v; want all", len(all), err)
	}
	some, err := b.Select(API, "docker.io/library/busybox:1.35")
	if err != nil || len(some) != 2 || some[0].Repository() != API || some[1].Kind != Package {
		t.Errorf("selected %v, %v", some, err)
	}
	_, err = b.Select("slipway.dev/api:src-000000000000", "example.org/other")
	if !errors.Is(err, ErrUnknown) {
		t.Fatalf("error is %v, want ErrUnknown", err)
	}
	for _, part := range []string{"example.org/other", "slipway.dev/api:src-000000000000", "this checkout builds " + some[0].Ref} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

// A directory that is missing takes away its own image and no other.
func TestIncompleteCheckout(t *testing.T) {
	checkout := sample(t)
	if err := os.RemoveAll(filepath.Join(checkout, "app")); err != nil {
		t.Fatal(err)
	}
	b := open(t, checkout, toolbox(t))
	ensure(t, b, metricsServer)
	_, err := b.Ensure(t.Context(), t.Output(), API)
	if err == nil || !strings.Contains(err.Error(), "reading app") || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error is %v, want one that names the directory app", err)
	}
}
