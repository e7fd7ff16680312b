package stacks

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/benchmark"
	"slipway.dev/slipway/components/certificates"
	"slipway.dev/slipway/components/traefik"
	"slipway.dev/slipway/images/benchmark/load"
)

const benchmarkNamespace = benchmark.DefaultNamespace

// measured is the namespace of the benchmark, empty where there is none.
func (s Settings) measured() string {
	if !s.Benchmark.Enabled || s.Foundation == AsGuest {
		return ""
	}
	return benchmarkNamespace
}

// benchmarkArgs are the benchmark's arguments as far as settings decide them.
func (s Settings) benchmarkArgs() benchmark.Args {
	b := s.Benchmark
	return benchmark.Args{
		Namespace: benchmarkNamespace, Schedule: b.Schedule, Rate: b.Rate, DurationSeconds: b.DurationSeconds,
		Mix: load.Mix(b.Mix), MaxP99Milliseconds: b.MaxP99Milliseconds, MaxErrors: b.MaxErrors,
		URL:     s.url(),
		Ingress: benchmark.Ingress{Namespace: ingressNamespace, Port: s.Ingress.HTTPSPort, PodPort: traefik.SecurePort},
	}
}

// benchmark measures what was declared before it, when it is run.
func (b *builder) benchmark(authority *certificates.Certificates, ingress *traefik.Traefik) error {
	if b.settings.measured() == "" {
		return nil
	}
	args := b.settings.benchmarkArgs()
	args.Image = b.foundation.Images + benchmarkRepository + ":" + b.versions.Benchmark
	args.Ingress.Service = ingress.ServiceName
	if b.foundation.Public == nil {
		args.Authority = authority.CACertificate
	}
	_, err := benchmark.New(b.ctx, "benchmark", args, b.foundation.Cluster)
	return err
}

// checkBenchmark asks the component, which knows its own rules; only what flows
// in from other components is not known yet.
func (s Settings) checkBenchmark(f *faults) {
	args := s.benchmarkArgs()
	args.Image, args.Ingress.Service = "image", pulumi.String("known later")
	// A fault of these is reported where it stands.
	f.take("benchmark.", args.Check(), "url", "ingress.port")
	if s.measured() == "" {
		return
	}
	if limit := s.Ingress.RequestsPerSecond; limit > 0 && s.Benchmark.Rate > limit {
		f.add("benchmark.rate", "is %d, above ingress.requestsPerSecond = %d: one client would be answered 429", s.Benchmark.Rate, limit)
	}
	if s.Foundation == OnAWS && s.AWS.Authority.Staging {
		f.add("benchmark.enabled", "is true, but with aws.authority.staging the certificate is of no authority that its pod trusts")
	}
}

// requests are what a run asks for, as components/benchmark decides.
func (b Benchmark) requests() machine {
	if !b.Enabled {
		return machine{}
	}
	return machine{cores: 0.1, memory: 0.032}
}
