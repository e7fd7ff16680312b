// Package rehearsal runs the whole life of a stack under the real Pulumi engine
// against the simulated cloud: first preview, update from nothing, an update
// that changes nothing, a change, a way back, drift, failures in the middle,
// destroy. Nothing of it touches an account, the stack's own backend or the
// checkout: backend, configuration and cloud lie in a directory of their own.
package rehearsal
