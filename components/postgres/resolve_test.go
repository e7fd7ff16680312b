package postgres

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// valid returns the least that a cluster needs.
func valid() Args {
	return Args{
		Namespace:    "slipway-database",
		Image:        "slipway.dev/postgres:src-1",
		PoolerImage:  "slipway.dev/pgbouncer:src-2",
		StorageClass: pulumi.String("retain"),
	}
}

func issuer() *TLS {
	return &TLS{IssuerName: pulumi.String("lab"), IssuerKind: pulumi.String("ClusterIssuer")}
}

func TestDefaultsAreSafe(t *testing.T) {
	p, faults := resolve("postgres", valid())
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got := []any{p.Members, p.Durability, p.Storage, p.Memory, p.Database, p.Owner, p.TTL, p.LoopWait, p.RetryTimeout, p.Unprotected, p.ShareNodes}
	want := []any{3, Strict, "1Gi", "512Mi", "api", "api", 20, 5, 5, false, false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for members, want := range map[int]Durability{1: Available, 2: Available, 3: Strict, 5: Strict} {
		args := valid()
		args.Members = members
		if p, _ := resolve("postgres", args); p.Durability != want {
			t.Errorf("%d members default to %q, want %q", members, p.Durability, want)
		}
	}
}

func TestEveryFaultIsReportedWithItsPath(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Args)
		want   []string
	}{
		"nothing given": {func(a *Args) { *a = Args{} }, []string{
			`image: "" has no tag`, `namespace: "" is not`, `poolerImage: "" has no tag`, "storageClass: is missing",
		}},
		"all at once": {func(a *Args) {
			a.Members, a.TTL, a.Storage, a.Owner = 10, 19, "much", "Bob"
		}, []string{
			"members: is 10, must be between 1 and 9", `owner: "Bob" must be`,
			`storage: "much" is no amount`, "ttl: is 19 s, Patroni takes no less than 20",
		}},
		"Patroni's rule": {func(a *Args) { a.TTL, a.LoopWait, a.RetryTimeout = 20, 10, 6 }, []string{
			"ttl: is 20 s, but loopWait + 2*retryTimeout is 22",
		}},
		"the rule holds exactly":  {func(a *Args) { a.TTL, a.LoopWait, a.RetryTimeout = 20, 10, 5 }, nil},
		"too eager":               {func(a *Args) { a.LoopWait, a.RetryTimeout = -1, 2 }, []string{"loopWait: is -1 s", "retryTimeout: is 2 s"}},
		"strict and alone":        {func(a *Args) { a.Members, a.Durability = 1, Strict }, []string{"durability: is \"strict\" with one member"}},
		"unknown durability":      {func(a *Args) { a.Durability = "best" }, []string{`durability: is "best", must be`}},
		"a registry port, no tag": {func(a *Args) { a.Image = "registry:5000/postgres" }, []string{"image: "}},
		"reserved names":          {func(a *Args) { a.Database, a.Owner = "postgres", "pg_me" }, []string{`database: "postgres" is reserved`, `owner: "pg_me" is reserved`}},
		"the cluster's own roles": {func(a *Args) { a.Owner = "replicator" }, []string{`owner: "replicator" is reserved`}},
		"memory": {func(a *Args) { a.Memory = "64Mi" }, []string{
			"memory: is 64Mi, a member needs 256MB",
		}},
		"processors": {func(a *Args) { a.CPU = "fast" }, []string{`cpu: "fast"`}},
		"parameters": {func(a *Args) {
			a.Parameters = map[string]string{"fsync": "off", "Work_Mem": "1MB", "work_mem": "", "synchronous_commit": "off"}
		}, []string{
			"parameters.Work_Mem: is no parameter", "parameters.fsync: cannot be set: without it",
			"parameters.synchronous_commit: cannot be set: use durability", "parameters.work_mem: is empty",
		}},
		"clients": {func(a *Args) { a.ClientNamespaces = []string{"a", "B", "a"} }, []string{
			`clientNamespaces[1]: "B" is not`, `clientNamespaces[2]: "a" is listed twice`,
		}},
		"networks": {func(a *Args) { a.APINetworks = []string{"10.0.0.0/8", "api"} }, []string{`apiNetworks[1]: "api"`}},
		"pooler": {func(a *Args) { a.Pooler = Pooler{Replicas: -1, PoolSize: 501, MaxClients: 1, QueryWaitSeconds: 601} }, []string{
			"pooler.poolSize: is 501", "pooler.queryWaitSeconds: is 601", "pooler.replicas: is -1",
		}},
		"backups in the clear": {func(a *Args) { a.Backups = &Backups{} }, []string{"backups: need tls"}},
		"backups out of bounds": {func(a *Args) {
			a.TLS = issuer()
			a.Backups = &Backups{KeepDays: -1, FullDays: 91, EveryHours: 9999, ArchiveSeconds: 1, CheckMinutes: -1, DrillDays: -2}
		}, []string{
			"backups.archiveSeconds: is 1", "backups.checkMinutes: is -1", "backups.drillDays: is -2", "backups.everyHours: is 9999, m",
			"backups.everyHours: is 9999, more than fullDays", "backups.fullDays: is 91", "backups.keepDays: is -1, ", "backups.keepDays: is -1, ",
		}},
		"kept for less than until the next": {func(a *Args) { a.TLS = issuer(); a.Backups = &Backups{KeepDays: 3, FullDays: 4} }, []string{
			"backups.keepDays: is 3, below fullDays = 4",
		}},
		"every one a full one": {func(a *Args) { a.TLS = issuer(); a.Backups = &Backups{FullDays: 1, EveryHours: 25} }, []string{
			"backups.everyHours: is 25, more than fullDays = 1",
		}},
		"no room for a drill": {func(a *Args) { a.TLS = issuer(); a.Backups = &Backups{Storage: "2047Mi"} }, []string{
			"backups.storage: is 2047Mi, must be at least 2048MB: it holds the backups",
		}},
		"room for a drill alone": {func(a *Args) { a.TLS = issuer(); a.Backups = inBucket(); a.Backups.Storage = "1Gi" }, nil},
		"no amount":              {func(a *Args) { a.TLS = issuer(); a.Backups = &Backups{Storage: "much"} }, []string{`backups.storage: "much"`}},
		"half a bucket": {func(a *Args) { a.TLS = issuer(); a.Backups = &Backups{S3: &S3{Region: "eu-central-1"}} }, []string{
			"backups.s3: needs a bucket",
		}},
		"half an issuer": {func(a *Args) { a.TLS = &TLS{IssuerName: pulumi.String("lab")} }, []string{"tls: names no issuer"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := valid()
			test.change(&args)
			faults := args.Faults()
			if len(faults) != len(test.want) {
				t.Fatalf("got %d faults, want %d:\n%v", len(faults), len(test.want), joined(faults))
			}
			for i, want := range test.want {
				if !strings.HasPrefix(faults[i].Error(), want) {
					t.Errorf("fault %d is %q, want it to begin with %q", i, faults[i].Error(), want)
				}
			}
		})
	}
}

