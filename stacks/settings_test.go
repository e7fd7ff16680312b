package stacks_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/stacks"
)

// minimal is the shortest configuration of a stack.
func minimal() map[string]string {
	return map[string]string{
		"slipway:foundation": "local",
		"slipway:cluster":    `{"identifier": "c"}`,
		"slipway:storage":    `{"provisioner": "example.test/p"}`,
		"slipway:dns":        `{"publicZone": "example.test", "privateZone": "internal.example.test"}`,
		"slipway:ingress":    `{"addresses": ["192.0.2.1"]}`,
		"slipway:api":        `{"host": "api.example.test"}`,
	}
}

// load reads settings as a program does. The project of these tests is called
// slipway, as the real one is.
func load(t *testing.T, config map[string]string) (stacks.Settings, error) {
	t.Helper()
	var settings stacks.Settings
	var failure error
	g := &componenttest.Graph{Config: config}
	g.Run(t, func(ctx *pulumi.Context) error {
		settings, failure = stacks.Load(ctx)
		return nil
	})
	return settings, failure
}

func TestWhatIsMissingKeepsItsDefault(t *testing.T) {
	settings, err := load(t, minimal())
	if err != nil {
		t.Fatal(err)
	}
	want := stacks.Defaults()
	want.Foundation, want.Cluster.Identifier, want.Storage.Provisioner = "local", "c", "example.test/p"
	if settings.Database.Members != want.Database.Members || settings.API.Scaling != want.API.Scaling ||
		settings.Ingress.HTTPSPort != 443 || settings.API.Drain != want.API.Drain {
		t.Errorf("defaults were lost: %+v", settings)
	}
	config := minimal()
	config["slipway:api"] = `{"host": "api.example.test", "scaling": {"max": 9}}`
	if settings, err = load(t, config); err != nil || settings.API.Scaling.Max != 9 || settings.API.Scaling.Min != 2 {
		t.Errorf("a partly given mapping became %+v, %v", settings.API.Scaling, err)
	}
}

