package stacks

import (
	"os"
	"path/filepath"

	"slipway.dev/slipway/stacks/source"
	"slipway.dev/slipway/stacks/upstream"
)

// The modules that the platform's programs are built from.
const (
	traefikModule     = "github.com/traefik/traefik/v3"
	certManagerModule = "github.com/cert-manager/cert-manager"
	coreDNSModule     = "github.com/coredns/coredns"
	stateModule       = "k8s.io/kube-state-metrics/v2"
)

// Repositories of the images that are built from this checkout, below wherever
// the foundation pulls them from.
const (
	apiRepository      = "/api"
	migratorRepository = "/migrations"
	postgresRepository = "/postgres"
	poolerRepository   = "/pgbouncer"

	monitoringRepository = "/monitoring"
	collectorRepository  = "/collector"
	discoveryRepository  = "/discovery"
	benchmarkRepository  = "/benchmark"
)

// proxyRepository and those of cert-manager hold images of upstream's sources
// where a foundation keeps them itself.
const (
	proxyRepository        = "/traefik"
	stateMetricsRepository = "/kube-state-metrics"
)

var certManagerRepositories = []string{"/cert-manager-cainjector", "/cert-manager-controller", "/cert-manager-webhook"}

// localImages is where images are that were built on this machine; no registry
// answers to that name.
const localImages = "slipway.dev"

// Versions are decided by the checkout: what a commit pins and what its sources
// hash to. No setting can ask for another one, so a commit means the same
// everywhere.
type Versions struct {
	// Traefik, CertManager, CoreDNS and StateMetrics are upstream versions, such
	// as "v3.6.2".
	Traefik, CertManager, CoreDNS, StateMetrics string
	// TraefikCRDs and CertManagerCRDs are paths of the definitions that belong
	// to those versions.
	TraefikCRDs, CertManagerCRDs string
	// Admission is the directory of the admission policies, which are written
	// from the rules and settings of the same checkout.
	Admission string
	// API, Postgres, Pooler, Monitoring, Discovery, Collector and Benchmark are
	// tags of our own images.
	API, Postgres, Pooler, Monitoring, Discovery, Collector, Benchmark string
	// Migrations is the tag of the image that only migrates; see
	// source.Migrations.
	Migrations string
}

// ReadVersions reads the pins and hashes the sources of a checkout.
func ReadVersions(checkout string) (Versions, error) {
	var v Versions
	modules := upstream.Open(checkout)
	for _, pinned := range []struct {
		module  string
		version *string
		file    string
		path    *string
	}{
		{traefikModule, &v.Traefik, "docs/content/reference/dynamic-configuration/kubernetes-crd-definition-v1.yml", &v.TraefikCRDs},
		{certManagerModule, &v.CertManager, "deploy/crds", &v.CertManagerCRDs},
		{coreDNSModule, &v.CoreDNS, "", nil},
		{stateModule, &v.StateMetrics, "", nil},
	} {
		var err error
		if *pinned.version, err = modules.Version(pinned.module); err != nil {
			return Versions{}, err
		}
		if pinned.path == nil {
			continue
		}
		if *pinned.path, err = modules.File(pinned.module, pinned.file); err != nil {
			return Versions{}, err
		}
	}
	v.Admission = filepath.Join(checkout, "stacks", "admission")
	for _, built := range []struct {
		dir string
		tag *string
	}{
		{"app", &v.API}, {"images/postgres", &v.Postgres}, {"images/pgbouncer", &v.Pooler},
		{"images/monitoring", &v.Monitoring}, {"images/discovery", &v.Discovery}, {"images/collector", &v.Collector},
		{"images/benchmark", &v.Benchmark},
	} {
		var err error
		if *built.tag, err = source.Tag(filepath.Join(checkout, filepath.FromSlash(built.dir))); err != nil {
			return Versions{}, err
		}
	}
	var err error
	if v.Migrations, err = source.Migrations(checkout); err != nil {
		return Versions{}, err
	}
	return v, nil
}

// admissionFile is what a stack is held to in its cluster: a file of its own,
// where levels or waivers of the stack differ, or that of every stack.
func (v Versions) admissionFile(stack string) string {
	if own := filepath.Join(v.Admission, stack+".yaml"); isFile(own) {
		return own
	}
	return filepath.Join(v.Admission, "default.yaml")
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
