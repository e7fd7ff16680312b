package fastapi

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/workload"
)

// Strategy is how one release follows another.
type Strategy string

const (
	// Rolling replaces the pods of one release as new ones become ready.
	Rolling Strategy = "rolling"
	// BlueGreen keeps two releases and moves all traffic at once.
	BlueGreen Strategy = "blueGreen"
)

// Colour names one of the two releases of BlueGreen.
type Colour string

// The two colours. They have no rank; Args.Active says which one serves.
const (
	Blue  Colour = "blue"
	Green Colour = "green"
)

// Port is where the service listens, for requests, probes and metrics.
const Port = 8000

// Args describes the service.
type Args struct {
	// Namespace is created for the service. Changing it replaces everything in
	// it and drops requests meanwhile.
	Namespace string
	// Host is the public name that routes and certificate carry. Changing it
	// moves the routes at once; clients of the old name get 404.
	Host string
	// Paths are the path prefixes reachable from outside. Default: the API,
	// its documentation and its OpenAPI description. Anything else is answered
	// 404 by Traefik.
	Paths []string

	// Strategy decides how many Deployments exist. Default Rolling. A change
	// of strategy starts the other set of pods, moves the route, then removes
	// the first set.
	Strategy Strategy
	// Image is the release of Rolling, with a tag. A new tag rolls the pods.
	Image string
	// Images are the releases of BlueGreen, both given, possibly the same. The
	// Active colour gets every request.
	Images map[Colour]string
	Active Colour
	// Migrators are images that migrate the database for a release, by the image
	// of that release, each with a tag that changes whenever its migrations or
	// what runs them do. A new release with the same migrator waits for no
	// migration. A release that has none here migrates with its own image.
	Migrators map[string]string

	// Scaling bounds the number of pods per release.
	Scaling Scaling
	// Resources are those of one pod.
	Resources Resources
	// Pool is how many database connections one pod keeps.
	Pool Pool
	// LogLevel is debug, info, warning or error. Default info. Logs go to
	// standard output as JSON.
	LogLevel string
	// Drain is how a pod leaves.
	Drain Drain

	// Database is where rows live.
	Database Database
	// Ingress is the proxy that routes to the service.
	Ingress Ingress
	// Certificate is who vouches for Host.
	Certificate Certificate
	// MonitoringNamespace may scrape metrics. Empty: nobody may.
	MonitoringNamespace string
	// Traces is where spans go. Nil: requests are not traced. A change rolls the
	// pods.
	Traces *workload.Traces
}

// Scaling bounds the number of pods and says when to add some. All of it can
// change without touching a pod.
type Scaling struct {
	// Min is the number of pods without load, at least 2: with one, every node
	// drain is an outage. Default 2. Max is the upper bound. Default 6.
	Min, Max int
	// CPUPercent and MemoryPercent are targets relative to the requests in
	// Resources; the larger demand wins. Defaults 70 and 80. Memory that
	// Python once had it seldom gives back, so a low memory target scales up
	// for good.
	CPUPercent, MemoryPercent int
	// CalmSeconds is how long demand must stay low before pods are taken away.
	// Default 300; scaling up waits for nothing.
	CalmSeconds int
}

// Resources of one pod. Changing them rolls the pods.
type Resources struct {
	// CPU and Memory are reserved, in the notation of Kubernetes. Defaults
	// "100m" and "128Mi". There is no CPU limit: a limit throttles a pod while
	// its node idles, and the tail latency shows it.
	CPU, Memory string
	// MemoryLimit is where the kernel stops a leak. Default "256Mi"; not below
	// Memory.
	MemoryLimit string
}

// Pool bounds the connections of one pod to the pooler. Min (default 1) is
// kept open, Max (default 8) bounds how many statements run at once.
type Pool struct{ Min, Max int }

// Database is a PostgreSQL cluster behind a connection pooler.
type Database struct {
	// PrimaryHost accepts writes; ReplicaHost answers reads that may be a
	// little old.
	PrimaryHost, ReplicaHost pulumi.StringInput
	// Port is the pooler's, on both hosts.
	Port pulumi.IntInput
	// Name and User say what to open and as whom; the user owns the schema.
	Name, User pulumi.StringInput
	// PreparedStatements is how many each connection keeps, so that a statement
	// is parsed once and not at every request. What lies between must keep them
	// for each client: at most PgBouncer's max_prepared_statements. Default 0,
	// none, which is right behind any other pooler.
	PreparedStatements int
	// Password reaches the pods as a file and nothing else.
	Password pulumi.StringInput
	// Namespace is where the pooler runs; pods may connect there and nowhere
	// else.
	Namespace string
	// Ready is what must be up before the first migration: resources, not
	// components, whose children the SDK may not know yet.
	Ready []pulumi.Resource
}

// Ingress is a Traefik with its custom resource definitions.
type Ingress struct {
	// Namespace is where Traefik runs; only its pods may send requests.
	Namespace string
	// EntryPoint is the name of its TLS entry point. Default "websecure".
	EntryPoint string
	// Ready is what must be up before routes can be declared, as above.
	Ready []pulumi.Resource
}

// Certificate is how the certificate of Host is obtained.
type Certificate struct {
	// IssuerName and IssuerKind name a cert-manager issuer that may sign for
	// the host. Outputs that are known once it is ready make the certificate
	// wait for it.
	IssuerName, IssuerKind pulumi.StringInput
	// ValidHours and RenewHours are the certificate's life and how long before
	// its end it is renewed. Defaults 2160 (90 days) and 720 (30 days). A
	// change takes effect at the next renewal. Renewal needs no restart.
	ValidHours, RenewHours int
}