func TestFaultsNameTheirPath(t *testing.T) {
	for name, test := range map[string]struct{ key, value, want string }{
		"unknown key":             {"api", `{"host": "api.example.test", "replcas": 3}`, "api.replcas: is unknown; known here: "},
		"misspelt key":            {"api", `{"hosts": "api.example.test"}`, "api.hosts: is unknown; did you mean host?"},
		"unknown key further in":  {"api", `{"host": "a.example.test", "scaling": {"mn": 3}}`, "api.scaling.mn: is unknown; did you mean min?"},
		"text for a number":       {"database", `{"members": "three"}`, `database.members: is "three", must be a whole number`},
		"fraction for a number":   {"database", `{"members": 3.5}`, "database.members: is 3.5, must be a whole number"},
		"number for text":         {"api", `{"host": 7}`, "api.host: is 7, must be text"},
		"text for a truth":        {"ingress", `{"hostPorts": "ture", "addresses": ["192.0.2.1"]}`, `ingress.hostPorts: is "ture", must be true or false`},
		"text for a mapping":      {"dns", "example.test", `dns: is "example.test", must be a mapping`},
		"list for a mapping":      {"dns", `[]`, "dns: is [], must be a mapping"},
		"mapping for a list":      {"ingress", `{"addresses": {}}`, "ingress.addresses: is {}, must be a list of which each item is text"},
		"number in a list":        {"ingress", `{"addresses": ["192.0.2.1", 3]}`, "ingress.addresses[1]: is 3, must be text"},
		"number in a map of text": {"database", `{"parameters": {"work_mem": 8}}`, "database.parameters.work_mem: is 8, must be text"},
		"null":                    {"api", `{"host": null}`, "api.host: is null, must be text"},
		"foundation":              {"foundation", "gcp", `foundation: is "gcp"; this version knows: local, aws, account, guest`},
		"identifier":              {"cluster", `{}`, "cluster.identifier: is missing"},
		"api network":             {"cluster", `{"identifier": "c", "apiNetworks": ["10.0.0.1"]}`, "cluster.apiNetworks[0]: "},
		"provisioner":             {"storage", `{}`, "storage.provisioner: is missing"},
		"zone":                    {"dns", `{"publicZone": "Example.test", "privateZone": "i.test"}`, "dns.publicZone: "},
		"one zone for both":       {"dns", `{"publicZone": "example.test", "privateZone": "example.test"}`, "dns.privateZone: is the public zone"},
		"cluster IP":              {"dns", `{"publicZone": "example.test", "privateZone": "i.test", "clusterIP": "x"}`, "dns.clusterIP: "},
		"port":                    {"dns", `{"publicZone": "example.test", "privateZone": "i.test", "hostPort": 70000}`, "dns.hostPort: is 70000, must be at most 65535"},
		"no address":              {"ingress", `{}`, "ingress.addresses: is empty"},
		"address":                 {"ingress", `{"addresses": ["192.0.2.256"]}`, "ingress.addresses[0]: "},
		"address twice":           {"ingress", `{"addresses": ["192.0.2.1", "192.0.2.1"]}`, "ingress.addresses[1]: 192.0.2.1 is ingress.addresses[0] already"},
		"one port for both":       {"ingress", `{"addresses": ["192.0.2.1"], "httpPort": 443}`, "ingress.httpPort: is 443, the same"},
		"members":                 {"database", `{"members": 0}`, "database.members: is 0, must be at least 1"},
		"storage":                 {"database", `{"storage": "ten"}`, "database.storage: "},
		"owner":                   {"database", `{"owner": "Api"}`, "database.owner: "},
		"durability":              {"database", `{"durability": "eventual"}`, `database.durability: "eventual" is none of strict, available`},
		"strict alone":            {"database", `{"members": 1, "durability": "strict"}`, "database.durability: is strict with one member"},
		"Patroni's clock":         {"database", `{"loopWaitSeconds": 10, "retryTimeoutSeconds": 10}`, "database.ttlSeconds: is 20, must be at least"},
		"host outside the zone":   {"api", `{"host": "api.other.test"}`, `api.host: "api.other.test" is not inside dns.publicZone "example.test"`},
		"strategy":                {"api", `{"host": "api.example.test", "strategy": "canary"}`, `api.strategy: "canary" is none of`},
		"colour":                  {"api", `{"host": "api.example.test", "strategy": "blueGreen", "blueGreen": {"active": "red"}}`, `api.blueGreen.active: "red" is none of`},
		"release":                 {"api", `{"host": "api.example.test", "blueGreen": {"blue": "Latest"}}`, "api.blueGreen.blue: "},
		"more than at most":       {"api", `{"host": "api.example.test", "scaling": {"min": 7}}`, "api.scaling.max: is 6, below scaling.min = 7"},
		"quantity":                {"api", `{"host": "api.example.test", "resources": {"memory": "lots"}}`, "api.resources.memory: "},
		"drain":                   {"api", `{"host": "api.example.test", "drain": {"drainSeconds": 3}}`, "api.drain.drainSeconds: is 3, must exceed"},
		"no drain":                {"api", `{"host": "api.example.test", "drain": {"preStopSeconds": 0}}`, "api.drain.preStopSeconds: is 0, must be at least 1"},
		"log level":               {"api", `{"host": "api.example.test", "logLevel": "loud"}`, "api.logLevel: "},
		"sink":                    {"logging", `{"sink": "loki"}`, `logging.sink: "loki" is none of files, s3, off`},
		"sink without a bucket":   {"logging", `{"sink": "s3"}`, "logging.sink: is s3, but with foundation local there is no bucket; take files"},
		"days":                    {"logging", `{"accessDays": 0}`, "logging.accessDays: is 0, must be at least 1"},
		"too many days":           {"logging", `{"systemDays": 91}`, "logging.systemDays: is 91, must be at most 90"},
		"profile":                 {"dataProtection", `{"profile": "none"}`, `dataProtection.profile: "none" is none of standard, off`},
		"benchmark's schedule":    {"benchmark", `{"schedule": "every week"}`, `benchmark.schedule: "every week" has 2 parts`},
		"benchmark's mix":         {"benchmark", `{"mix": "all"}`, `benchmark.mix: "all" is none of read, write, mixed, streaming`},
		"benchmark's length":      {"benchmark", `{"durationSeconds": 5}`, "benchmark.durationSeconds: is 5, must be at least 10"},
		"benchmark's limit":       {"benchmark", `{"maxP99Milliseconds": 0}`, "benchmark.maxP99Milliseconds: is 0, must be at least 1"},
		"benchmark's errors":      {"benchmark", `{"maxErrors": -1}`, "benchmark.maxErrors: is -1, must be at least 0"},
		"renewal":                 {"certificates", `{"validHours": 24}`, "certificates.renewHours: is 720"},
	} {
		t.Run(name, func(t *testing.T) {
			config := minimal()
			config["slipway:"+test.key] = test.value
			_, err := load(t, config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %s", err, test.want)
			}
		})
	}
}

