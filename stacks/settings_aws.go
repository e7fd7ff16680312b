package stacks

// AWS describes an environment on AWS. It is empty for stacks elsewhere.
type AWS struct {
	// Account is the account's number, in quotes. With credentials of any other
	// account nothing is declared. Required. It cannot be changed for a stack that
	// has resources.
	Account string `json:"account"`
	// Region is where everything runs, such as eu-central-1. Required. It cannot
	// be changed for a stack that has resources.
	Region string `json:"region"`
	// Owner is who answers for the environment; every resource carries it as a
	// tag.
	Owner string `json:"owner"`
	// Unprotected lets a destroy delete the cluster, zones, keys and buckets.
	// Setting and applying it is the first of two steps. Buckets must be empty.
	Unprotected bool `json:"unprotected"`
	// Network describes the VPC.
	Network Network `json:"network"`
	// Cluster describes the EKS cluster.
	Cluster EKS `json:"cluster"`
	// Zones says what Route 53 does beyond answering.
	Zones HostedZones `json:"zones"`
	// Authority is who signs the public certificates.
	Authority Authority `json:"authority"`
	// Balancer describes the load balancer before the ingress.
	Balancer Balancer `json:"balancer"`
	// Volumes describes the disks of the database and of everything else that
	// keeps data.
	Volumes Volumes `json:"volumes"`
	// Backups describes the bucket for backups of the database.
	Backups BackupBucket `json:"backups"`
	// Logs describes the bucket for logs and records of traffic.
	Logs Logs `json:"logs"`
	// Cost says what may be spent and who is told.
	Cost Cost `json:"cost"`
}

// Network describes the VPC.
type Network struct {
	// CIDR is its range: private, /16 to /22. Required. A change replaces
	// everything.
	CIDR string `json:"cidr"`
	// Zones are its availability zones, two or three. Required. Add at the end
	// only: subnets belong to positions.
	Zones []string `json:"zones"`
	// NAT is how nodes reach the internet: "one" gateway for all zones, which is
	// lost with its zone, or one "perZone".
	NAT string `json:"nat"`
	// Endpoints are services of AWS with an address inside the VPC, such as sts.
	// Each costs by the hour and zone. S3's is always there and free.
	Endpoints []string `json:"endpoints"`
}

// EKS describes the EKS cluster.
type EKS struct {
	// Version is that of Kubernetes, such as "1.34", in quotes. Required. It goes
	// up by one at a time and never down.
	Version string `json:"version"`
	// ServiceCIDR is the range of service addresses. It cannot be changed.
	ServiceCIDR string `json:"serviceCIDR"`
	// PublicCIDRs are networks from which the cluster's API is reached over the
	// internet. Left out, only from inside the VPC, and then whoever runs the
	// update has to be there, too.
	PublicCIDRs []string `json:"publicCIDRs"`
	// LogDays is how long the control plane's logs are kept, one of CloudWatch's
	// periods: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 and more.
	LogDays int `json:"logDays"`
	// Admins are the ARNs of roles that may do everything in the cluster. Who
	// runs updates is among them. Required.
	Admins []string `json:"admins"`
	// Viewers are the ARNs of roles that may look at what runs, and at no Secret.
	Viewers []string `json:"viewers"`
	// Auditors are the ARNs of roles that may look at everything, Secrets included,
	// and change nothing: what comparing with what was declared takes.
	Auditors []string `json:"auditors"`
	// AddOns are the versions of the cluster's add-ons, by name. Required.
	AddOns map[string]string `json:"addOns"`
	// NodeGroups are groups of equal nodes, by name. Required. Each has
	// instanceTypes, spot, min, max, diskGiB, labels and taints; see below.
	NodeGroups map[string]NodeGroup `json:"nodeGroups"`
	// OfficeHours are when there are nodes at all: outside of them nothing runs
	// that is paid for by the hour but the control plane, gateways and the load
	// balancer, and nothing answers. Left out, always.
	OfficeHours OfficeHours `json:"officeHours"`
}

// OfficeHours are when an environment has nodes.
type OfficeHours struct {
	// Days are among MON, TUE, WED, THU, FRI, SAT and SUN. Left out, Monday to
	// Friday.
	Days []string `json:"days"`
	// From is when they start, as "07:00", in quotes.
	From string `json:"from"`
	// To is when they stop, on the same day.
	To string `json:"to"`
	// TimeZone is whose clock that is, such as Europe/Berlin.
	TimeZone string `json:"timeZone"`
}

