package graph

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/cloudtest"
	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/stacks"
)

// base are the settings of one of the stacks.
func base(t testing.TB, stack string) stacks.Settings {
	t.Helper()
	var settings stacks.Settings
	g := &componenttest.Graph{Config: config(t, stack)}
	if err := g.Try(t, func(ctx *pulumi.Context) error {
		var err error
		settings, err = stacks.Load(ctx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return settings
}

// pokes change one setting each to another valid value; numbers need none and
// are raised by one. before prepares settings that matter only beside another.
var pokes = map[string]struct {
	before, change func(*stacks.Settings)
}{
	"api.drain.readinessPeriodSeconds": {change: func(s *stacks.Settings) { s.API.Drain.ReadinessPeriodSeconds = 1 }},
	"api.drain.readinessThreshold":     {change: func(s *stacks.Settings) { s.API.Drain.ReadinessThreshold = 1 }},
	"cluster.kubeconfig":               {change: func(s *stacks.Settings) { s.Cluster.Kubeconfig = strings.ReplaceAll(kubeconfig, "10.89", "10.99") }},
	"cluster.context":                  {before: func(s *stacks.Settings) { s.Cluster.Kubeconfig = twoContexts }, change: func(s *stacks.Settings) { s.Cluster.Context = "other" }},
	"cluster.identifier":               {change: func(s *stacks.Settings) { s.Cluster.Identifier = "other" }},
	"cluster.apiNetworks":              {change: func(s *stacks.Settings) { s.Cluster.APINetworks = []string{"10.1.0.0/16"} }},
	"cluster.nodeNetworks":             {change: func(s *stacks.Settings) { s.Cluster.NodeNetworks = []string{"10.1.0.0/16"} }},
	"admission.action":                 {change: func(s *stacks.Settings) { s.Admission.Action = "warn" }},
	"storage.provisioner":              {change: func(s *stacks.Settings) { s.Storage.Provisioner = "ebs.csi.aws.com" }},
	"storage.parameters":               {change: func(s *stacks.Settings) { s.Storage.Parameters = map[string]string{"type": "gp3"} }},
	"dns.publicZone": {change: func(s *stacks.Settings) {
		s.DNS.PublicZone = "other.test"
		s.API.Host = "api.other.test"
	}, before: func(s *stacks.Settings) { s.API.Host = "api.slipway.test" }},
	"dns.privateZone":            {change: func(s *stacks.Settings) { s.DNS.PrivateZone = "private.test" }},
	"dns.clusterIP":              {change: func(s *stacks.Settings) { s.DNS.ClusterIP = "10.96.0.54" }},
	"dns.replicas":               {before: func(s *stacks.Settings) { s.DNS.HostPort = 0 }, change: func(s *stacks.Settings) { s.DNS.Replicas = 3 }},
	"certificates.authorityName": {change: func(s *stacks.Settings) { s.Certificates.AuthorityName = "Other CA" }},
	"ingress.hostPorts":          {change: func(s *stacks.Settings) { s.Ingress.HostPorts = false }},
	"ingress.replicas":           {before: balanced, change: func(s *stacks.Settings) { s.Ingress.Replicas = 4 }},
	"ingress.maxReplicas":        {before: balanced, change: func(s *stacks.Settings) { s.Ingress.MaxReplicas = 8 }},
	"ingress.trustedProxies":     {change: func(s *stacks.Settings) { s.Ingress.TrustedProxies = []string{"10.0.0.0/8"} }},
	"ingress.guests":             {change: func(s *stacks.Settings) { s.Ingress.Guests = "review" }},
	"guest.host":                 {change: func(s *stacks.Settings) { s.Guest.Host = "other" }},
	"guest.expires":              {change: func(s *stacks.Settings) { s.Guest.Expires = "2027-01-01T00:00:00Z" }},
	"guest.ingressNamespace":     {change: func(s *stacks.Settings) { s.Guest.IngressNamespace = "other" }},
	"guest.issuer":               {change: func(s *stacks.Settings) { s.Guest.Issuer = "other" }},
	"guest.volumeClass":          {change: func(s *stacks.Settings) { s.Guest.VolumeClass = "other" }},
	"ingress.addresses":          {change: func(s *stacks.Settings) { s.Ingress.Addresses = []string{"10.89.0.12"} }},
	"database.durability":        {change: func(s *stacks.Settings) { s.Database.Durability = "available" }},
	"database.shareNodes":        {change: func(s *stacks.Settings) { s.Database.ShareNodes = true }},
	"database.storage":           {change: func(s *stacks.Settings) { s.Database.Storage = "3Gi" }},
	"database.cpu":               {change: func(s *stacks.Settings) { s.Database.CPU = "70m" }},
	"database.memory":            {change: func(s *stacks.Settings) { s.Database.Memory = "512Mi" }},
	"database.name":              {change: func(s *stacks.Settings) { s.Database.Name = "other" }},
	"database.owner":             {change: func(s *stacks.Settings) { s.Database.Owner = "other" }},
	"database.parameters":        {change: func(s *stacks.Settings) { s.Database.Parameters = map[string]string{"work_mem": "8MB"} }},
	"database.encrypted": {
		before: func(s *stacks.Settings) { s.Database.Backups.Enabled = false },
		change: func(s *stacks.Settings) { s.Database.Encrypted = !s.Database.Encrypted },
	},
	"database.backups.enabled":  {change: func(s *stacks.Settings) { s.Database.Backups.Enabled = false }},
	"database.backups.fullDays": {change: func(s *stacks.Settings) { s.Database.Backups.FullDays-- }},
	"database.backups.storage":  {change: func(s *stacks.Settings) { s.Database.Backups.Storage = "300Gi" }},
	"database.unprotected":      {change: func(s *stacks.Settings) { s.Database.Unprotected = true }},
	"api.host":                  {change: func(s *stacks.Settings) { s.API.Host = "web.slipway.test" }},
	"api.strategy":              {change: func(s *stacks.Settings) { s.API.Strategy = "blueGreen" }},
	"api.blueGreen.active":      {before: blueGreen, change: func(s *stacks.Settings) { s.API.BlueGreen.Active = "green" }},
	"api.blueGreen.blue":        {before: blueGreen, change: func(s *stacks.Settings) { s.API.BlueGreen.Blue = "src-aaaaaaaaaaaa" }},
	"api.blueGreen.green":       {before: blueGreen, change: func(s *stacks.Settings) { s.API.BlueGreen.Green = "src-aaaaaaaaaaaa" }},
	"api.resources.cpu":         {change: func(s *stacks.Settings) { s.API.Resources.CPU = "120m" }},
	"api.resources.memory":      {change: func(s *stacks.Settings) { s.API.Resources.Memory = "130Mi" }},
	"api.resources.memoryLimit": {change: func(s *stacks.Settings) { s.API.Resources.MemoryLimit = "300Mi" }},
	"logging.sink":              {change: func(s *stacks.Settings) { s.Logging.Sink = "off" }},
	"dataProtection.profile":    {change: func(s *stacks.Settings) { s.DataProtection.Profile = "off" }},
	"api.logLevel":              {change: func(s *stacks.Settings) { s.API.LogLevel = "debug" }},

	"benchmark.enabled":            {change: measured},
	"benchmark.schedule":           {before: measured, change: func(s *stacks.Settings) { s.Benchmark.Schedule = "0 5 * * 1" }},
	"benchmark.rate":               {before: measured, change: func(s *stacks.Settings) { s.Benchmark.Rate++ }},
	"benchmark.durationSeconds":    {before: measured, change: func(s *stacks.Settings) { s.Benchmark.DurationSeconds++ }},
	"benchmark.mix":                {before: measured, change: func(s *stacks.Settings) { s.Benchmark.Mix = "streaming" }},
	"benchmark.maxP99Milliseconds": {before: measured, change: func(s *stacks.Settings) { s.Benchmark.MaxP99Milliseconds++ }},
	"benchmark.maxErrors":          {before: measured, change: func(s *stacks.Settings) { s.Benchmark.MaxErrors++ }},

	"monitoring.enabled":       {change: func(s *stacks.Settings) { s.Monitoring.Enabled = false }},
	"monitoring.retentionSize": {change: func(s *stacks.Settings) { s.Monitoring.RetentionSize = "1Gi" }},
	"monitoring.storage":       {change: func(s *stacks.Settings) { s.Monitoring.Storage = "3Gi" }},
	"monitoring.memory":        {change: func(s *stacks.Settings) { s.Monitoring.Memory = "300Mi" }},
	"monitoring.runbooks":      {change: func(s *stacks.Settings) { s.Monitoring.Runbooks = "https://runbooks.example.org/" }},
	"monitoring.unprotected":   {change: func(s *stacks.Settings) { s.Monitoring.Unprotected = true }},

	"monitoring.grafanaNamespace": {change: func(s *stacks.Settings) { s.Monitoring.GrafanaNamespace = "grafana" }},

	"monitoring.objectives.availabilityPercent": {change: func(s *stacks.Settings) { s.Monitoring.Objectives.AvailabilityPercent = "99.5" }},
	"monitoring.objectives.latencyPercent":      {change: func(s *stacks.Settings) { s.Monitoring.Objectives.LatencyPercent = "95" }},
	"monitoring.objectives.latencySeconds":      {change: func(s *stacks.Settings) { s.Monitoring.Objectives.LatencySeconds = "1" }},
	"monitoring.receiver.webhookURL":            {change: func(s *stacks.Settings) { s.Monitoring.Receiver.WebhookURL = "https://people.example.org/key" }},
	"monitoring.receiver.deadmanURL":            {change: func(s *stacks.Settings) { s.Monitoring.Receiver.DeadmanURL = "https://alive.example.org/key" }},
}

// obliging answers as the account and region that the settings are meant for,
// to one of their own administrators.
func obliging(settings stacks.Settings) func(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return func(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
		answer, err := cloudtest.Answer("any")(args)
		if err != nil {
			return nil, err
		}
		switch args.Token {
		case "aws:index/getRegion:getRegion":
			answer["name"] = resource.NewProperty(settings.AWS.Region)
		case "aws:index/getCallerIdentity:getCallerIdentity":
			answer["accountId"] = resource.NewProperty(settings.AWS.Account)
			if admins := settings.AWS.Cluster.Admins; len(admins) > 0 {
				answer["arn"] = resource.NewProperty(admins[0])
			}
		default:
			var zones []resource.PropertyValue
			for _, zone := range settings.AWS.Network.Zones {
				zones = append(zones, resource.NewProperty(zone))
			}
			answer["names"] = resource.NewProperty(zones)
		}
		return answer, nil
	}
}

func measured(s *stacks.Settings) { s.Benchmark.Enabled = true }

func balanced(s *stacks.Settings) { s.Ingress.HostPorts = false }

func blueGreen(s *stacks.Settings) { s.API.Strategy = "blueGreen" }

// twoContexts is a kubeconfig with a choice.
var twoContexts = strings.Replace(kubeconfig, "contexts: [",
	`contexts: [{name: other, context: {cluster: slipway-lab, user: admin, namespace: other}}, `, 1)

// TestEverySettingChangesTheGraph: a setting that is read, documented and then
// dropped is worse than one that is missing.
func TestEverySettingChangesTheGraph(t *testing.T) {
	lab(t)
	// Upstream definitions are large and no setting reaches them.
	versions := stacks.Versions{
		Admission: filepath.Join(checkout, "stacks", "admission"),
		Traefik:   "v3.0.0", CertManager: "v1.0.0", CoreDNS: "v1.0.0", API: "a", Migrations: "n", Postgres: "p", Pooler: "p", Monitoring: "m", Discovery: "d",
		StateMetrics: "v2.0.0", Collector: "c", Benchmark: "b",
		TraefikCRDs: definitions(t, "traefik.io", "ingressroutes", "middlewares", "serverstransports",
			"tlsoptions", "tlsstores", "traefikservices", "ingressroutetcps", "ingressrouteudps", "middlewaretcps", "serverstransporttcps"),
		CertManagerCRDs: definitions(t, "cert-manager.io", "certificaterequests", "certificates", "clusterissuers", "issuers",
			"challenges.acme", "orders.acme"),
	}
	render := func(t *testing.T, settings stacks.Settings) string {
		t.Helper()
		if err := settings.Validate(); err != nil {
			t.Fatalf("the test's settings are not valid: %v", err)
		}
		g := graph(false)
		g.Answer = obliging(settings)
		g.Run(t, func(ctx *pulumi.Context) error {
			declared, err := stacks.Declare(ctx, settings, versions)
			if err == nil {
				declared.Export(ctx)
			}
			return err
		})
		text, err := g.Reveal()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	bases, unchanged := map[string]stacks.Settings{}, map[string]string{}
	for _, stack := range []string{"local", "prod", "account", guest} {
		bases[stack] = base(t, stack)
		unchanged[stack] = render(t, bases[stack])
	}
	maps.Copy(pokes, awsPokes)
	unused := slices.Collect(maps.Keys(pokes))
	for _, field := range leaves(reflect.TypeFor[stacks.Settings](), "", nil) {
		if field.path == "guest.caCertificate" {
			continue // only published; TestWhatAGuestPublishes
		}
		if field.path == "foundation" {
			continue // a stack is of one kind, and TestFoundation refuses unknown ones
		}
		unused = slices.DeleteFunc(unused, func(path string) bool { return path == field.path })
		t.Run(field.path, func(t *testing.T) {
			stack := "local"
			switch {
			case strings.HasPrefix(field.path, "aws."):
				stack = "prod"
			case strings.HasPrefix(field.path, "account."):
				stack = "account"
			case strings.HasPrefix(field.path, "guest."):
				stack = guest
			}
			settings, before := bases[stack], unchanged[stack]
			poke, ok := pokes[field.path]
			if poke.before != nil {
				poke.before(&settings)
				before = render(t, settings)
			}
			switch {
			case ok:
				poke.change(&settings)
			case field.kind == reflect.Int && !strings.Contains(field.path, "*"):
				value := reflect.ValueOf(&settings).Elem().FieldByIndex(field.index)
				value.SetInt(value.Int() + 1)
			default:
				t.Fatalf("say in pokes how to change %s", field.path)
			}
			if before == render(t, settings) {
				t.Errorf("%s is read and then ignored", field.path)
			}
		})
	}
	for _, path := range unused {
		t.Errorf("pokes change %s, which is no setting", path)
	}
}

// definitions writes custom resource definitions that say as little as they may.
func definitions(t *testing.T, group string, plurals ...string) string {
	t.Helper()
	var text strings.Builder
	for _, plural := range plurals {
		fmt.Fprintf(&text, `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]s.%[2]s}
spec:
  group: %[2]s
  names: {kind: %[1]s, plural: %[1]s}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
`, plural, group)
	}
	path := filepath.Join(t.TempDir(), group+".yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// leaf is one setting.
type leaf struct {
	path  string
	index []int
	kind  reflect.Kind
}

func leaves(kind reflect.Type, path string, index []int) []leaf {
	var found []leaf
	for i := range kind.NumField() {
		field := kind.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		at := strings.TrimPrefix(path+"."+name, ".")
		where := append(slices.Clone(index), i)
		if field.Type.Kind() == reflect.Struct {
			found = append(found, leaves(field.Type, at, where)...)
			continue
		}
		if field.Type.Kind() == reflect.Map && field.Type.Elem().Kind() == reflect.Struct {
			found = append(found, leaves(field.Type.Elem(), at+".*", where)...)
			continue
		}
		found = append(found, leaf{at, where, field.Type.Kind()})
	}
	return found
}

func TestPulumiYAMLListsEveryKey(t *testing.T) {
	var project struct {
		Config map[string]struct {
			Type        string `json:"type"`
			Description string `json:"description"`
		} `json:"config"`
	}
	readYAML(t, checkout+"/Pulumi.yaml", &project)
	kind := reflect.TypeFor[stacks.Settings]()
	for i := range kind.NumField() {
		name := kind.Field(i).Tag.Get("json")
		listed, ok := project.Config["slipway:"+name]
		want := "object"
		if kind.Field(i).Type.Kind() == reflect.String {
			want = "string"
		}
		if !ok || listed.Type != want {
			t.Errorf("Pulumi.yaml declares %s as %q, want type %s", name, listed.Type, want)
		}
		// Its description names every key one level down.
		if field := kind.Field(i).Type; field.Kind() == reflect.Struct {
			for j := range field.NumField() {
				if key := field.Field(j).Tag.Get("json"); !strings.Contains(listed.Description, key) {
					t.Errorf("the description of %s in Pulumi.yaml does not mention %s", name, key)
				}
			}
		}
		delete(project.Config, "slipway:"+name)
	}
	for key := range project.Config {
		if strings.HasPrefix(key, "slipway:") {
			t.Errorf("Pulumi.yaml declares %s, which is no setting", key)
		}
	}
	if _, ok := project.Config["pulumi:disable-default-providers"]; !ok {
		t.Error("Pulumi.yaml does not disable default providers")
	}
}

func TestFoundation(t *testing.T) {
	for value, want := range map[string]string{
		"gcp": `foundation: is "gcp"; this version knows: local, aws, account, guest`,
		"":    `foundation: is ""; this version knows: local, aws, account, guest`,
	} {
		t.Run(fmt.Sprintf("%q", value), func(t *testing.T) {
			settings := base(t, "local")
			settings.Foundation = value
			if err := settings.Validate(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want it to say %s", err, want)
			}
		})
	}
}
