package stacks

// The comments of the fields below are the reference of the settings: the page
// docs/settings.md is written from them. "min" and "max" tags are bounds that
// Validate enforces.

// Settings are everything a stack decides. Each field is a configuration key of
// its own, such as slipway:api.
type Settings struct {
	// Foundation is where the stack runs: "local", a cluster that exists
	// already, by its kubeconfig or this machine's lab, "aws", where
	// everything is made, "account", which is no environment but what an
	// account on AWS needs before the first one, or "guest", beside another
	// stack in its cluster. It cannot be changed for a stack that has resources.
	Foundation string `json:"foundation"`
	// Cluster says which Kubernetes cluster.
	Cluster Cluster `json:"cluster"`
	// Admission says what the cluster's API server refuses.
	Admission Admission `json:"admission"`
	// Storage says who provides volumes.
	Storage Storage `json:"storage"`
	// DNS describes the zones and who serves them.
	DNS DNS `json:"dns"`
	// Certificates describes the certificates of the platform.
	Certificates Certificates `json:"certificates"`
	// Ingress describes how requests come in.
	Ingress Ingress `json:"ingress"`
	// Database describes the PostgreSQL cluster.
	Database Database `json:"database"`
	// API describes the service.
	API API `json:"api"`
	// Monitoring says what is watched and who is told.
	Monitoring Monitoring `json:"monitoring"`
	// Logging says which logs are kept, and for how long.
	Logging Logging `json:"logging"`
	// Tracing says how many requests are followed, and for how long that is kept.
	Tracing Tracing `json:"tracing"`
	// DataProtection says what is removed from logs before they are stored.
	DataProtection DataProtection `json:"dataProtection"`
	// Benchmark says how the platform is measured from inside its cluster.
	Benchmark Benchmark `json:"benchmark"`
	// Account describes what an account on AWS needs once, before its first
	// environment. It belongs to foundation account only.
	Account Account `json:"account"`
	// AWS describes an environment on AWS, and is left out elsewhere.
	AWS AWS `json:"aws"`
	// Guest describes what a branch preview uses of the stack it lives beside. It
	// belongs to foundation guest only.
	Guest Guest `json:"guest"`
}

// Cluster names an existing Kubernetes cluster. It is left out with foundation
// aws, as are storage, the servers of dns, and ingress.addresses.
type Cluster struct {
	// Kubeconfig is the path of a kubeconfig file, or its content. Left out, the
	// cluster is this machine's lab.
	Kubeconfig string `json:"kubeconfig"`
	// Context picks one of the kubeconfig's contexts. Left out, its current one.
	Context string `json:"context"`
	// Identifier says which cluster this is. The same name with another
	// kubeconfig updates the stack in place; another name creates everything
	// anew in the other cluster. Required.
	Identifier string `json:"identifier"`
	// APINetworks are where the Kubernetes API answers, in CIDR notation; what
	// talks to it may reach no other network. Left out, any, on the API's ports.
	APINetworks []string `json:"apiNetworks"`
	// NodeNetworks are where the nodes are, in CIDR notation; monitoring asks
	// kubelets there and nowhere else. Left out, anywhere, on the kubelet's port.
	NodeNetworks []string `json:"nodeNetworks"`
}

// Admission says what the API server does about objects of the platform that
// break a rule, whoever sends them.
type Admission struct {
	// Action is "deny", which refuses them, "warn", which lets them in and tells
	// the sender, or "off", which declares no policies, for a cluster older than
	// Kubernetes 1.30. A change takes effect within seconds; nothing that runs is
	// touched.
	Action string `json:"action"`
}

// Storage says who provides volumes.
type Storage struct {
	// Provisioner is the name of the cluster's volume driver. Required. A change
	// replaces the storage classes; existing volumes stay as they are.
	Provisioner string `json:"provisioner"`
	// Parameters go to the driver with every volume. A change replaces the
	// storage classes and holds for volumes created from then on.
	Parameters map[string]string `json:"parameters"`
}