func TestResolveLeavesTheCallersArgumentsAlone(t *testing.T) {
	args := valid()
	args.Parameters = map[string]string{"work_mem": "8MB"}
	args.ClientNamespaces = []string{"slipway-api"}
	p, faults := resolve("postgres", args)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	p.Parameters["work_mem"] = "changed"
	p.ClientNamespaces[0] = "changed"
	if args.Parameters["work_mem"] != "8MB" || args.ClientNamespaces[0] != "slipway-api" || args.Members != 0 {
		t.Errorf("the arguments were changed: %+v", args)
	}
}

func TestLongNamesAreRefused(t *testing.T) {
	for name, bad := range map[string]bool{"postgres": false, "Orders": true, "": true, strings.Repeat("a", 41): true} {
		if _, faults := resolve(name, valid()); (len(faults) > 0) != bad {
			t.Errorf("name %q gave %v", name, faults)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"1Gi": 1 << 30, "512Mi": 512 << 20, "1.5Gi": 3 << 29, "10G": 10_000_000_000, "1048576": 1 << 20, "0": 0,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "Gi", "1GiB", "-1Gi", "1e400", "ten", "1 Gi", "1KM", "NaN"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}

func TestPostgresFollowsItsMemoryAndItsVolume(t *testing.T) {
	args := valid()
	args.Memory, args.Storage = "2Gi", "100Gi"
	args.Parameters = map[string]string{"work_mem": "16MB"}
	p, _ := resolve("postgres", args)
	parameters := p.parameters()
	for name, want := range map[string]any{
		"shared_buffers": "512MB", "effective_cache_size": "1024MB", "maintenance_work_mem": "128MB",
		"max_wal_size": "4096MB", "max_slot_wal_keep_size": "25600MB", "work_mem": "16MB",
		// 2 poolers of 2 pods, one more of each while they roll, 16 each, 20 besides.
		"max_connections": 116,
	} {
		if parameters[name] != want {
			t.Errorf("%s is %v, want %v", name, parameters[name], want)
		}
	}
}

func TestProbesFollowTheClock(t *testing.T) {
	for _, ttl := range []int{20, 30, 300} {
		p := plan{Args: Args{TTL: ttl, LoopWait: 5}}
		if stuck := p.livenessFailures() * livenessPeriod; stuck < ttl {
			t.Errorf("ttl %d: a member is restarted after %d s, before its lock is lost", ttl, stuck)
		}
		if gone := p.readinessFailures() * readinessPeriod; gone <= ttl+p.LoopWait {
			t.Errorf("ttl %d: replicas leave their service after %d s, during a failover", ttl, gone)
		}
	}
}