// NodeGroup is a group of equal nodes, spread over the zones.
type NodeGroup struct {
	// InstanceTypes are kinds of machine that will do, best first. Required.
	InstanceTypes []string `json:"instanceTypes"`
	// Spot takes spare machines: cheaper, and taken back at two minutes' notice.
	// A change replaces the group.
	Spot bool `json:"spot"`
	// Min is the number of nodes to begin with. Required.
	Min int `json:"min"`
	// Max is the number of nodes at most; what the platform asks for at its
	// largest has to fit. Required.
	Max int `json:"max"`
	// DiskGiB is the size of each node's own disk. Required.
	DiskGiB int `json:"diskGiB"`
	// Labels are given to the nodes.
	Labels map[string]string `json:"labels"`
	// Taints keep pods away that do not tolerate them, by key, as "value:effect".
	Taints map[string]string `json:"taints"`
}

// HostedZones says what Route 53 does beyond answering.
type HostedZones struct {
	// DNSSEC signs the public zone. The output ds then has to be put into the
	// parent zone, and taken out there a week before signing is switched off.
	DNSSEC bool `json:"dnssec"`
	// QueryLogDays is how long queries for the public zone are kept; they name
	// the resolvers that asked. 0 logs none.
	QueryLogDays int `json:"queryLogDays" min:"0"`
}

// Authority is who signs the public certificates: Let's Encrypt.
type Authority struct {
	// Email is told when a certificate is about to expire unrenewed. Required.
	Email string `json:"email"`
	// Staging takes certificates that browsers refuse, from an authority that
	// forgives mistakes.
	Staging bool `json:"staging"`
}

// Balancer describes the load balancer before the ingress.
type Balancer struct {
	// Clients are the networks that may come in. Left out, any.
	Clients []string `json:"clients"`
	// HealthSeconds is how often a node is asked whether it has a proxy.
	HealthSeconds int `json:"healthSeconds" min:"5" max:"300"`
	// UnhealthyCount is how many refusals take a node out.
	UnhealthyCount int `json:"unhealthyCount" min:"2" max:"10"`
	// AcceptSeconds is how long a proxy that goes still takes requests. It
	// exceeds healthSeconds x unhealthyCount.
	AcceptSeconds int `json:"acceptSeconds" min:"1" max:"1800"`
	// FinishSeconds is how long it then has for what it began; not less than
	// api.drain.shutdownSeconds.
	FinishSeconds int `json:"finishSeconds" min:"1" max:"1800"`
}

// Volumes describes gp3 disks. A change replaces the storage classes and holds
// for disks made from then on.
type Volumes struct {
	// IOPS is how many operations a second a disk does; 3000 are in its price.
	IOPS int `json:"iops" min:"3000" max:"16000"`
	// ThroughputMiB is how much a disk moves in a second; 125 are in its price.
	ThroughputMiB int `json:"throughputMiB" min:"125" max:"1000"`
}

// BackupBucket describes the bucket for backups of the database. What is in it,
// and for how long, is said by database.backups.
type BackupBucket struct {
	// LockDays is how long nobody with ordinary rights can delete one. 0 makes a
	// bucket without locks; switching between 0 and more replaces the bucket.
	LockDays int `json:"lockDays" min:"0"`
}

// Logs describes the bucket for logs and records of traffic.
type Logs struct {
	// KeepDays is how long records of traffic are kept. Logs of pods go sooner, as
	// logging says; none of its days may exceed it.
	KeepDays int `json:"keepDays" min:"1"`
	// ColdDays is when they move to cheaper storage; 0 is never, otherwise at
	// least 30 and below keepDays.
	ColdDays int `json:"coldDays" min:"0"`
	// ArchiveMinutes is how long a record is on its node alone before the bucket
	// has it too, and about a minute more, where logging.sink is s3.
	ArchiveMinutes int `json:"archiveMinutes" min:"1" max:"60"`
}

// Cost says what may be spent and who is told.
type Cost struct {
	// MonthlyUSD is what a month may cost, in dollars. Nothing is switched off
	// beyond it; people are told at 80 %, at 100 %, and when it is foreseen.
	MonthlyUSD int `json:"monthlyUSD" min:"1"`
	// AnomalyUSD is how far a day has to be out of line for people to be told.
	AnomalyUSD int `json:"anomalyUSD" min:"1"`
	// Mail lists who is told, one to ten. Required.
	Mail []string `json:"mail"`
}

// Account describes what an account on AWS needs once: where Pulumi's state is,
// where images are, and what CI may do.
type Account struct {
	// Repository is the one on GitHub whose CI delivers, as owner/name. Required.
	Repository string `json:"repository"`
	// Environments are GitHub's environments, each also the name of a stack. Each
	// gets a role for deploying, one for previewing and one for finding drift.
	// Required.
	Environments []string `json:"environments"`
	// People are ARNs of users and roles of this account, by environment, that may
	// take its deploy role beside CI; GitHub's approval is not asked of them. Left
	// out, nobody, and only CI updates.
	People map[string][]string `json:"people"`
	// KeepImages is how many images each repository holds. More than anybody
	// rolls back: the oldest goes.
	KeepImages int `json:"keepImages" min:"2"`
	// StateDays is how long an overwritten state can be fetched back.
	StateDays int `json:"stateDays" min:"7"`
}
