// Package monitoring watches a platform: Prometheus scrapes every part of it
// and judges what it finds, Alertmanager tells people, node-exporter speaks for
// the nodes and kube-state-metrics for the cluster's objects. What is judged
// and when people are told is package rules.
//
// Prometheus finds its targets through the Kubernetes API, by namespace, label
// and port name, and talks to each pod directly; a target that is gone is
// noticed by its absence. Each replica scrapes and judges for itself, on a
// volume of its own, and tells every Alertmanager, which sort out what is said
// twice. Configuration and rules are immutable ConfigMaps: another content is
// another ConfigMap and rolls the pods one by one.
//
// Nothing here has a right to change anything in the cluster, and no pod sees a
// node: node-exporter runs as restricted as the rest. What the kernel says
// about processors, memory, pressure and disks is the same in every container,
// and the container's root lies on the node's disk. Networks and processes of
// the node stay unseen; the kubelet tells of those what is needed.
//
// Web interfaces are for people with access to the cluster only:
//
//	kubectl -n slipway-monitoring port-forward prometheus-0 9090
//
// Where a Grafana runs, it is let in to Prometheus, and finds the pages of
// package dashboards as ConfigMaps.
package monitoring
