// Package image builds every container image the platform runs, without a
// registry: from pinned Go programs, from distribution packages and from the
// Dockerfiles of this repository.
//
// Images keep the names they have upstream, so that a manifest cannot tell an
// image built here from one that was pulled. Each becomes one archive in the
// cache, found again by a key over all its inputs: an unchanged image costs a
// few file reads, and a change rebuilds only the images made from it.
package image