// TestABenchmarkFitsTheIngress: more requests than one client may send would
// measure the limit.
func TestABenchmarkFitsTheIngress(t *testing.T) {
	config := minimal()
	config["slipway:ingress"] = `{"addresses": ["192.0.2.1"], "requestsPerSecond": 50}`
	config["slipway:benchmark"] = `{"enabled": true, "rate": 51}`
	if _, err := load(t, config); err == nil || !strings.Contains(err.Error(), "benchmark.rate: is 51, above ingress.requestsPerSecond = 50") {
		t.Errorf("got %v", err)
	}
	config["slipway:benchmark"] = `{"enabled": true, "rate": 50}`
	if _, err := load(t, config); err != nil {
		t.Error(err)
	}
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	config := minimal()
	config["slipway:api"] = `{"hots": "x", "scaling": {"min": "two"}}`
	config["slipway:database"] = `{"members": "x", "unknown": 1}`
	_, err := load(t, config)
	if err == nil {
		t.Fatal("four faults passed")
	}
	for _, path := range []string{"api.hots: ", "api.scaling.min: ", "database.members: ", "database.unknown: "} {
		if !strings.Contains(err.Error(), path) {
			t.Errorf("%q is not in:\n%v", path, err)
		}
	}
	if strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("want one line for each of four faults:\n%v", err)
	}
}

func TestOneFaultIsReportedOnce(t *testing.T) {
	config := minimal()
	config["slipway:api"] = `{"host": "api.example.test", "drain": {"preStopSeconds": 0}, "scaling": {"min": 1}}`
	_, err := load(t, config)
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("want two lines for two faults, got:\n%v", err)
	}
}

func TestUnknownKeysAreRefused(t *testing.T) {
	t.Setenv(pulumi.EnvConfig, `{"slipway:databse": "{}", "slipway:api": "{}", "pulumi:autonaming": "{}", "other:key": "1"}`)
	_, err := load(t, minimal())
	if err == nil || !strings.Contains(err.Error(), "databse: is unknown; did you mean database?") {
		t.Errorf("got %v", err)
	}
	if err != nil && (strings.Contains(err.Error(), "autonaming") || strings.Contains(err.Error(), "other")) {
		t.Errorf("keys of others were judged: %v", err)
	}
}

func TestDefaultsAreValid(t *testing.T) {
	settings := stacks.Defaults()
	settings.Foundation, settings.Cluster.Identifier, settings.Storage.Provisioner = "local", "c", "p"
	settings.DNS.PublicZone, settings.DNS.PrivateZone, settings.API.Host = "a.test", "b.test", "api.a.test"
	settings.Ingress.Addresses = []string{"192.0.2.1"}
	if err := settings.Validate(); err != nil {
		t.Errorf("the defaults contradict each other:\n%v", err)
	}
}

func TestNoLabIsSaidClearly(t *testing.T) {
	t.Setenv("SLIPWAY_STATE", t.TempDir())
	err := (&componenttest.Graph{Config: minimal()}).Try(t, stacks.Run)
	for _, want := range []string{"cluster.kubeconfig is not set", "make up", "slipway lab up"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}
