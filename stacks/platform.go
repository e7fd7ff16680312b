package stacks

import (
	"fmt"

	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/admission"
	"slipway.dev/slipway/components/certificates"
	"slipway.dev/slipway/components/fastapi"
	"slipway.dev/slipway/components/postgres"
	"slipway.dev/slipway/components/traefik"
)

// databaseName is the database's name, and what its objects' names begin with.
const databaseName = "postgres"

// The namespaces of a platform that has its cluster to itself.
const (
	apiNamespace         = "slipway-api"
	certificateNamespace = "cert-manager"
	databaseNamespace    = "slipway-database"
	dnsNamespace         = "slipway-dns"
	ingressNamespace     = "slipway-ingress"
	monitoringNamespace  = "slipway-monitoring"
)

// Namespaces are where the pieces of one platform run.
type Namespaces struct{ API, Certificates, Database, DNS, Ingress string }

// ownNamespaces are those of a platform that has its cluster to itself.
func ownNamespaces() Namespaces {
	return Namespaces{
		API: apiNamespace, Certificates: certificateNamespace, Database: databaseNamespace,
		DNS: dnsNamespace, Ingress: ingressNamespace,
	}
}

// Platform is everything a stack declares, as far as somebody asks for it.
type Platform struct {
	Settings   Settings
	Foundation Foundation
	Authority  *certificates.Certificates
	Database   *postgres.Cluster
	Nameserver Nameserver
}

// builder holds what the pieces of one platform share.
type builder struct {
	ctx        *pulumi.Context
	settings   Settings
	versions   Versions
	foundation Foundation
}

// build puts the platform on a foundation: what nobody may do, who vouches for names, who lets
// requests in, what remembers, what answers, under which names, how quick it is, and what is kept of it.
func build(ctx *pulumi.Context, settings Settings, versions Versions, foundation Foundation) (Platform, error) {
	b := &builder{ctx: ctx, settings: settings, versions: versions, foundation: foundation}
	shared, err := b.share()
	if err != nil {
		return Platform{}, err
	}
	database, err := b.database(shared.Authority)
	if err != nil {
		return Platform{}, err
	}
	if err := b.api(shared.Authority, shared.Ingress, database); err != nil {
		return Platform{}, err
	}
	platform := Platform{
		Settings: settings, Foundation: foundation, Authority: shared.Authority, Database: database,
	}
	if foundation.Serve != nil {
		if platform.Nameserver, err = foundation.Serve(b.zones(database)); err != nil {
			return Platform{}, err
		}
	}
	// A guest is neither measured nor watched, nor are its logs its own: its host has what does that.
	if foundation.Shared == nil {
		if err := b.benchmark(shared.Authority, shared.Ingress); err != nil {
			return Platform{}, err
		}
		if err := b.logs(); err != nil {
			return Platform{}, err
		}
		if err := b.monitoring(platform.Nameserver); err != nil {
			return Platform{}, err
		}
	}
	return platform, nil
}

// share declares what a cluster has once, or takes what another stack has there.
func (b *builder) share() (*Shared, error) {
	if b.foundation.Shared != nil {
		return b.foundation.Shared, nil
	}
	if err := b.admission(); err != nil {
		return nil, err
	}
	authority, err := b.certificates()
	if err != nil {
		return nil, err
	}
	ingress, err := b.ingress()
	if err != nil {
		return nil, err
	}
	return &Shared{Authority: authority, Ingress: ingress}, nil
}

// admission has the API server refuse what breaks a rule.
func (b *builder) admission() error {
	action := b.settings.Admission.Action
	if action == AdmissionOff {
		return nil
	}
	policies, err := admission.Load(b.versions.admissionFile(b.ctx.Stack()))
	if err != nil {
		return err
	}
	_, err = admission.New(b.ctx, "admission", admission.Args{
		Policies: policies, Action: admission.Action(action),
	}, b.foundation.Cluster)
	return err
}

func (b *builder) certificates() (*certificates.Certificates, error) {
	return certificates.New(b.ctx, "certificates", certificates.Args{
		Namespace: b.foundation.Namespaces.Certificates, Version: b.versions.CertManager, CRDFile: b.versions.CertManagerCRDs,
		CommonName: b.settings.Certificates.AuthorityName, Days: b.settings.Certificates.AuthorityDays,
		APIServer: b.foundation.APINetworks, ACME: b.foundation.Public,
		Registry: b.foundation.CertManager, Issuer: b.foundation.Authority, ControllerReplicas: b.foundation.Standby,
		MonitoringNamespace: b.settings.scraper(),
	}, b.foundation.Cluster)
}

func (b *builder) database(authority *certificates.Certificates) (*postgres.Cluster, error) {
	passwords, err := random.NewProvider(b.ctx, "random", &random.ProviderArgs{})
	if err != nil {
		return nil, fmt.Errorf("creating the provider of random passwords: %w", err)
	}
	args := b.settings.databaseArgs()
	args.Namespace = b.foundation.Namespaces.Database
	args.Image = b.foundation.Images + postgresRepository + ":" + b.versions.Postgres
	args.PoolerImage = b.foundation.Images + poolerRepository + ":" + b.versions.Pooler
	args.StorageClass = b.foundation.RetainClass
	args.ClientNamespaces = []string{b.foundation.Namespaces.API}
	args.APINetworks = b.foundation.APINetworks
	if args.Backups != nil {
		args.Backups.S3 = b.foundation.Backups
	}
	if args.TLS != nil {
		args.TLS.IssuerName, args.TLS.IssuerKind = authority.IssuerName, authority.IssuerKind
	}
	return postgres.New(b.ctx, databaseName, args, b.foundation.Cluster, pulumi.Providers(passwords))
}

