// Package fastapi runs one asynchronous Python web service so that a release,
// a scale-down or a lost zone costs no request.
//
// # What it creates
//
// A closed namespace with restricted pod security; configuration, and the
// database password as a mounted file; one migration Job per migrator; a
// Deployment, Service, HorizontalPodAutoscaler and PodDisruptionBudget per
// release; the certificate of its host; the routes by which Traefik reaches
// it; and network policies that allow exactly those flows.
//
// # Strategies
//
// Rolling keeps one release and replaces its pods: all new ones start at once,
// and each old one leaves when a new one is ready, so that there is never one
// fewer than wanted.
//
// BlueGreen keeps two complete releases and a TraefikService that gives one of
// them every request. Each step is one update, and each can be repeated after
// an interruption:
//
//  1. Give the idle colour the new image. Its Job migrates the database by
//     expanding the schema only, its pods start, nothing is routed to them.
//  2. Set the active colour to it. The weights move only after both colours
//     are ready. The colour that was active keeps all its pods: it finishes
//     what it was serving, and moving the weight back is a rollback in one
//     step.
//  3. Give the now idle colour the next image when the next release comes.
//
// Both colours scale by the same rules, so the idle one stands at the minimum
// and needs no warming up at the moment of the switch. Before a switch under
// high load raise that minimum to what the active colour runs at.
//
// Traefik answers 503 when every pod of a service is terminating, so traffic
// must leave a colour before its pods do. The Deployments therefore come
// first and the weights after them, and nothing in a switch stops a pod.
//
// # How a pod leaves
//
// See Drain for the chain of timings from "this pod is leaving" to SIGKILL.
//
// # What is reachable from outside
//
// Only Paths. Probes and /metrics share the port and are for the cluster:
// metrics tell an outsider how busy the service is and which routes it has.
package fastapi
