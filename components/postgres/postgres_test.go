package postgres

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

const (
	statefulSet = "kubernetes:apps/v1:StatefulSet"
	job         = "kubernetes:batch/v1:Job"
	policy      = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
	service_    = "kubernetes:core/v1:Service"
	password    = "random:index/randomPassword:RandomPassword"
)

// full is a cluster with everything switched on.
func full() Args {
	args := valid()
	args.ClientNamespaces = []string{"slipway-api"}
	args.APINetworks = []string{"10.89.0.1/32"}
	args.TLS = &TLS{IssuerName: pulumi.String("slipway"), IssuerKind: pulumi.String("ClusterIssuer")}
	args.MonitoringNamespace = "slipway-monitoring"
	args.Backups = &Backups{}
	return args
}

// inBucket are backups in a bucket.
func inBucket() *Backups {
	return &Backups{KeepDays: 35, S3: &S3{
		Bucket: pulumi.String("slipway-test-backups"), Region: "eu-central-1",
		Role: pulumi.String("arn:aws:iam::111122223333:role/backups"), RoleAnnotation: "eks.amazonaws.com/role-arn",
		Inside: []string{"10.20.0.0/20"},
	}}
}

// declare is a program with one cluster in it.
func declare(args Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		kubernetes, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		passwords, err := random.NewProvider(ctx, "test-random", nil)
		if err != nil {
			return err
		}
		cluster, err := New(ctx, "postgres", args, kubernetes, pulumi.Providers(passwords))
		if err != nil {
			return err
		}
		ctx.Export("password", cluster.Password)
		return nil
	}
}

// computed is what the providers and the cluster add.
func computed(args pulumi.MockResourceArgs) resource.PropertyMap {
	if added := componenttest.ServiceAddresses(args); added != nil {
		return added
	}
	return passwordsOf(args)
}

// passwordsOf answers like the provider of random passwords.
func passwordsOf(args pulumi.MockResourceArgs) resource.PropertyMap {
	if args.TypeToken != password {
		return nil
	}
	return resource.PropertyMap{"result": resource.NewProperty("clear-" + args.Name)}
}

func record(t *testing.T, args Args) *componenttest.Graph {
	t.Helper()
	g := &componenttest.Graph{Computed: computed}
	g.Run(t, declare(args))
	return g
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:postgres:Cluster" {
		t.Errorf("the type token is %q: every resource of every database would be replaced", TypeToken)
	}
}

// preview is a first preview in which passwords are known all the same. The
// SDK's mocks cannot hold a value that is both secret and unknown; everything
// else a provider computes stays unknown.
type preview struct{ *componenttest.Graph }

func (p preview) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	id, state, err := p.Graph.NewResource(args)
	for key, value := range passwordsOf(args) {
		state[key] = value
	}
	return id, state, err
}

// previewed records a first preview, and fails the test when the program waits
// for a value that a preview does not have.
func previewed(t *testing.T, program pulumi.RunFunc) *componenttest.Graph {
	t.Helper()
	g := &componenttest.Graph{Fresh: true}
	done := make(chan error, 1)
	go func() {
		done <- pulumi.RunErr(program, pulumi.WithMocks(componenttest.Project, componenttest.Stack, preview{g}),
			func(info *pulumi.RunInfo) { info.DryRun = true })
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the program is waiting for a value that a preview does not have")
	}
	return g
}

func TestClusterIsOwnedNamedAndConcealed(t *testing.T) {
	for name, args := range map[string]Args{"least": valid(), "full": full()} {
		for run, g := range map[string]*componenttest.Graph{
			"update": record(t, args), "first preview": previewed(t, declare(args)),
		} {
			t.Run(name+", "+run, func(t *testing.T) {
				g.RequireOwned(t)
				g.RequireNames(t, "postgres")
				g.RequireSecrets(t)
				g.RequireStableSelectors(t)
			})
		}
	}
}