// databaseArgs are the database's arguments as far as settings decide them.
func (s Settings) databaseArgs() postgres.Args {
	d := s.Database
	args := postgres.Args{
		Members: d.Members, ShareNodes: d.ShareNodes, Durability: postgres.Durability(d.Durability),
		Storage: d.Storage, CPU: d.CPU, Memory: d.Memory,
		Database: d.Name, Owner: d.Owner, Parameters: d.Parameters,
		TTL: d.TTLSeconds, LoopWait: d.LoopWaitSeconds, RetryTimeout: d.RetryTimeoutSeconds,
		Pooler: postgres.Pooler{
			Replicas: d.Pooler.Replicas, PoolSize: d.Pooler.PoolSize,
			MaxClients: d.Pooler.MaxClients, QueryWaitSeconds: d.Pooler.QueryWaitSeconds,
		},
		MonitoringNamespace: s.scraper(),
		Unprotected:         d.Unprotected,
	}
	if d.Encrypted {
		args.TLS = &postgres.TLS{}
	}
	if s.keepsBackups() {
		args.Backups = &postgres.Backups{
			KeepDays: d.Backups.KeepDays, FullDays: d.Backups.FullDays, EveryHours: d.Backups.EveryHours,
			ArchiveSeconds: d.Backups.ArchiveSeconds, CheckMinutes: d.Backups.CheckMinutes, DrillDays: d.Backups.DrillDays,
			Storage: d.Backups.Storage,
		}
		if d.Backups.DrillDays == 0 {
			args.Backups.DrillDays = -1
		}
	}
	return args
}

// keepsBackups says whether there are backups: what a guest remembers goes with it.
func (s Settings) keepsBackups() bool {
	return s.Database.Backups.Enabled && s.Foundation != AsGuest
}

func (b *builder) api(authority *certificates.Certificates, ingress *traefik.Traefik, database *postgres.Cluster) error {
	repository := b.foundation.Images + apiRepository
	built := repository + ":" + b.versions.API
	image := func(release string) string {
		if release == Checkout {
			return built
		}
		return repository + ":" + release
	}
	releases := b.settings.API.BlueGreen
	args := b.settings.apiArgs(b.foundation.Namespaces, built, map[fastapi.Colour]string{
		fastapi.Blue: image(releases.Blue), fastapi.Green: image(releases.Green),
	})
	args.Database = fastapi.Database{
		PrimaryHost: database.PrimaryHost, ReplicaHost: database.ReplicaHost, Port: database.Port,
		Name: database.Database, User: database.Owner, Password: database.Password,
		PreparedStatements: postgres.PreparedStatements,
		Namespace:          b.foundation.Namespaces.Database, Ready: database.Ready,
	}
	if b.foundation.Migrator != "" {
		args.Migrators = map[string]string{built: b.foundation.Migrator + ":" + b.versions.Migrations}
	}
	args.Ingress.Ready = ingress.Ready
	args.Certificate.IssuerName, args.Certificate.IssuerKind = authority.PublicIssuerName, authority.IssuerKind
	_, err := fastapi.New(b.ctx, "api", args, b.foundation.Cluster)
	return err
}

// apiArgs are the service's arguments as far as settings decide them.
func (s Settings) apiArgs(namespaces Namespaces, image string, images map[fastapi.Colour]string) fastapi.Args {
	a := s.API
	args := fastapi.Args{
		Namespace: namespaces.API,
		Host:      a.Host,
		Strategy:  fastapi.Strategy(a.Strategy),
		Scaling: fastapi.Scaling{
			Min: a.Scaling.Min, Max: a.Scaling.Max,
			CPUPercent: a.Scaling.CPUPercent, MemoryPercent: a.Scaling.MemoryPercent, CalmSeconds: a.Scaling.CalmSeconds,
		},
		Resources: fastapi.Resources{CPU: a.Resources.CPU, Memory: a.Resources.Memory, MemoryLimit: a.Resources.MemoryLimit},
		Pool:      fastapi.Pool{Min: a.Pool.Min, Max: a.Pool.Max},
		LogLevel:  a.LogLevel,
		Drain:     fastapi.Drain(a.Drain),
		Ingress:   fastapi.Ingress{Namespace: namespaces.Ingress},

		MonitoringNamespace: s.scraper(),
		Traces:              s.traces(),
		Certificate: fastapi.Certificate{
			ValidHours: s.Certificates.ValidHours, RenewHours: s.Certificates.RenewHours,
		},
	}
	if args.Strategy == fastapi.BlueGreen {
		args.Images, args.Active = images, fastapi.Colour(a.BlueGreen.Active)
	} else {
		args.Image = image
	}
	return args
}
