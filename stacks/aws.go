package stacks

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/balancer"
	"slipway.dev/slipway/components/bucket"
	"slipway.dev/slipway/components/certificates"
	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/cost"
	"slipway.dev/slipway/components/dns"
	"slipway.dev/slipway/components/eks"
	"slipway.dev/slipway/components/grant"
	"slipway.dev/slipway/components/identity"
	keys "slipway.dev/slipway/components/key"
	"slipway.dev/slipway/components/logging"
	"slipway.dev/slipway/components/network"
	"slipway.dev/slipway/components/postgres"
	"slipway.dev/slipway/components/storage"
	"slipway.dev/slipway/components/traefik"
)

// stackTag tells what an environment costs from what others do.
const stackTag = "stack"

// nodePorts are the ports of nodes that the load balancer sends to. Anything
// from 30000 to 32767 would do; they are fixed because both sides are told.
var nodePorts = traefik.NodePorts{HTTP: 30080, HTTPS: 30443, Health: 30936}

// virginia is the region where Route 53 keeps keys and logs.
const virginia = "us-east-1"

// ground is what the pieces of a foundation on AWS share.
type ground struct {
	ctx      *pulumi.Context
	settings Settings
	AWS
	// name is what everything with a fixed name begins with.
	name  string
	cloud *aws.Provider
	// near declares things in the stack's region.
	near pulumi.ResourceOption

	secrets, volumes, store *keys.Key
	logs, backups           *bucket.Bucket
	network                 *network.Network
	cluster                 *eks.Cluster
	zones                   *dns.HostedZones
}

// layAWS makes everything, in an account that must be the one meant.
func layAWS(ctx *pulumi.Context, settings Settings) (Foundation, error) {
	g := &ground{ctx: ctx, settings: settings, AWS: settings.AWS, name: component.Platform + "-" + ctx.Stack()}
	var err error
	if g.cloud, err = g.provider("aws", g.Region); err != nil {
		return Foundation{}, err
	}
	if err := g.checkAccount(); err != nil {
		return Foundation{}, err
	}
	g.near = pulumi.Providers(g.cloud)
	for _, step := range []func() error{g.encrypt, g.buckets, g.layNetwork, g.layCluster, g.layZones, g.watchCost} {
		if err := step(); err != nil {
			return Foundation{}, err
		}
	}
	return g.foundation()
}

// tags are on everything the provider makes.
func (g *ground) tags() map[string]string {
	tags := map[string]string{"project": component.Platform, stackTag: g.ctx.Stack(), "managed-by": "pulumi"}
	if g.Owner != "" {
		tags["owner"] = g.Owner
	}
	return tags
}

// provider talks to one region of the account, and to no other account. One that
// exists stays where it is: in another region or account it would know nothing
// of what stands, and the engine would make all of it anew. checkPlace refuses
// the other region, and the hook the other account.
func (g *ground) provider(name, region string) (*aws.Provider, error) {
	stays, err := g.ctx.RegisterResourceHook(name+"-stays", staysIn(g.ctx.Stack()), &pulumi.ResourceHookOptions{OnDryRun: true})
	if err != nil {
		return nil, fmt.Errorf("watching over the AWS provider of %s: %w", region, err)
	}
	made, err := aws.NewProvider(g.ctx, name, &aws.ProviderArgs{
		Region: pulumi.String(region), AllowedAccountIds: pulumi.ToStringArray([]string{g.Account}),
		DefaultTags: aws.ProviderDefaultTagsArgs{Tags: component.StringMap(g.tags())},
	}, pulumi.IgnoreChanges([]string{"region"}), pulumi.ResourceHooks(&pulumi.ResourceHookBinding{BeforeUpdate: []*pulumi.ResourceHook{stays}}))
	if err != nil {
		return nil, fmt.Errorf("creating the AWS provider of %s: %w", region, err)
	}
	return made, nil
}

