// Package stacks says which pieces an environment has.
//
// Settings are read strictly from the stack's configuration and checked as a
// whole before anything is declared. A Foundation is what differs between
// places to run: a cluster, its volumes, and who serves its DNS zones. The
// platform on top of it, from certificates to the API, is the same everywhere
// and never asks which foundation it stands on.
package stacks
