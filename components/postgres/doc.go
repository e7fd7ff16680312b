// Package postgres declares a replicated PostgreSQL that loses no acknowledged
// row: Patroni in a StatefulSet, a PgBouncer in front of the primary and one
// in front of the replicas.
//
// # What decides who leads
//
// Patroni keeps its lock in ConfigMaps. Endpoints, its older way, are
// deprecated, and many clusters forbid editing them. Each member labels its own
// pod with its role, and the services select by that label. A member whose
// node is cut off cannot take its label back, so whoever leads next takes it
// (images/postgres, labels.py).
//
// # What is acknowledged
//
// Replication is synchronous by quorum: a commit returns once one standby of
// any has it on disk, and only a member that can prove it has every such
// commit may lead. Args.Durability says what happens when no standby is left:
// Strict lets writes wait, Available lets the primary go on alone. A commit
// that a client cancels while it waits is neither: it may survive or not.
//
// # What a change does
//
// Everything that differs from one cluster to the next is in one ConfigMap.
// Members pick up changed files by themselves. What Patroni stores in its own
// ConfigMap it reads from a file once, when a cluster is born; a Job named
// after the settings sends every later difference to the live cluster and
// restarts members one at a time where PostgreSQL needs that. The preview
// shows both, and an update fails when the cluster did not take the settings.
//
// # What is told
//
// Where somebody watches, an exporter stands in the pod of each member and of
// each pooler and asks that one alone: a leader that is gone silences no other.
// The members' has a role without a password that sees statistics and no row, and
// a user of its own, by which PostgreSQL knows it on the socket.
//
// # What is guarded
//
// The StatefulSet, its namespace and its passwords are protected: deleting one
// takes two deliberate steps. Volumes outlive their pods and the StatefulSet,
// and a StatefulSet that has to be replaced leaves its pods running for its
// successor to adopt.
package postgres