// encrypt makes keys, one for each kind of thing that is encrypted.
func (g *ground) encrypt() error {
	for _, one := range []struct {
		into **keys.Key
		role string
		args keys.Args
	}{
		{&g.secrets, "secrets", keys.Args{Description: "Secrets in the cluster"}},
		{&g.volumes, "volumes", keys.Args{Description: "Disks of nodes and of the database", Through: []string{"ec2"}}},
		{&g.store, "store", keys.Args{
			Description: "Buckets and logs", Logs: "/aws/eks/" + g.name + "/", Delivery: []string{"delivery.logs.amazonaws.com"},
		}},
	} {
		args := one.args
		args.Alias, args.Account, args.Region, args.Unprotected = g.name+"/"+one.role, g.Account, g.Region, g.Unprotected
		var err error
		if *one.into, err = keys.New(g.ctx, "key-"+one.role, args, g.near); err != nil {
			return err
		}
	}
	return nil
}

// bucketArgs are the two buckets as far as settings decide them.
func (a AWS) bucketArgs(name string, s Settings, keyARN pulumi.StringInput) (logs, backups bucket.Args) {
	kept := s.Database.Backups
	common := bucket.Args{Account: a.Account, KeyARN: keyARN, Unprotected: a.Unprotected}
	logs, backups = common, common
	logs.Bucket, backups.Bucket = a.logBucket(name), name+"-backups-"+a.Account
	logs.ExpireDays, logs.ColdDays, logs.OldVersionDays, logs.Delivery = a.Logs.KeepDays, a.Logs.ColdDays, 1, flowPrefix
	// Also without a sink that writes there: what an earlier one wrote ends in time.
	logs.PrefixDays = map[string]int{}
	for _, class := range s.archived() {
		logs.PrefixDays[class.Prefix()] = class.Days
	}
	// The oldest moment that can be restored needs the full backup before it; one
	// more day, so that the bucket never expires what pgBackRest still counts on.
	backups.ExpireDays, backups.LockDays = kept.KeepDays+kept.FullDays+1, a.Backups.LockDays
	// What was deleted by mistake can be fetched back for as long as it would
	// have been kept.
	backups.OldVersionDays = kept.KeepDays
	return logs, backups
}

// logBucket is the name of the bucket of logs, which is known before it exists.
func (a AWS) logBucket(name string) string { return name + "-logs-" + a.Account }

// flowPrefix is where records of traffic are put.
const flowPrefix = "flow"

func (g *ground) buckets() error {
	logs, backups := g.bucketArgs(g.name, g.settings, g.store.ARN)
	var err error
	if g.logs, err = bucket.New(g.ctx, "logs", logs, g.near); err != nil {
		return err
	}
	g.backups, err = bucket.New(g.ctx, "backups", backups, g.near)
	return err
}

func (g *ground) layNetwork() error {
	args := g.networkArgs(g.name)
	args.FlowLogs = pulumi.Sprintf("%s/%s", g.logs.ARN, flowPrefix)
	var err error
	g.network, err = network.New(g.ctx, "network", args, g.near)
	return err
}

// networkArgs are the network as far as settings decide it.
func (a AWS) networkArgs(name string) network.Args {
	return network.Args{
		Name: name, Cluster: name, Region: a.Region, CIDR: a.Network.CIDR, Zones: a.Network.Zones,
		NAT: network.NAT(a.Network.NAT), Endpoints: a.Network.Endpoints,
	}
}

func (g *ground) layCluster() error {
	args := g.clusterArgs(g.name)
	args.Tags = g.tags()
	args.Endpoints, args.Nodes = g.network.Intra, g.network.Private
	args.Keys = eks.Keys{Secrets: g.secrets.ARN, Volumes: g.volumes.ARN, Logs: g.store.ARN}
	var err error
	g.cluster, err = eks.New(g.ctx, "cluster", args, g.near)
	return err
}

// clusterArgs are the cluster as far as settings decide it.
func (a AWS) clusterArgs(name string) eks.Args {
	groups := make(map[string]eks.NodeGroup, len(a.Cluster.NodeGroups))
	for name, group := range a.Cluster.NodeGroups {
		groups[name] = eks.NodeGroup(group)
	}
	return eks.Args{
		Name: name, Account: a.Account, Region: a.Region, Version: a.Cluster.Version, ServiceCIDR: a.Cluster.ServiceCIDR,
		PublicCIDRs: a.Cluster.PublicCIDRs, LogDays: a.Cluster.LogDays, Admins: a.Cluster.Admins, Viewers: a.Cluster.Viewers,
		Auditors: a.Cluster.Auditors, AddOns: a.Cluster.AddOns, NodeGroups: groups, OfficeHours: eks.Hours(a.Cluster.OfficeHours), Unprotected: a.Unprotected,
	}
}

