// Package prometheus asks a Prometheus server what it knows: instant and range
// queries, and alerts. It only reads, bounds how long an answer may take and how
// long it may be, and says of each failure what it means and what to do.
package prometheus