// DNS describes the two zones and the servers that answer for them.
type DNS struct {
	// PublicZone is the zone that clients use. Required. api.host lies in it.
	PublicZone string `json:"publicZone"`
	// PrivateZone is the zone for inside use, where the database has its name.
	// Required.
	PrivateZone string `json:"privateZone"`
	// ClusterIP is the fixed service address of the servers. The cluster's own
	// DNS has to forward both zones to it; the lab's does. Left out, any free
	// address, and you forward the zones yourself.
	ClusterIP string `json:"clusterIP"`
	// HostPort opens this port, TCP and UDP, on every node, so that the zones
	// can be asked from outside the cluster. 0 opens none.
	HostPort int `json:"hostPort" min:"0" max:"65535"`
	// Replicas is the number of servers; with hostPort it is one per node
	// instead.
	Replicas int `json:"replicas" min:"1" max:"10"`
	// TTLSeconds is how long resolvers may keep an answer, and so how long a
	// change may take to be seen everywhere.
	TTLSeconds int `json:"ttlSeconds" min:"1" max:"86400"`
}

// Certificates describes the certificates of the platform.
type Certificates struct {
	// AuthorityName is what the private authority is called in a browser.
	AuthorityName string `json:"authorityName"`
	// AuthorityDays is how long the authority's own certificate is valid. When
	// it is renewed, clients have to be given the new one.
	AuthorityDays int `json:"authorityDays" min:"1" max:"36500"`
	// ValidHours is the life of a certificate. A change takes effect at the next
	// renewal.
	ValidHours int `json:"validHours" min:"1"`
	// RenewHours is how long before its end a certificate is renewed; less than
	// validHours.
	RenewHours int `json:"renewHours" min:"1"`
}

// Ingress describes how requests come in.
type Ingress struct {
	// HTTPSPort is where the platform answers, and part of its address. HTTPPort
	// only redirects there. With hostPorts both are opened on every node.
	HTTPSPort int `json:"httpsPort" min:"1" max:"65535"`
	// HTTPPort answers every request with a redirect to httpsPort.
	HTTPPort int `json:"httpPort" min:"1" max:"65535"`
	// HostPorts opens the two ports on the nodes themselves, for clusters that
	// have no load balancer.
	HostPorts bool `json:"hostPorts"`
	// Addresses are where clients find the platform: the public zone answers
	// with them. At least one. A change is seen after dns.ttlSeconds.
	Addresses []string `json:"addresses"`
	// Replicas is the number of proxies without load; with hostPorts it is one
	// per node instead.
	Replicas int `json:"replicas" min:"2" max:"100"`
	// MaxReplicas is the number of proxies under any load.
	MaxReplicas int `json:"maxReplicas" min:"2" max:"100"`
	// RequestsPerSecond is what one client address may sustain at one proxy;
	// more is answered 429. Clients behind one forwarder share it. 0 sets no
	// limit.
	RequestsPerSecond int `json:"requestsPerSecond" min:"0"`
	// Burst is how many requests one client address may send at once.
	Burst int `json:"burst" min:"1"`
	// HSTSSeconds is how long a browser that has been here refuses plain HTTP. 0
	// does not tell it to.
	HSTSSeconds int `json:"hstsSeconds" min:"0"`
	// TrustedProxies are networks whose X-Forwarded-For is believed, in CIDR
	// notation. Anyone else's is replaced.
	TrustedProxies []string `json:"trustedProxies"`
	// Guests takes branch previews in, and is the part of dns.publicZone in
	// which they have their names: with "preview", pr-1 answers at
	// pr-1.preview.<publicZone>. Left out, none is let in. A change moves none
	// that is there; create them again. With foundation local only.
	Guests string `json:"guests"`
}

// Guest says what a branch preview uses of its host, the stack it lives beside,
// in place of having its own. `slipway env create` writes it from what the host
// publishes.
type Guest struct {
	// Host is the host's stack. Every namespace of the guest names it, which is
	// how the host's proxies may reach it. Required.
	Host string `json:"host"`
	// Expires is from when on the guest may be removed, such as
	// 2026-12-01T12:00:00Z. Every namespace of the guest says so. Required.
	Expires string `json:"expires"`
	// IngressNamespace is where the host's proxies run; requests are taken from
	// there only. Required.
	IngressNamespace string `json:"ingressNamespace"`
	// Issuer is the host's ClusterIssuer, which signs the guest's certificates.
	// Required.
	Issuer string `json:"issuer"`
	// VolumeClass is the storage class of the database's volumes; one that
	// deletes them with their claim. Required.
	VolumeClass string `json:"volumeClass"`
	// CACertificate is the certificate of the host's authority in PEM, which
	// clients of the guest have to trust. Required.
	CACertificate string `json:"caCertificate"`
}

