// Package rules says what is computed from metrics and when people are told:
// recording rules, service level objectives and alerts, as typed values that
// are written as Prometheus rule files.
//
// An alert is something a person has to act on, and its runbook
// (docs/runbooks/<name>.md) says how. Severity "critical" means that clients
// notice or that data is at risk: somebody is woken. "warning" means that it
// will come to that: somebody looks in working hours. "none" is for the
// Watchdog, which always fires, so that silence is noticed elsewhere.
//
// What the cluster's own control plane does is judged by the API server's
// answers alone. Where it is managed, its other parts cannot be asked, and
// where it is not, they listen on loopback only; so no rule is about them.
package rules
