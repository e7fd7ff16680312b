// Package dns makes an environment's zones answer: with CoreDNS inside the
// cluster (New), or by Route 53 (NewHosted and NewRecords).
//
// Zones and records are described by Zone and Record, which know nothing of who
// serves them. With Route 53 the zones come first and what they hold last: the
// certificates' authority has to prove itself in a zone before there is
// anything to find in it.
//
// # Public and private
//
// A public zone is for everyone, a private one for clients in PrivateClients;
// others get REFUSED. Both are served by the same servers on the same port,
// because a cluster has one place that its DNS forwards to. Nothing internal
// may stand in a public zone: addresses that are not public, names that only
// resolve inside, and texts that contain either are errors, found as soon as a
// value is known and named by their path. A network that is private by its
// numbers but is how outsiders get in, such as the nodes of a lab, is allowed
// by PublicNetworks.
//
// # How a change gets live
//
// Corefile and zone files are one ConfigMap without a fixed name, which never
// changes: a changed record makes a new ConfigMap, the servers are rolled to
// it one by one, and the old one goes last. So when an update has finished the
// change is being served; a zone that CoreDNS cannot load stops the rollout
// while the old servers still answer; and a rollback finds what it rolls back
// to. Reloading files in place would leave all three to chance, a minute or
// more after the update.
//
// # Servers
//
// Without HostPort the servers are a Deployment spread over zones, surging when
// they are rolled, with a disruption budget. With HostPort they are a DaemonSet:
// a host port belongs to a node, so there can be one server per node and no
// surge, and a node without a server would refuse queries that a client sent
// there. A server that is told to stop answers for five more seconds, until
// nothing sends to it any more.
//
// A host port is forbidden by every pod security standard below privileged, so
// with HostPort the namespace has to be privileged. The pods still meet the
// restricted standard in everything else, and without HostPort the namespace
// enforces it.
package dns