// Database describes the PostgreSQL cluster.
type Database struct {
	// Members is the number of copies of the data. With 3, one may be lost
	// while writes go on and every acknowledged row stays.
	Members int `json:"members" min:"1" max:"9"`
	// Durability is "strict", where writes wait until a second member has them,
	// or "available", where a primary without standbys goes on alone. Left out:
	// strict with 3 members or more.
	Durability string `json:"durability"`
	// ShareNodes lets two members run on one node, for clusters with fewer nodes
	// than members.
	ShareNodes bool `json:"shareNodes"`
	// Storage is the size of each member's volume. It cannot change; grow the
	// volume claims where the driver allows it.
	Storage string `json:"storage"`
	// CPU is reserved for each member.
	CPU string `json:"cpu"`
	// Memory is reserved for each member and is its limit; PostgreSQL's caches
	// follow it.
	Memory string `json:"memory"`
	// Name is the database that the service uses. A new name creates another,
	// empty one; the old one stays.
	Name string `json:"name"`
	// Owner is the role that owns the database and that the service connects as.
	Owner string `json:"owner"`
	// Parameters are settings of PostgreSQL, on top of those the component
	// chooses.
	Parameters map[string]string `json:"parameters"`
	// TTLSeconds is how long a primary may be silent before another member takes
	// over; at least loopWaitSeconds + 2 x retryTimeoutSeconds, or a slow
	// cluster API would depose a healthy one.
	TTLSeconds int `json:"ttlSeconds" min:"20" max:"3600"`
	// LoopWaitSeconds is how often each member looks at the cluster.
	LoopWaitSeconds int `json:"loopWaitSeconds" min:"1" max:"600"`
	// RetryTimeoutSeconds is how long a member keeps asking a cluster API that
	// does not answer.
	RetryTimeoutSeconds int `json:"retryTimeoutSeconds" min:"3" max:"600"`
	// Pooler describes the connection poolers before the members.
	Pooler Pooler `json:"pooler"`
	// Backups says what is kept to get the database back. A branch preview keeps
	// none.
	Backups Backups `json:"backups"`
	// Encrypted puts every connection to the database and inside it under TLS.
	// Decide at the beginning: changing it for a running cluster interrupts
	// replication until every member has restarted.
	Encrypted bool `json:"encrypted"`
	// Unprotected lets a destroy delete the database and its data. Setting and
	// applying it is the first of two steps.
	Unprotected bool `json:"unprotected"`
}

// Backups says what is kept to get the database back. Any moment that is younger
// than keepDays and older than archiveSeconds can be restored.
type Backups struct {
	// Enabled keeps backups: on AWS in a bucket, elsewhere on a volume beside the
	// database. It needs database.encrypted. A change restarts the members, one at a time.
	Enabled bool `json:"enabled"`
	// KeepDays is how far back one can go.
	KeepDays int `json:"keepDays" min:"1" max:"3650"`
	// FullDays is how often everything is copied; at most keepDays.
	FullDays int `json:"fullDays" min:"1" max:"90"`
	// EveryHours is how often what changed since is copied. It makes restoring
	// quicker; what is written between two backups is archived as it comes.
	EveryHours int `json:"everyHours" min:"1" max:"2160"`
	// ArchiveSeconds is the longest that what was written is with the members
	// alone: so much is lost when all their volumes are.
	ArchiveSeconds int `json:"archiveSeconds" min:"10" max:"3600"`
	// CheckMinutes is how often it is tried that the archive receives.
	CheckMinutes int `json:"checkMinutes" min:"1" max:"1440"`
	// DrillDays is how often a backup is restored beside the database and read, to
	// know that it can be. 0 is never.
	DrillDays int `json:"drillDays" min:"0" max:"365"`
	// Storage is the size of the volume that a drill restores onto and that, outside
	// of AWS, holds the backups. It cannot change. Left out: database.storage, or
	// twice that where it holds the backups.
	Storage string `json:"storage"`
}

// Pooler describes the connection poolers before the members.
type Pooler struct {
	// Replicas is the number of poolers before the primary, and before the
	// replicas.
	Replicas int `json:"replicas" min:"1" max:"20"`
	// PoolSize is how many connections one pooler opens to PostgreSQL.
	PoolSize int `json:"poolSize" min:"1" max:"500"`
	// MaxClients is how many clients one pooler serves.
	MaxClients int `json:"maxClients" min:"1" max:"20000"`
	// QueryWaitSeconds is how long a query waits for a connection; longer than a
	// failover takes.
	QueryWaitSeconds int `json:"queryWaitSeconds" min:"1" max:"600"`
}