func (g *ground) layZones() error {
	args := dns.HostedArgs{
		Public: g.settings.DNS.PublicZone, Private: g.settings.DNS.PrivateZone, VPCID: g.network.VPCID,
		Account: g.Account, QueryLogDays: g.Zones.QueryLogDays, Unprotected: g.Unprotected,
	}
	if g.Zones.DNSSEC || g.Zones.QueryLogDays > 0 {
		far, err := g.provider("aws-virginia", virginia)
		if err != nil {
			return err
		}
		args.Virginia = far
		if g.Zones.DNSSEC {
			signing, err := keys.New(g.ctx, "key-signing", keys.Args{
				Alias: g.name + "/signing", Description: "Signs zone " + args.Public, Account: g.Account, Region: virginia,
				Signing: true, Unprotected: g.Unprotected,
			}, pulumi.Providers(far))
			if err != nil {
				return err
			}
			args.SigningKeyARN = signing.ARN
		}
	}
	var err error
	g.zones, err = dns.NewHosted(g.ctx, "zones", args, g.near)
	return err
}

// costArgs are budget and monitor as far as settings decide them.
func (a AWS) costArgs(name, stack string) cost.Args {
	return cost.Args{
		Name: name, MonthlyUSD: a.Cost.MonthlyUSD, AnomalyUSD: a.Cost.AnomalyUSD, TagKey: stackTag, TagValue: stack, Mail: a.Cost.Mail,
	}
}

func (g *ground) watchCost() error {
	_, err := cost.New(g.ctx, "cost", g.costArgs(g.name, g.ctx.Stack()), g.near)
	return err
}

// foundation adds what lies before the cluster and in it, in this order: a
// component in the cluster is registered once the cluster is ready, and the
// program does not get past it sooner.
func (g *ground) foundation() (Foundation, error) {
	inside := pulumi.Providers(g.cluster.Provider)
	way, err := g.way()
	if err != nil {
		return Foundation{}, err
	}
	authority, err := g.authority()
	if err != nil {
		return Foundation{}, err
	}
	classes, err := storage.New(g.ctx, "storage", storage.Args{
		Provisioner: "ebs.csi.aws.com",
		Parameters: map[string]string{
			"type": "gp3", "encrypted": "true",
			"iops": strconv.Itoa(g.Volumes.IOPS), "throughput": strconv.Itoa(g.Volumes.ThroughputMiB),
		},
		Computed:  pulumi.StringMap{"kmsKeyId": g.volumes.ARN},
		Snapshots: true,
	}, inside)
	if err != nil {
		return Foundation{}, err
	}
	kept, err := g.keepBackups()
	if err != nil {
		return Foundation{}, err
	}
	archive, err := g.archiveLogs()
	if err != nil {
		return Foundation{}, err
	}
	images := fmt.Sprintf("%s.dkr.ecr.%s.amazonaws.com/%s", g.Account, g.Region, component.Platform)
	return Foundation{
		Cluster: inside, Kubeconfig: g.cluster.Kubeconfig,
		RetainClass: classes.Retain, StandardClass: classes.Standard,
		Namespaces:  ownNamespaces(),
		APINetworks: g.apiNetworks(), NodeNetworks: g.nodeNetworks(),
		Images: images, Migrator: images + migratorRepository, Proxy: images + proxyRepository, StateMetrics: images + stateMetricsRepository, CertManager: images,
		Authority: component.Platform, Standby: 2,
		Way: way, Public: authority, Backups: kept, Archive: archive,
		Serve: g.serve,
		Outputs: pulumi.Map{
			"backupBucket": g.backups.Name, "logBucket": g.logs.Name, "clusterName": g.cluster.Name,
			"nameServers": g.zones.NameServers, "ds": g.zones.DS,
		},
	}, nil
}

