// Package dashboards is what Grafana shows of a platform, where a Grafana runs:
// typed values that are written as Grafana's dashboard JSON.
//
// Panels ask for what the rules record where they record it, so that a picture
// and an alert about the same thing agree. Every expression names its job, and
// only metrics that are kept of it; a test holds both. The time windows are
// fixed, not Grafana's: the expressions are PromQL as it stands, which promtool
// reads.
package dashboards