// API describes the service.
type API struct {
	// Host is the service's public name, inside dns.publicZone. A change moves
	// the service at once; the old name is answered 404.
	Host string `json:"host"`
	// Strategy is how releases follow each other: "rolling" replaces pods as
	// new ones become ready; "blueGreen" keeps two releases and moves all requests at once.
	Strategy string `json:"strategy"`
	// BlueGreen holds the two releases of that strategy.
	BlueGreen BlueGreen `json:"blueGreen"`
	// Scaling bounds the number of pods of each release.
	Scaling Scaling `json:"scaling"`
	// Resources are those of one pod.
	Resources Resources `json:"resources"`
	// Pool bounds the database connections of one pod.
	Pool Pool `json:"pool"`
	// LogLevel is debug, info, warning or error.
	LogLevel string `json:"logLevel"`
	// Drain is the chain of timings by which a pod leaves without losing a
	// request.
	Drain Drain `json:"drain"`
}

// BlueGreen holds the two releases of that strategy. A release is the tag of
// an image that was built before, such as "src-0123456789ab", or "checkout"
// for what this checkout builds.
type BlueGreen struct {
	// Active is the colour that gets every request: "blue" or "green".
	Active string `json:"active"`
	// Blue is the release of that colour.
	Blue string `json:"blue"`
	// Green is the release of that colour.
	Green string `json:"green"`
}

// Scaling bounds the number of pods of each release.
type Scaling struct {
	// Min is the number of pods without load. With fewer than 2 every node drain
	// would be an outage.
	Min int `json:"min" min:"2" max:"1000"`
	// Max is the number of pods under any load.
	Max int `json:"max" min:"2" max:"1000"`
	// CPUPercent is the use of resources.cpu that the autoscaler aims at.
	CPUPercent int `json:"cpuPercent" min:"1" max:"1000"`
	// MemoryPercent is the use of resources.memory that the autoscaler aims at.
	MemoryPercent int `json:"memoryPercent" min:"1" max:"1000"`
	// CalmSeconds is how long demand must stay low before pods are taken away,
	// one at a time.
	CalmSeconds int `json:"calmSeconds" min:"1" max:"3600"`
}

// Resources are those of one pod. Changing one replaces the pods.
type Resources struct {
	// CPU is reserved for each pod; it may use more when the node has it.
	CPU string `json:"cpu"`
	// Memory is reserved for each pod.
	Memory string `json:"memory"`
	// MemoryLimit is where a pod is killed; not below memory.
	MemoryLimit string `json:"memoryLimit"`
}

// Pool bounds the database connections of one pod.
type Pool struct {
	// Min connections are kept open.
	Min int `json:"min" min:"1" max:"1000"`
	// Max connections are opened under load.
	Max int `json:"max" min:"1" max:"1000"`
}

// Drain is the chain of timings by which a pod leaves without losing a request.
// Changing one replaces the pods.
type Drain struct {
	// PreStopSeconds is how long a leaving pod serves as before, until the proxy
	// has heard of it.
	PreStopSeconds int `json:"preStopSeconds" min:"1"`
	// DrainSeconds is how long it then reports "not ready" and still serves. It
	// exceeds readinessPeriodSeconds x readinessThreshold.
	DrainSeconds int `json:"drainSeconds" min:"1"`
	// ShutdownSeconds is how long requests already begun may take to finish.
	ShutdownSeconds int `json:"shutdownSeconds" min:"1"`
	// GraceSeconds is when the kubelet kills the pod. It exceeds the three above
	// together.
	GraceSeconds int `json:"graceSeconds" min:"1"`
	// ReadinessPeriodSeconds is how often a pod is asked whether it is ready.
	ReadinessPeriodSeconds int `json:"readinessPeriodSeconds" min:"1"`
	// ReadinessThreshold is how many refusals in a row take it out.
	ReadinessThreshold int `json:"readinessThreshold" min:"1"`
	// ProxyIdleSeconds is how long the proxy keeps an unused connection to a
	// pod.
	ProxyIdleSeconds int `json:"proxyIdleSeconds" min:"1"`
	// KeepAliveSeconds is how long a pod keeps an unused connection. It exceeds
	// proxyIdleSeconds, or pods close connections that the proxy still uses.
	KeepAliveSeconds int `json:"keepAliveSeconds" min:"1"`
}