func TestNoPasswordIsReadableAnywhere(t *testing.T) {
	g := record(t, full())
	text, err := g.Render()
	if err != nil {
		t.Fatal(err)
	}
	// Rendering hides what is secret, so what still shows is not.
	if strings.Contains(text, "clear-") {
		t.Errorf("a password can be read in:\n%s", text)
	}
	held := 0
	for _, node := range g.Of("kubernetes:core/v1:Secret") {
		if data, found := node.Path("stringData"); found && strings.Contains(fmt.Sprint(data), "clear-") {
			held++
		}
	}
	if held != 2 {
		t.Errorf("%d secrets hold passwords, want 2: the check above saw nothing", held)
	}
}

func TestGraph(t *testing.T) {
	text, err := record(t, full()).Render()
	if err != nil {
		t.Fatal(err)
	}
	componenttest.Golden(t, "graph", text, *update)
}

func TestRenderedConfiguration(t *testing.T) {
	bucket := full()
	bucket.Backups = inBucket()
	for name, args := range map[string]Args{"plain": valid(), "tls": full(), "bucket": bucket} {
		p, faults := resolve("postgres", args)
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		files, err := p.settings()
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range p.poolers() {
			files[one.part+".ini"] = p.ini(one)
		}
		if p.Backups != nil {
			files["repository's pgbackrest.conf"] = p.repositoryCopies("slipway-test-backups")
		}
		var text strings.Builder
		for _, file := range slices.Sorted(maps.Keys(files)) {
			fmt.Fprintf(&text, "==> %s <==\n%s\n", file, files[file])
		}
		componenttest.Golden(t, "configuration-"+name, text.String(), *update)
	}
}

func TestDataIsGuarded(t *testing.T) {
	guarded := []string{
		"kubernetes:core/v1:Namespace postgres-namespace", statefulSet + " postgres-members", statefulSet + " postgres-repository",
		password + " postgres-owner-password", password + " postgres-replication-password",
		password + " postgres-rewind-password", password + " postgres-restapi-password",
	}
	for _, unprotected := range []bool{false, true} {
		args := full()
		args.Unprotected = unprotected
		var protected []string
		for _, node := range record(t, args).Nodes() {
			if node.RegisterRPC.GetProtect() {
				protected = append(protected, node.TypeToken+" "+node.Name)
			}
		}
		var want []string
		if !unprotected {
			want = slices.Sorted(slices.Values(guarded))
		}
		if slices.Sort(protected); !slices.Equal(protected, want) {
			t.Errorf("unprotected=%v protects %v, want %v", unprotected, protected, want)
		}
	}
}

