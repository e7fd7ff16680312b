// Package logging keeps the logs of every pod of a cluster, for a stated time
// and without personal data.
//
// # What it creates
//
// A namespace and a DaemonSet of the OpenTelemetry Collector (images/collector)
// in it. Each pod reads what the kubelet wrote below /var/log/pods of its node,
// parses the runtime's format and the JSON of the platform's own programs,
// redacts, and appends to files on the node, /var/lib/otelcol/archive.
// Namespace, pod and container come from the path of the file, so the collector
// needs no right to ask the API server, and asks nobody else either. Prometheus
// alone is let in, to the metrics.
//
// With Args.Traces it also takes spans over OTLP/HTTP, from the pods of its own
// node, and appends them to the archive as one more class. Spans are a sample: what
// cannot be sent within some seconds is lost, and nobody waits for it.
//
// With a bucket (Args.S3) it also copies each file of the archive there, for which
// it has a service account with a role of the cloud's, and a way out at port 443.
//
// # What is where
//
//   - The kubelet's own files hold what a program wrote, unredacted, until the
//     kubelet rotates them away: by size, at most two files' worth per
//     container. They are the buffer while the collector is away.
//   - The archive holds redacted records by class, each class with its own time
//     and its own share of the disk. A segment is deleted when it is too old,
//     whether or not anybody writes, and before its time when the class is over
//     its share; that is logged and counted
//     (slipway_archive_deleted_bytes_total, by reason).
//   - The bucket, where there is one, holds a copy of each file of the archive that
//     has ended, pods/<class>/date=<day>/hour=<hour>/<begin>-<node>.jsonl.gz, also
//     of nodes that are gone. Each class has a prefix, so that the bucket can delete
//     it after its own time. The collectors may write there, and neither read nor
//     delete.
//
// # Nothing lost, little repeated
//
// How far each file was read is on the node's disk, and is noted only after the
// archive has acknowledged what was read. A collector that is killed repeats
// what it had not noted. One that cannot write (full disk) waits and tries again
// for as long as it takes, and counts that (slipway_archive_failed_writes_total).
// A bucket that is away is tried again for as long as it takes
// (slipway_archive_failed_sends_total), while the archive is the buffer: the class's
// share of the disk, compressed. A file is copied under one key, so the copies hold
// every record as often as the archive does.
// What can be lost: lines that the kubelet rotates away twice while nobody reads;
// and, of a line longer than 16 KiB, which the runtime writes in pieces, the
// pieces read before a kill.
//
// # Why root
//
// The kubelet's log files are root's, and so is every directory that it makes
// for a hostPath. The collector runs as user 0 without any capability, without
// privilege escalation, on a read-only image, with the runtime's seccomp profile
// and no way out but to the bucket; policies/waivers.yaml says so, and policies/settings.yaml
// which two paths of the node it may have.
package logging
