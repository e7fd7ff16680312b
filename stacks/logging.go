package stacks

import (
	"slices"
	"strings"

	"slipway.dev/slipway/components/logging"
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
	return logging.Args{
		Namespace: loggingNamespace, Image: image,
		Profile: logging.Profile(s.DataProtection.Profile), MaxLineBytes: l.MaxLineBytes,
		MonitoringNamespace: s.scraper(), Classes: l.classes(),
	}
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