func TestStatefulSetCanBeSucceeded(t *testing.T) {
	set := record(t, full()).One(t, statefulSet, "postgres-members")
	for path, want := range map[string]string{
		`metadata.annotations["pulumi.com/deletionPropagationPolicy"]`:                                              "orphan",
		"spec.podManagementPolicy":                                                                                  "Parallel",
		"spec.persistentVolumeClaimRetentionPolicy.whenDeleted":                                                     "Retain",
		"spec.persistentVolumeClaimRetentionPolicy.whenScaled":                                                      "Retain",
		"spec.volumeClaimTemplates[0].spec.storageClassName":                                                        "retain",
		"spec.template.spec.containers[0].lifecycle.preStop.exec.command[1]":                                        "handover",
		"spec.template.spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey": "kubernetes.io/hostname",
	} {
		if got := set.Text(path); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
	requests, limits := set.Text("spec.template.spec.containers[0].resources.requests.memory"), set.Text("spec.template.spec.containers[0].resources.limits.memory")
	if requests != limits || limits == "" {
		t.Errorf("memory is requested as %q and limited to %q", requests, limits)
	}
}

// TestSelectorsDoNotMove holds the labels that find pods and volumes: a change
// makes a StatefulSet that finds neither.
func TestSelectorsDoNotMove(t *testing.T) {
	set := record(t, full()).One(t, statefulSet, "postgres-members")
	for path, want := range map[string]string{
		"app.kubernetes.io/name": "postgres", "app.kubernetes.io/instance": "postgres", "app.kubernetes.io/component": "member",
	} {
		for _, where := range []string{`spec.selector.matchLabels`, `spec.template.metadata.labels`} {
			if got := set.Text(where + `["` + path + `"]`); got != want {
				t.Errorf("%s of %s is %q, want %q", path, where, got, want)
			}
		}
	}
	if selector, _ := set.Path("spec.selector.matchLabels"); len(selector.ObjectValue()) != 3 {
		t.Errorf("the selector is %v", selector)
	}
}

func TestOtherSettingsAreAnotherJob(t *testing.T) {
	names := map[string]string{}
	for name, change := range map[string]func(*Args){
		"same": func(*Args) {}, "same again": func(*Args) {},
		"ttl":        func(a *Args) { a.TTL = 30 },
		"durability": func(a *Args) { a.Durability = Available },
		"parameter":  func(a *Args) { a.Parameters = map[string]string{"work_mem": "8MB"} },
		"image":      func(a *Args) { a.Image = "slipway.dev/postgres:src-9" },
		"members":    func(a *Args) { a.Members = 5 },
		"clients":    func(a *Args) { a.ClientNamespaces = nil },
	} {
		args := full()
		change(&args)
		names[name] = record(t, args).One(t, job, "postgres-reconcile").Text("metadata.name")
	}
	for name, got := range names {
		same := name == "same again" || name == "clients"
		if (got == names["same"]) != same && name != "same" {
			t.Errorf("%s: job %s, the first one was %s", name, got, names["same"])
		}
	}
}

func TestJobWaitsForTheMembers(t *testing.T) {
	node := record(t, full()).One(t, job, "postgres-reconcile")
	found := false
	for _, urn := range node.RegisterRPC.GetDependencies() {
		found = found || strings.HasSuffix(urn, "postgres-members")
	}
	if !found {
		t.Errorf("it depends on %v", node.RegisterRPC.GetDependencies())
	}
}

func TestPrimaryServiceAsksPatroniOnly(t *testing.T) {
	g := record(t, full())
	node := g.One(t, service_, "postgres-primary-service")
	if got := node.Text("spec.selector.role"); got != "primary" {
		t.Errorf("it selects role %q", got)
	}
	if unready, _ := node.Path("spec.publishNotReadyAddresses"); !unready.IsBool() || !unready.BoolValue() {
		t.Error("a member that was just promoted would be left out until its next probe")
	}
	reads := g.One(t, service_, "postgres-replica-service")
	if unready, _ := reads.Path("spec.publishNotReadyAddresses"); unready.IsBool() && unready.BoolValue() {
		t.Error("replicas that lag would be read from")
	}
}

// TestNoFlowIsOpenByMistake looks for the two shapes of a rule that mean
// "everyone": no peers, and an empty selector.
func TestNoFlowIsOpenByMistake(t *testing.T) {
	for name, args := range map[string]Args{"no clients": valid(), "clients": full()} {
		for _, node := range record(t, args).Of(policy) {
			rules, _ := node.Path("spec.ingress")
			if !rules.IsArray() {
				continue
			}
			for i := range rules.ArrayValue() {
				from, found := node.Path(fmt.Sprintf("spec.ingress[%d].from", i))
				if !found || len(from.ArrayValue()) == 0 {
					t.Errorf("%s: rule %d of %s admits everyone", name, i, node.Name)
				}
			}
		}
	}
	g := record(t, valid())
	if _, found := g.One(t, policy, "postgres-allow-pooler").Path("spec.ingress"); found {
		t.Error("a cluster without clients admits some")
	}
}

// TestOnlyTheOtherPartIsLetIn: whoever may copy a member has all of its data, and
// whoever may push can fill the repository.
func TestOnlyTheOtherPartIsLetIn(t *testing.T) {
	g := record(t, full())
	for name, want := range map[string]string{
		"postgres-certificate":            "postgres-member.slipway-database.svc",
		"postgres-repository-certificate": "postgres-repository.slipway-database.svc",
	} {
		node := g.One(t, "kubernetes:cert-manager.io/v1:Certificate", name)
		if got := node.Text("spec.commonName"); got != want {
			t.Errorf("%s is for %q, want %q", name, got, want)
		}
	}
	if got := g.One(t, "kubernetes:cert-manager.io/v1:Certificate", "postgres-pooler-certificate").Text("spec.commonName"); got != "" {
		t.Errorf("a pooler is known to pgBackRest as %q", got)
	}
	p, _ := resolve("postgres", full())
	for file, other := range map[string]string{p.memberCopies(): "repository", p.repositoryCopies(""): "member"} {
		if want := "\ntls-server-auth=postgres-" + other + ".slipway-database.svc=postgres\n"; strings.Count(file, "tls-server-auth=") != 1 || !strings.Contains(file, want) {
			t.Errorf("not only %s is let in by:\n%s", other, file)
		}
	}
}

// TestABucketIsReachedAndNothingElseIs compares what the two kinds of repository
// may reach.
func TestABucketIsReachedAndNothingElseIs(t *testing.T) {
	for name, test := range map[string]struct {
		backups *Backups
		rules   int
		role    string
	}{"volume": {&Backups{}, 1, ""}, "bucket": {inBucket(), 3, "arn:aws:iam::111122223333:role/backups"}} {
		args := full()
		args.Backups = test.backups
		g := record(t, args)
		egress, _ := g.One(t, policy, "postgres-allow-repository").Path("spec.egress")
		if got := len(egress.ArrayValue()); got != test.rules {
			t.Errorf("%s: it may send by %d rules, want %d", name, got, test.rules)
		}
		account := g.One(t, "kubernetes:core/v1:ServiceAccount", "postgres-repository-account")
		if got := account.Text(`metadata.annotations["eks.amazonaws.com/role-arn"]`); got != test.role {
			t.Errorf("%s: it has role %q, want %q", name, got, test.role)
		}
	}
}

func TestWithoutBackupsNothingIsArchived(t *testing.T) {
	args := full()
	args.Backups = nil
	g := record(t, args)
	if g.Has(statefulSet, "postgres-repository") || g.Has(policy, "postgres-allow-repository") {
		t.Error("there is a repository all the same")
	}
	p, _ := resolve("postgres", args)
	for name := range p.parameters() {
		if strings.HasPrefix(name, "archive") {
			t.Errorf("%s is set, and what is not taken away fills the volume", name)
		}
	}
}

// TestAnExporterCanOnlyLook: whoever takes it over must not have the data, a
// password of the cluster's, or a way to be somebody else.
func TestAnExporterCanOnlyLook(t *testing.T) {
	const exporter = "spec.template.spec.containers[1]"
	g := record(t, full())
	set := g.One(t, statefulSet, "postgres-members")
	if got := set.Text(exporter + ".args[0]"); got != "exporter" {
		t.Fatalf("the second container runs %q", got)
	}
	mounts, _ := set.Path(exporter + ".volumeMounts")
	if len(mounts.ArrayValue()) != 1 || set.Text(exporter+".volumeMounts[0].name") != "run" {
		t.Errorf("it sees more than the socket: %v", mounts)
	}
	if only, _ := set.Path(exporter + ".volumeMounts[0].readOnly"); !only.IsBool() || !only.BoolValue() {
		t.Error("it may write where the member's own files are")
	}
	if user, _ := set.Path(exporter + ".securityContext.runAsUser"); !user.IsNumber() || user.NumberValue() == memberUser {
		t.Errorf("it runs as %v: PostgreSQL takes that for its owner", user)
	}
	pooler := g.One(t, "kubernetes:apps/v1:Deployment", "postgres-pooler")
	if got := pooler.Text(exporter + ".args[0]"); got != "bouncer" {
		t.Fatalf("the pooler's second container runs %q", got)
	}
	seen := map[string]bool{}
	mounts, _ = pooler.Path(exporter + ".volumeMounts")
	for _, mount := range mounts.ArrayValue() {
		seen[mount.ObjectValue()["name"].StringValue()] = true
	}
	volumes, _ := pooler.Path("spec.template.spec.volumes")
	for i, volume := range volumes.ArrayValue() {
		if !seen[volume.ObjectValue()["name"].StringValue()] {
			continue
		}
		items, _ := pooler.Path(fmt.Sprintf("spec.template.spec.volumes[%d].secret.items", i))
		if !items.IsArray() || len(items.ArrayValue()) != 1 || items.ArrayValue()[0].ObjectValue()["key"].StringValue() != exporterUser {
			t.Errorf("it sees more than its own password: %v", volume)
		}
		delete(seen, volume.ObjectValue()["name"].StringValue())
	}
	if len(seen) > 0 || len(mounts.ArrayValue()) == 0 {
		t.Errorf("it mounts %v, and of that %v is no volume", mounts, seen)
	}
}

// TestWatchingAddsNothingToLose: what is guarded, or of a kind that a rollback
// refuses to delete, would keep monitoring from being switched off.
func TestWatchingAddsNothingToLose(t *testing.T) {
	args := full()
	kept := func() []string {
		var names []string
		for _, node := range record(t, args).Nodes() {
			if node.RegisterRPC.GetProtect() || node.TypeToken == password {
				names = append(names, node.TypeToken+" "+node.Name)
			}
		}
		slices.Sort(names)
		return names
	}
	watched := kept()
	args.MonitoringNamespace = ""
	if unwatched := kept(); !slices.Equal(watched, unwatched) {
		t.Errorf("watched %v, unwatched %v", watched, unwatched)
	}
}

// TestNobodyIsToldNothing: where nobody watches there is no exporter, nor anything
// that one would need.
func TestNobodyIsToldNothing(t *testing.T) {
	args := full()
	watched, err := record(t, args).Render()
	if err != nil {
		t.Fatal(err)
	}
	args.MonitoringNamespace = ""
	g := record(t, args)
	unwatched, err := g.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"exporter", "stats_users", fmt.Sprint(memberMetricsPort), fmt.Sprint(poolerMetricsPort)} {
		if strings.Contains(unwatched, word) {
			t.Errorf("%s is there all the same", word)
		}
		if !strings.Contains(watched, word) {
			t.Errorf("%s is nowhere where somebody watches, so this proves nothing", word)
		}
	}
	for _, name := range []string{"members", "pooler", "pooler-replica", "repository"} {
		ingress, _ := g.One(t, policy, "postgres-allow-"+name).Path("spec.ingress")
		if strings.Contains(fmt.Sprint(ingress), "slipway-monitoring") {
			t.Errorf("monitoring is let in to the %s", name)
		}
	}
}

func TestOneMemberHasNoReplicas(t *testing.T) {
	args := full()
	args.Members = 1
	g := record(t, args)
	if g.Has("kubernetes:apps/v1:Deployment", "postgres-pooler-replica") {
		t.Error("a pooler waits for replicas that will never be")
	}
	for _, members := range []int{1, 3} {
		args.Members = members
		p, _ := resolve("postgres", args)
		poolers := p.poolers()
		if got := poolers[len(poolers)-1].role == replica; got != (members > 1) {
			t.Errorf("%d members: the last pooler is for %s", members, poolers[len(poolers)-1].role)
		}
	}
}

func TestFaultyArgumentsDeclareNothing(t *testing.T) {
	args := valid()
	args.TTL = 5
	g := &componenttest.Graph{}
	err := g.Try(t, declare(args))
	if err == nil || !strings.Contains(err.Error(), `database "postgres": ttl: is 5 s`) {
		t.Errorf("got %v", err)
	}
	if nodes := g.Of("kubernetes:"); len(nodes) > 0 {
		t.Errorf("%d resources were declared all the same", len(nodes))
	}
}
