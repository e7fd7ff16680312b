// Package trace reads the spans that a platform's collectors keep, and shows how a
// request went through it.
//
// A span is one step of a request: it has a beginning, a length, a parent and some
// attributes, and those that share a trace's number belong to one request. Which
// requests are followed is a sample (the setting tracing.perThousand), so that what
// is shown here says how a request went and never how many there were.
package trace
