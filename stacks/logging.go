package stacks

import (
	"slices"
	"strings"

	"slipway.dev/slipway/components/logging"
	"slipway.dev/slipway/components/workload"
)

// Sinks of the setting logging.sink.
const (
	// SinkFiles keeps logs on the nodes.
	SinkFiles = "files"
	// SinkS3 keeps them on the nodes and copies them to a bucket.
	SinkS3 = "s3"
	// SinkOff keeps none.
	SinkOff = "off"
)

const loggingNamespace = logging.DefaultNamespace

// logs collects what every pod writes.
func (b *builder) logs() error {
	if b.settings.Logging.Sink == SinkOff {
		return nil
	}
	args := b.settings.loggingArgs(b.foundation.Images + collectorRepository + ":" + b.versions.Collector)
	args.S3 = b.foundation.Archive
	_, err := logging.New(b.ctx, "logging", args, b.foundation.Cluster)
	return err
}

// loggingArgs are the collectors' arguments as far as settings decide them.
func (s Settings) loggingArgs(image string) logging.Args {
	l := s.Logging
	args := logging.Args{
		Namespace: loggingNamespace, Image: image,
		Profile: logging.Profile(s.DataProtection.Profile), MaxLineBytes: l.MaxLineBytes,
		MonitoringNamespace: s.scraper(), Classes: l.classes(),
	}
	if s.traces() != nil {
		args.Traces = s.spans()
	}
	return args
}

// classes are the kinds of logs, with what is kept of each.
func (l Logging) classes() []logging.Class {
	class := func(name string, days int, namespaces ...string) logging.Class {
		return logging.Class{Name: name, Namespaces: namespaces, Days: days, DiskMiB: l.DiskMiB}
	}
	return []logging.Class{
		class("access", l.AccessDays, ingressNamespace),
		class("application", l.ApplicationDays, apiNamespace),
		class("database", l.DatabaseDays, databaseNamespace),
		class("system", l.SystemDays),
	}
}

// spans are who sends spans, and what is kept of them.
func (s Settings) spans() *logging.Traces {
	return &logging.Traces{
		Namespaces: []string{ingressNamespace, apiNamespace}, Days: s.Tracing.Days, DiskMiB: s.Logging.DiskMiB,
	}
}

// archived are the classes of the archive, spans among them whether or not any are
// taken: what was kept by earlier settings ends in its time.
func (s Settings) archived() []logging.Class {
	return logging.Args{Classes: s.Logging.classes(), Traces: s.spans()}.Stored()
}

// traces is where spans go, nil where nobody takes them. The pods of a guest send
// none: its host's collectors let in the host's pods only.
func (s Settings) traces() *workload.Traces {
	if s.Tracing.PerThousand == 0 || s.Logging.Sink == SinkOff || s.Foundation == AsGuest {
		return nil
	}
	return logging.Receiver(loggingNamespace, s.Tracing.PerThousand)
}

func (l Logging) check(foundation string, f *faults) {
	if sinks := []string{SinkFiles, SinkS3, SinkOff}; !slices.Contains(sinks, l.Sink) {
		f.add("logging.sink", "%q is none of %s", l.Sink, strings.Join(sinks, ", "))
	}
	if l.Sink == SinkS3 && foundation != OnAWS {
		f.add("logging.sink", "is %s, but with foundation %s there is no bucket; take %s", SinkS3, foundation, SinkFiles)
	}
}

func (d DataProtection) check(f *faults) {
	if !slices.Contains(logging.Profiles(), d.Profile) {
		f.add("dataProtection.profile", "%q is none of %s", d.Profile, strings.Join(logging.Profiles(), ", "))
	}
}
