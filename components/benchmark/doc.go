// Package benchmark measures a platform from inside its cluster, again and again.
//
// # What it creates
//
// A namespace and a CronJob in it, which runs images/benchmark: for a stated time
// requests are sent at a fixed rate to the service, by the name that clients use
// and over verified HTTPS, but to the ingress's Service, so that neither a load
// balancer nor somebody's network is measured as well. A run that is slower than
// it may be, or of which more requests fail, is a failed Job, and an alert
// (BenchmarkFailed) until a later one has passed.
//
// Without a schedule the CronJob is suspended, and holds the template from which
// `slipway bench --in-cluster` starts a run by hand.
//
// # What a run may do
//
// Its pod meets the restricted pod security standard, has no token for the
// Kubernetes API, and reaches the cluster's DNS and the ingress; nobody reaches
// it. It asks for less memory than a proxy does and has no priority over anything.
// The schedule runs one at a time, a failed one is not repeated, which would only
// make load, and one that hangs is ended. What it stores it deletes, also when it
// is told to stop: the pod is given time for that.
//
// # Where results are
//
// On standard output as one line of JSON, from where the log collector keeps it,
// and as the termination message in the pod's status, where `slipway bench
// --in-cluster` finds what it compares with. The pods of the last runs stay until
// newer ones have ended, for keptSeconds at most; they go with their node. A
// volume or a right to write into the cluster would keep one more, at the price of
// a pod that can do something.
package benchmark