// way is the load balancer and what leads to it.
func (g *ground) way() (Way, error) {
	args := g.balancerArgs(g.settings.Ingress)
	args.VPCID, args.Subnets, args.NodeSecurityGroupID = g.network.VPCID, g.network.Public, g.cluster.SecurityGroupID
	args.Nodes = maps.Clone(g.cluster.AutoscalingGroups)
	made, err := balancer.New(g.ctx, "balancer", args, g.near)
	if err != nil {
		return Way{}, err
	}
	ports := nodePorts
	return Way{
		NodePorts: &ports, AcceptSeconds: g.Balancer.AcceptSeconds, FinishSeconds: g.Balancer.FinishSeconds,
		Addresses: []dns.Record{{Type: "CNAME", Values: pulumi.StringArray{made.DNSName}}},
	}, nil
}

// balancerArgs are the balancer as far as settings decide it.
func (a AWS) balancerArgs(ingress Ingress) balancer.Args {
	return balancer.Args{
		Doors: []balancer.Door{
			{Name: "http", Port: ingress.HTTPPort, NodePort: nodePorts.HTTP},
			{Name: "https", Port: ingress.HTTPSPort, NodePort: nodePorts.HTTPS},
		},
		HealthPort: nodePorts.Health, HealthSeconds: a.Balancer.HealthSeconds, UnhealthyCount: a.Balancer.UnhealthyCount,
		DrainSeconds: a.Balancer.AcceptSeconds + a.Balancer.FinishSeconds,
		Clients:      a.Balancer.Clients, Unprotected: a.Unprotected,
	}
}

// authority is Let's Encrypt, and the role by which cert-manager proves names
// in the public zone and can do nothing else there.
func (g *ground) authority() (*certificates.ACME, error) {
	zone := g.settings.DNS.PublicZone
	proves, err := identity.New(g.ctx, "identity-certificates", identity.Args{
		Role: g.name + "-certificates", Account: g.Account, Region: g.Region, Cluster: g.name,
		Namespace: certificateNamespace, ServiceAccount: "cert-manager",
		// Its release is older than Pod Identity.
		Issuer: g.cluster.Issuer,
		Allowed: []grant.Statement{{
			Sid: "Follow", Actions: []string{"route53:GetChange"}, Resources: []string{"arn:aws:route53:::change/*"},
		}},
		AllowedLater: &identity.Later{
			Values: []pulumi.StringInput{g.zones.PublicID},
			Build:  func(known []string) []grant.Statement { return proof(zone, known[0]) },
		},
	}, g.near)
	if err != nil {
		return nil, err
	}
	return &certificates.ACME{
		Email: g.Authority.Email, Staging: g.Authority.Staging, Zone: zone, ZoneID: g.zones.PublicID, Region: g.Region,
		Role: proves.RoleARN, RoleAnnotation: identity.AnnotationRole, Inside: g.endpointNetworks(),
	}, nil
}

// keepBackups lets the pod that keeps the database's backups use their bucket, and
// nothing else of the account. It can delete what has expired; what is locked, and
// older versions, it cannot.
func (g *ground) keepBackups() (*postgres.S3, error) {
	if !g.settings.Database.Backups.Enabled {
		return nil, nil
	}
	made, err := identity.New(g.ctx, "identity-backups", identity.Args{
		Role: g.name + "-backups", Account: g.Account, Region: g.Region, Cluster: g.name,
		Namespace: databaseNamespace, ServiceAccount: postgres.RepositoryAccount(databaseName),
		// pgBackRest knows tokens of the cluster, and no agent.
		Issuer: g.cluster.Issuer,
		AllowedLater: &identity.Later{
			Values: []pulumi.StringInput{g.backups.ARN, g.store.ARN},
			Build:  func(known []string) []grant.Statement { return keeping(known[0], known[1], g.Region) },
		},
	}, g.near)
	if err != nil {
		return nil, err
	}
	return &postgres.S3{
		Bucket: g.backups.Name, Region: g.Region, Role: made.RoleARN, RoleAnnotation: identity.AnnotationRole,
		Inside: g.endpointNetworks(),
	}, nil
}

