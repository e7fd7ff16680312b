// Package archive is an exporter of the OpenTelemetry Collector that keeps log
// records and spans in files: one JSON object a line, with the field names of
// OpenTelemetry's log data model, or those of span.go.
//
// A class of logs or traces has its own files, called segments, "<class>-<begin>.jsonl".
// A segment ends by size or by age, is then compressed, and is deleted whole:
//
//   - when its beginning is older than the retention, so no record is ever kept
//     for longer, and each for at least the retention less one segment's age;
//   - when the class exceeds its share of the disk, the oldest first. That loses
//     records before their time, and is counted.
//
// A batch is acknowledged when the kernel has all of it, so a collector that is
// killed loses nothing: its receiver reads again, or is sent again, what was not
// acknowledged. A line that was only half written is taken back, at once or at the
// next start. One that cannot be written is not acknowledged, which is counted.
//
// Records that are about a person are erased by a process of its own (Erase),
// beside a collector that goes on writing; held.go says how the two are kept
// apart.
//
// Where there is a bucket, each segment that has ended is copied there, the
// oldest first, and noted as copied by its permissions (copies.go). Until then it
// is the buffer: a bucket that is away loses nothing while the class has room. A
// segment has one key, so what is copied again, after a kill or an erasure, takes
// the place of what was there.
//
// An exporter of its own, because the file exporter deletes old files only when
// it begins a new one: on a quiet day nothing would end in time.
package archive
