package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"slipway.dev/slipway/stacks/source"
)

// The images that are built from a directory of this repository.
const (
	API        = "slipway.dev/api"
	Migrations = "slipway.dev/migrations"
	Postgres   = "slipway.dev/postgres"
	PgBouncer  = "slipway.dev/pgbouncer"
	Monitoring = "slipway.dev/monitoring"
	Collector  = "slipway.dev/collector"
	Discovery  = "slipway.dev/discovery"
	Benchmark  = "slipway.dev/benchmark"
)

// Where the parts of a checkout lie that images are made from.
const (
	ownDir       = "images/"
	pauseDir     = ownDir + "pause"
	collectorDir = ownDir + "collector"
	discoveryDir = ownDir + "discovery"
	benchmarkDir = ownDir + "benchmark"
	baseDir      = ownDir + "base"
)

// certManager is the version of the three cert-manager images.
const certManager = "v1.11.5"

// catalog lists every image the lab and the stack run. Versions equal those
// pinned in tools/go.mod; a test compares them.
func catalog(checkout string) []Spec {
	return slices.Concat([]Spec{
		{
			Ref: "registry.k8s.io/pause:3.10", Lab: true, Kind: Program, From: pauseDir,
			program: &program{Path: "/pause", Entrypoint: []string{"/pause"}, User: "65535:65535"},
		},
		{
			Ref: "registry.k8s.io/coredns/coredns:v1.14.0", Lab: true, Kind: Program, From: "coredns",
			program: &program{
				Path: "/coredns", Entrypoint: []string{"/coredns"}, User: "65532:65532",
				Certificates: true, BindService: true,
			},
		},
		{
			Ref: "registry.k8s.io/metrics-server/metrics-server:v0.8.0", Lab: true, Kind: Program, From: "metrics-server",
			program: &program{Path: "/metrics-server", Entrypoint: []string{"/metrics-server"}, User: "65534:65534"},
		},
		{
			// It starts no other program: the pods that make and delete a
			// volume's directory run the busybox image.
			Ref: "docker.io/rancher/local-path-provisioner:v0.0.30", Lab: true, Kind: Program, From: "local-path-provisioner",
			program: &program{
				Path:       "/usr/bin/local-path-provisioner",
				Entrypoint: []string{"local-path-provisioner"}, User: "65532:65532",
			},
		},
		{Ref: "docker.io/library/busybox:1.35", Lab: true, Kind: Package, From: "busybox-static"},
		{
			Ref: "docker.io/library/traefik:v3.6.2", Kind: Program, From: "traefik",
			program: &program{
				Path: "/usr/local/bin/traefik", Entrypoint: []string{"traefik"},
				User: "65532:65532", Certificates: true,
			},
		},
		{
			Ref: "registry.k8s.io/kube-state-metrics/kube-state-metrics:v2.15.0", Kind: Program, From: "kube-state-metrics",
			program: &program{Path: "/kube-state-metrics", Entrypoint: []string{"/kube-state-metrics"}, User: "65534:65534"},
		},
		discoverySpec(checkout),
		certManagerSpec("controller"),
		certManagerSpec("webhook"),
		certManagerSpec("cainjector"),
	}, []Spec{
		dockerfileSpec(checkout, Postgres, "images/postgres"),
		dockerfileSpec(checkout, PgBouncer, "images/pgbouncer"),
		dockerfileSpec(checkout, Monitoring, "images/monitoring"),
		dockerfileSpec(checkout, API, "app"),
		collectorSpec(checkout),
	}, migrationsSpec(checkout), benchmarkSpec(checkout))
}

// migrationsSpec is the service's image again, under a tag that a release keeps
// when it migrates as the one before. It is built from the stages that the
// service's own build left behind. Commits that are older than it have none.
func migrationsSpec(checkout string) []Spec {
	if _, err := os.Stat(filepath.Join(checkout, filepath.FromSlash(source.Migrating))); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	spec := Spec{Ref: Migrations, Kind: Dockerfile, From: "app"}
	tag, err := source.Migrations(checkout)
	if err != nil {
		spec.fault = err
		return []Spec{spec}
	}
	spec.Ref = Migrations + ":" + tag
	return []Spec{spec}
}

// collectorSpec is the image of the log collector, a program of this checkout.
func collectorSpec(checkout string) Spec {
	spec := Spec{
		Ref: Collector, Kind: Program, From: "collector",
		program: &program{
			Path: "/collector", Entrypoint: []string{"/collector"}, User: "65532:65532",
			// By which it knows the bucket that logs are copied to.
			Certificates: true,
		},
	}
	tag, err := source.Tag(filepath.Join(checkout, collectorDir))
	if err != nil {
		spec.fault = err
		return spec
	}
	spec.Ref = Collector + ":" + tag
	return spec
}

// certManagerSpec is one of the three images around the one cert-manager
// program, which knows its part by the name it is called by.
func certManagerSpec(part string) Spec {
	name := "/app/cmd/" + part + "/" + part
	return Spec{
		Ref: "quay.io/jetstack/cert-manager-" + part + ":" + certManager, Kind: Program, From: "cert-manager",
		program: &program{
			Path: "/app/cert-manager", Link: name, Entrypoint: []string{name},
			User: "1000:1000", Certificates: true,
		},
	}
}

// discoverySpec is the program that finds targets for Prometheus.
func discoverySpec(checkout string) Spec {
	spec := dockerfileSpec(checkout, Discovery, discoveryDir)
	spec.Kind = Program
	spec.program = &program{Path: "/discovery", Entrypoint: []string{"/discovery"}, User: "65532:65532"}
	return spec
}

// benchmarkSpec is the program that measures the platform from inside. It verifies
// certificates of the public's authorities as well. Commits that are older than it
// have none.
func benchmarkSpec(checkout string) []Spec {
	if _, err := os.Stat(filepath.Join(checkout, filepath.FromSlash(benchmarkDir))); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	spec := dockerfileSpec(checkout, Benchmark, benchmarkDir)
	spec.Kind = Program
	spec.program = &program{Path: "/benchmark", Entrypoint: []string{"/benchmark"}, User: "65532:65532", Certificates: true}
	return []Spec{spec}
}

func dockerfileSpec(checkout, repository, dir string) Spec {
	spec := Spec{Ref: repository, Kind: Dockerfile, From: dir}
	tag, err := source.Tag(filepath.Join(checkout, dir))
	if err != nil {
		spec.fault = err
		return spec
	}
	spec.Ref = repository + ":" + tag
	return spec
}