// keeping allows a repository of backups in one bucket.
func keeping(bucket, key, region string) []grant.Statement {
	objects := bucket + postgres.PathInBucket + "/*"
	return []grant.Statement{
		{
			Sid: "Look", Actions: []string{"s3:ListBucket"}, Resources: []string{bucket},
			When: map[string]grant.Conditions{"StringLike": {"s3:prefix": {strings.TrimPrefix(postgres.PathInBucket, "/") + "/*"}}},
		},
		{
			Sid: "Keep", Actions: []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"},
			Resources: []string{objects},
		},
		{
			Sid: "Encrypt", Actions: []string{"kms:GenerateDataKey", "kms:Decrypt"}, Resources: []string{key},
			When: map[string]grant.Conditions{"StringEquals": {"kms:ViaService": {"s3." + region + ".amazonaws.com"}}},
		},
	}
}

// archiveLogs lets the collectors copy logs into their bucket, below the prefixes
// of their classes. They cannot look into it, nor delete anything.
func (g *ground) archiveLogs() (*logging.S3, error) {
	if g.settings.Logging.Sink != SinkS3 {
		return nil, nil
	}
	var prefixes []string
	for _, class := range g.settings.archived() {
		prefixes = append(prefixes, class.Prefix())
	}
	made, err := identity.New(g.ctx, "identity-logs", identity.Args{
		Role: g.name + "-logs", Account: g.Account, Region: g.Region, Cluster: g.name,
		Namespace: loggingNamespace, ServiceAccount: logging.Account,
		// The agent of Pod Identity is at an address that no network policy lets
		// anybody reach: machines hand out their own credentials beside it.
		Issuer: g.cluster.Issuer,
		AllowedLater: &identity.Later{
			Values: []pulumi.StringInput{g.logs.ARN, g.store.ARN},
			Build:  func(known []string) []grant.Statement { return archiving(known[0], known[1], g.Region, prefixes) },
		},
	}, g.near)
	if err != nil {
		return nil, err
	}
	return &logging.S3{
		Bucket: g.logBucket(g.name), Region: g.Region, Minutes: g.Logs.ArchiveMinutes,
		Role: made.RoleARN, RoleAnnotation: identity.AnnotationRole, Inside: g.endpointNetworks(),
	}, nil
}

// archiving allows to put objects below prefixes of one bucket.
func archiving(bucket, key, region string, prefixes []string) []grant.Statement {
	objects := make([]string, len(prefixes))
	for i, prefix := range prefixes {
		objects[i] = bucket + "/" + prefix + "*"
	}
	return []grant.Statement{
		{Sid: "Archive", Actions: []string{"s3:PutObject"}, Resources: objects},
		{
			Sid: "Encrypt", Actions: []string{"kms:GenerateDataKey"}, Resources: []string{key},
			When: map[string]grant.Conditions{"StringEquals": {"kms:ViaService": {"s3." + region + ".amazonaws.com"}}},
		},
	}
}

// proof allows texts below _acme-challenge in one zone.
func proof(zone, id string) []grant.Statement {
	arn := []string{"arn:aws:route53:::hostedzone/" + id}
	return []grant.Statement{
		{Sid: "Look", Actions: []string{"route53:ListResourceRecordSets"}, Resources: arn},
		{
			Sid: "Prove", Actions: []string{"route53:ChangeResourceRecordSets"}, Resources: arn,
			When: map[string]grant.Conditions{
				"ForAllValues:StringLike": {"route53:ChangeResourceRecordSetsNormalizedRecordNames": {
					"_acme-challenge." + zone, "_acme-challenge.*." + zone,
				}},
				"ForAllValues:StringEquals": {"route53:ChangeResourceRecordSetsRecordTypes": {"TXT"}},
			},
		},
	}
}

// serve puts records into the zones.
func (g *ground) serve(zones []dns.Zone) (Nameserver, error) {
	ids := map[string]pulumi.StringInput{
		g.settings.DNS.PublicZone: g.zones.PublicID, g.settings.DNS.PrivateZone: g.zones.PrivateID,
	}
	if _, err := dns.NewRecords(g.ctx, "records", dns.RecordsArgs{Zones: zones, IDs: ids}, g.near); err != nil {
		return Nameserver{}, err
	}
	return Nameserver{Address: pulumi.Sprintf("%s:53", g.zones.NameServers.Index(pulumi.Int(0)))}, nil
}
