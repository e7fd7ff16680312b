package postgres

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Port is where clients reach the database, pooled or directly.
const Port = 5432

// PreparedStatements is how many of a client's prepared statements the pooler
// keeps for it.
const PreparedStatements = 200

// DirectLabel on a pod of a client namespace, with the value "true", lets it
// reach the members without the pooler, for what needs a session of its own.
const DirectLabel = "slipway.dev/database-direct"

// Durability says what happens to writes when no standby can confirm them.
type Durability string

const (
	// Strict lets a write wait until a second member has it. With every
	// standby gone writes stand still, and reads do not. The primary's volume
	// may then be lost without losing an acknowledged row.
	Strict Durability = "strict"
	// Available lets a primary without any standby go on alone. Patroni notes
	// that first, so no outdated standby can lead afterwards; but the rows
	// written meanwhile are on one volume only.
	Available Durability = "available"
)

// Args describes one cluster.
type Args struct {
	// Namespace is created for the cluster. Changing it would replace
	// everything in it, which protection refuses.
	Namespace string
	// Image runs a member (images/postgres), PoolerImage a pooler
	// (images/pgbouncer), both with a tag. A new Image replaces the pods one
	// at a time, the leader hands over first: a write waits for a second or
	// two. A new PoolerImage drops sessions between transactions.
	Image, PoolerImage string

	// Members is the number of copies of the data. Default 3; with 2 nothing
	// may fail while one is restarted, with 1 there is no failover at all.
	// More members join by themselves; fewer leave their volumes behind.
	Members int
	// ShareNodes lets two members run on one node, for clusters with fewer
	// nodes than members. Losing such a node loses both. Changing it replaces
	// the pods one at a time.
	ShareNodes bool
	// Durability defaults to Strict with three members or more and to
	// Available with fewer. Changing it touches no pod.
	Durability Durability

	// StorageClass is where volumes come from. It cannot change: Kubernetes
	// would have to replace the StatefulSet.
	StorageClass pulumi.StringInput
	// Storage is the size of each member's volume. Default "1Gi". It sizes the
	// write-ahead log too. It cannot change either; grow the volume claims
	// where the class allows it.
	Storage string
	// CPU (default "100m") and Memory (default "512Mi") are reserved for each
	// member. Memory is also its limit, so that a member is never the one that
	// the kernel sacrifices for a neighbour; PostgreSQL's caches follow it.
	CPU, Memory string

	// Database and Owner are created once, both "api" by default. The owner
	// may create anything in its database and nothing outside. A new name
	// creates another one; the old one stays.
	Database, Owner string
	// Parameters are settings of PostgreSQL, added to those that this package
	// chooses and stronger than them. Those that replication, durability or
	// access depend on are refused. One that needs a restart gets a restart,
	// member by member.
	Parameters map[string]string

	// TTL, LoopWait and RetryTimeout are Patroni's clock, in seconds. A leader
	// that cannot be seen is replaced after TTL at the latest (default 20, the
	// smallest Patroni allows), a member looks around every LoopWait (default
	// 5), and gives up on the Kubernetes API after RetryTimeout (default 5).
	// LoopWait + 2*RetryTimeout must not exceed TTL, or a slow API would cost
	// the leader its lock.
	TTL, LoopWait, RetryTimeout int

	// Pooler is the pair of PgBouncers.
	Pooler Pooler
	// ClientNamespaces are the namespaces whose pods may connect to the
	// poolers, and nobody else may.
	ClientNamespaces []string
	// MonitoringNamespace may read metrics: Patroni's, the repository's, and those
	// of an exporter in each member's and pooler's pod, which is there for it. Empty:
	// nobody may, and there are no exporters. Switching it on or off replaces the
	// pods, members one at a time.
	MonitoringNamespace string
	// APINetworks are where the Kubernetes API answers, as CIDRs. Default
	// anywhere, on the API's ports: it is no pod, so a policy can only name its
	// addresses.
	APINetworks []string
	// TLS encrypts every connection, to the pooler, behind it, and between
	// members. Nil leaves them in the clear. Decide at the beginning: members
	// of a live cluster that disagree cannot replicate until all restarted.
	TLS *TLS

	// Backups are kept by a pod of their own, in pgBackRest's repository. It needs
	// TLS. Nil keeps none; switching them on or off restarts the members, one at a
	// time.
	Backups *Backups

	// Unprotected allows a destroy to delete the cluster and its data. The
	// zero value refuses. Setting it and applying that is the first of the two
	// steps that deletion takes.
	Unprotected bool
}

// Pooler describes both PgBouncers. Transactions of many clients share few
// connections, so sessions do not exist: no SET without LOCAL, no session
// locks, no LISTEN. Prepared statements work, by name and through the
// protocol, not through SQL PREPARE.
type Pooler struct {
	// Replicas is the number of pods of each. Default 2.
	Replicas int
	// PoolSize is how many connections one pod opens to PostgreSQL at most.
	// Default 16. It decides max_connections, which takes a restart.
	PoolSize int
	// MaxClients is how many clients one pod serves. Default 500. Beyond it,
	// connecting is refused.
	MaxClients int
	// QueryWaitSeconds is how long a query waits for a connection before its
	// client is told off. Default 30: a failover takes less.
	QueryWaitSeconds int
}

// TLS names who signs the certificates of members and poolers.
type TLS struct {
	// IssuerName and IssuerKind name a cert-manager issuer that signs for
	// names inside the cluster and publishes its CA with them; a public one
	// does neither.
	IssuerName, IssuerKind pulumi.StringInput
	// Ready is what must be up before a certificate can be asked for.
	Ready []pulumi.Resource
}

// Backups says what is kept to get the database back at any moment since. Every
// second that is older than ArchiveSeconds and younger than KeepDays can be
// restored.
type Backups struct {
	// KeepDays is how far back one can go. Default 7. What that takes is kept: a
	// full backup, and all that came after it, for up to FullDays longer.
	KeepDays int
	// FullDays is how often everything is copied. Default 7.
	FullDays int
	// EveryHours is how often what changed since is copied. Default 24. More often
	// makes restoring quicker; nothing is lost between two backups.
	EveryHours int
	// ArchiveSeconds is the longest that what was written stays with the members
	// alone. Default 60. With every volume of theirs lost at once, so much is.
	ArchiveSeconds int
	// CheckMinutes is how often it is tried that the archive receives. Default 15.
	CheckMinutes int
	// DrillDays is how often a backup is restored and read, to know that it can
	// be. Default 7; -1 is never.
	DrillDays int
	// Storage is the size of the repository's volume. A drill restores onto it, so
	// it is no smaller than the members'; without S3 it holds the backups too.
	// Default Args.Storage, or twice that without S3. It cannot change.
	Storage string
	// S3 is a bucket to keep them in. Nil keeps them on the volume.
	S3 *S3
}

// S3 is a bucket and who may use it.
type S3 struct {
	// Bucket is its name, Region where it is.
	Bucket pulumi.StringInput
	Region string
	// Role is what the repository's service account says of itself in the
	// annotation RoleAnnotation, to be let in.
	Role           pulumi.StringInput
	RoleAnnotation string
	// Inside are networks in which the cloud's own services have private
	// addresses, as CIDRs. Default none.
	Inside []string
}
