// Package load sends requests when they are due and measures how late their
// answers are.
//
// # Open loop
//
// Request number n is due at start + n/rate, whatever became of the ones before
// it, and its latency counts from that moment. A client that waits for an answer
// before it sends the next request slows down with the service: a stall of a
// second is then one slow request, and the many that should have been sent
// meanwhile are missing from the figures. Here each of them is late by what was
// left of the stall. The number of workers bounds connections and memory and
// nothing else: a request that waits for a worker is late as well.
//
// The service at full speed is measured with a rate of 0, where each worker
// sends again as soon as it is answered. Latencies then mean little.
//
// # What it uses
//
// The standard library alone, like every program that package internal/image
// compiles into an image: the tag of the image is made of the files below
// images/benchmark, and must not stay when a module elsewhere changes.
package load
