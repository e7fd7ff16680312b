// Package crd reads custom resource definitions that an upstream project
// publishes and declares them as resources.
//
// The files come from the pinned Go module of the program that serves them, so
// definitions and program cannot drift apart. They are parsed here, in the
// program, rather than handed to the provider as a manifest: a preview then
// shows each definition as a resource of its own, and a broken file is an
// error that names it before anything is registered.
//
// Descriptions are left out. They are prose for `kubectl explain`, and most of
// the bytes: with them every checkpoint of a stack would carry, and
// every preview would compare, several hundred kilobytes that no one reads.
package crd
