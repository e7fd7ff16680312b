package stacks

// Logging says which logs are kept, and for how long. A record is deleted
// when its time is over, whether or not anybody writes.
type Logging struct {
	// Sink is where logs are kept: "files", compressed files on each node, which
	// are gone with the node; "s3", the same, and a copy of each in the bucket of
	// aws.logs, for as long; or "off", which collects nothing and leaves what the
	// kubelet keeps. A change to off leaves the files that exist, and one from s3
	// what is in the bucket, until its time is over.
	Sink string `json:"sink"`
	// AccessDays is how long records of the ingress are kept, of which there is
	// one per request.
	AccessDays int `json:"accessDays" min:"1" max:"90"`
	// ApplicationDays is how long records of the service are kept.
	ApplicationDays int `json:"applicationDays" min:"1" max:"90"`
	// DatabaseDays is how long records of PostgreSQL, Patroni and the poolers are
	// kept.
	DatabaseDays int `json:"databaseDays" min:"1" max:"90"`
	// SystemDays is how long records of everything else are kept.
	SystemDays int `json:"systemDays" min:"1" max:"90"`
	// DiskMiB is how much of each node's disk each of these four may take, and spans. When
	// one is full, its oldest records go before their time, which is counted.
	DiskMiB int `json:"diskMiB" min:"4" max:"65536"`
	// MaxLineBytes is where a text in a record is cut.
	MaxLineBytes int `json:"maxLineBytes" min:"1024" max:"1048576"`
}

// Tracing follows requests through the ingress, the service and its statements.
// Spans go where logs go, so that with logging.sink off there are none, and
// with s3 they are copied too.
type Tracing struct {
	// PerThousand is how many of 1000 requests are followed; 0 follows none. One with
	// a traceparent whose trace number has 0000 behind its first 16 digits always is.
	// A change rolls the ingress, the service and the collectors.
	PerThousand int `json:"perThousand" min:"0" max:"1000"`
	// Days is how long spans are kept. They may take as much of each node's disk as
	// a class of logs, logging.diskMiB.
	Days int `json:"days" min:"1" max:"90"`
}

// DataProtection says what is removed from logs before they are stored.
type DataProtection struct {
	// Profile is "standard", which truncates addresses to their network and
	// removes credentials, e-mail addresses and query strings, or "off", which
	// stores what programs wrote. Neither makes programs write more: what they
	// leave out is held by policies.
	Profile string `json:"profile"`
}
