package logging

import (
	"fmt"
	"path"
	"strings"

	"sigs.k8s.io/yaml"
)

// Gates are features of the collector that have to be switched on: without it
// the receiver notes how far it has read before anything is stored, and a
// collector that is killed loses what lies between.
const Gates = "stanza.synchronousLogEmitter"

// Places is where a collector finds and leaves things.
type Places struct {
	// Logs is the kubelet's directory of pod logs.
	Logs string
	// State is the directory of what must outlive the pod: offsets and archive.
	State string
	// Health and Metrics are the addresses, as host:port, that answer for probes
	// and to Prometheus.
	Health, Metrics string
	// Traces is the address, as host:port, that takes spans where there are any.
	Traces string
}

// Ports of a pod.
const (
	healthPort  = 13133
	metricsPort = 8888
)

// inPod are the places of a collector in a pod.
func inPod() Places {
	return Places{
		Logs: "/var/log/pods", State: "/var/lib/otelcol",
		Health: fmt.Sprintf("0.0.0.0:%d", healthPort), Metrics: fmt.Sprintf("0.0.0.0:%d", metricsPort),
		Traces: fmt.Sprintf("0.0.0.0:%d", tracesPort),
	}
}

// ArchiveDir is where the segments are, below Places.State.
func (p Places) ArchiveDir() string { return path.Join(p.State, "archive") }

// segmentMiB is the size at which a segment ends, unless a class is so small
// that it would hold fewer than four.
const segmentMiB = 8

// Parts of the collector's configuration. The names are the collector's own.
type (
	object     = map[string]any
	collection = map[string]object
)

// Configuration is what a collector at places is told, as YAML. Tests run a
// collector with it outside any cluster.
func Configuration(args Args, places Places) (string, error) {
	p, err := resolve(args)
	if err != nil {
		return "", err
	}
	return p.configuration(places)
}

func (p plan) configuration(places Places) (string, error) {
	receivers, exporters, pipelines := collection{}, collection{}, collection{}
	for _, class := range p.Stored() {
		exporters["archive/"+class.Name] = p.exporter(class, places)
	}
	for _, class := range p.Classes {
		receiver := "file_log/" + class.Name
		receivers[receiver] = p.receiver(class, places)
		// Nothing between reading and storing may hold a record back, a batch
		// processor for instance: it would be acknowledged before it is stored.
		pipelines["logs/"+class.Name] = object{
			"receivers": []string{receiver}, "processors": []string{"privacy"}, "exporters": []string{"archive/" + class.Name},
		}
	}
	if p.Traces != nil {
		receivers["otlp"] = p.Traces.receiver(places)
		pipelines["traces"] = object{
			"receivers": []string{"otlp"}, "processors": []string{"privacy"}, "exporters": []string{"archive/" + TracesClass},
		}
	}
	text, err := yaml.Marshal(object{
		"extensions": collection{
			"file_storage": {"directory": path.Join(places.State, "offsets"), "create_directory": true},
			"health_check": {"endpoint": places.Health},
		},
		"receivers": receivers,
		"processors": collection{
			"privacy": {"profile": string(p.Profile), "max_bytes": p.MaxLineBytes},
		},
		"exporters": exporters,
		"service": object{
			"extensions": []string{"file_storage", "health_check"},
			"telemetry":  object{"level": "warn", "metrics": places.Metrics},
			"pipelines":  pipelines,
		},
	})
	if err != nil {
		return "", fmt.Errorf("writing the collector's configuration: %w", err)
	}
	return string(text), nil
}

// exporter stores one class.
func (p plan) exporter(class Class, places Places) object {
	exporter := object{
		"directory": places.ArchiveDir(), "class": class.Name,
		"segment_mib": min(segmentMiB, class.DiskMiB/4), "total_mib": class.DiskMiB,
		"retention": fmt.Sprintf("%dh", 24*class.Days),
	}
	if s3 := p.S3; s3 != nil {
		exporter["segment_age"] = fmt.Sprintf("%dm", s3.Minutes)
		exporter["s3"] = object{
			"bucket": s3.Bucket, "region": s3.Region, "prefix": strings.TrimSuffix(prefixInBucket, "/"),
			"node": "${env:" + nodeVariable + "}",
		}
	}
	return exporter
}

// receiver reads the logs of one class.
func (p plan) receiver(class Class, places Places) object {
	of := func(namespace string) []string {
		files := path.Join(places.Logs, namespace+"_*", "*", "*.log")
		// The second holds what the kubelet has moved aside and not compressed
		// yet; the receiver knows a file again under another name.
		return []string{files, files + ".*"}
	}
	var include []string
	exclude := []string{path.Join(places.Logs, "*", "*", "*.gz"), path.Join(places.Logs, "*", "*", "*.tmp")}
	for _, namespace := range class.Namespaces {
		include = append(include, of(namespace)...)
	}
	if len(class.Namespaces) == 0 {
		include = []string{path.Join(places.Logs, "*", "*", "*.log"), path.Join(places.Logs, "*", "*", "*.log.*")}
		for _, other := range p.Classes {
			for _, namespace := range other.Namespaces {
				exclude = append(exclude, of(namespace)...)
			}
		}
	}
	// A collector that read its own log would write a line about each line.
	exclude = append(exclude, of(p.Namespace)...)
	return object{
		"include": include, "exclude": exclude,
		"include_file_path": true, "include_file_name": false,
		"fingerprint_size": fingerprintBytes,
		"start_at":         "beginning", "poll_interval": "500ms", "storage": "file_storage",
		// A piece of a longer line may end with a space.
		"preserve_leading_whitespaces": true, "preserve_trailing_whitespaces": true,
		"retry_on_failure": object{
			"enabled": true, "initial_interval": "1s", "max_interval": "30s",
			"max_elapsed_time": "0s", // for ever
		},
		"resource":  object{"k8s.node.name": "${env:" + nodeVariable + "}"},
		"operators": operators(),
	}
}

// fingerprintBytes is how much of a file's beginning the receiver knows it again
// by, and keeps with the offsets, unredacted. The runtime begins each line with
// a timestamp of this length, to the nanosecond: enough to tell files apart, and
// nothing of what a program wrote.
const fingerprintBytes = len("2026-01-02T03:04:05.000000006Z")

// nodeVariable holds the name of the pod's node.
const nodeVariable = "NODE_NAME"

// operators parse a line. What cannot be parsed goes on as it is, quietly: a
// complaint would quote it, before it is redacted, in the collector's own log.
func operators() []object {
	quiet := func(o object) object {
		o["on_error"] = "send_quiet"
		return o
	}
	return []object{
		// The runtime's format, and pod and container from the path.
		quiet(object{"type": "container"}),
		quiet(object{
			"type": "json_parser", "if": `type(body) == "string" && body startsWith "{"`, "parse_from": "body", "parse_to": "body",
		}),
		quiet(object{
			"type": "severity_parser", "if": `type(body) == "map" && type(body.level) == "string"`, "parse_from": "body.level",
		}),
		quiet(object{"type": "remove", "field": `attributes["log.file.path"]`}),
		quiet(object{"type": "remove", "field": "attributes.logtag"}),
	}
}

// Describe says in a word what a class holds, for documents.
func (c Class) Describe() string {
	if c.Name == TracesClass {
		return "spans of requests"
	}
	if len(c.Namespaces) == 0 {
		return "everything else"
	}
	return strings.Join(c.Namespaces, ", ")
}
