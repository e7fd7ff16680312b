// Package storage gives every cluster the same two storage classes, whatever
// provisions volumes there.
//
// Workloads name a class by what happens to the data, not by the product that
// holds it: "standard" deletes a volume with its claim, "retain" keeps it until
// a person decides. Databases use retain, so that deleting a claim, a
// namespace or the whole stack by mistake loses nothing that cannot be bound
// again.
//
// Both bind a volume only when a pod is scheduled. Binding earlier would pick
// the zone before the scheduler has spread the pods, and the pod would have to
// follow its volume.
//
// Neither is the cluster's default class. A claim without a class then stays
// pending with a clear event, instead of landing silently on a volume that is
// deleted with it.
package storage
