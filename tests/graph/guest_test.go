package graph

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/certificates/certificatestest"
	"slipway.dev/slipway/components/component/componenttest"
	"slipway.dev/slipway/internal/environment"
	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/report"
	"slipway.dev/slipway/policies/settings"
	"slipway.dev/slipway/stacks"
)

// guest is a branch preview. It has no file in the checkout: its settings are
// written, as `slipway env create` does it, from those of its host and from what
// the host publishes.
const guest = "pr-1"

// published are the outputs of the local stack that guests are told, once they
// were asked for.
var published map[string]any

// guestSettings are those of a guest of the local stack.
func guestSettings(t testing.TB) map[string]any {
	t.Helper()
	host := environment.Host{Stack: "local", Config: fileConfig(t, "local"), Outputs: hostOutputs(t)}
	created := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	settings, err := host.Settings(guest, created, created.Add(environment.DefaultKeep))
	if err != nil {
		t.Fatal(err)
	}
	return settings
}

// hostOutputs are what the program of the local stack publishes for guests.
func hostOutputs(t testing.TB) map[string]any {
	t.Helper()
	if published != nil {
		return published
	}
	lab(t)
	g := graph(false)
	g.Config, g.StackName = config(t, "local"), "local"
	known := make(chan [2]any, 1)
	g.Run(t, func(ctx *pulumi.Context) error {
		p, err := platform(ctx, t)
		if err != nil {
			return err
		}
		pulumi.All(p.ForGuests(), p.Authority.CACertificate).ApplyT(func(values []any) string {
			known <- [2]any{values[0], values[1]}
			return ""
		})
		return nil
	})
	values := <-known
	published = map[string]any{"guests": values[0], "caCertificate": values[1]}
	return published
}

// platform declares the platform of the stack that ctx is configured for.
func platform(ctx *pulumi.Context, t testing.TB) (stacks.Platform, error) {
	t.Helper()
	settings, err := stacks.Load(ctx)
	if err != nil {
		return stacks.Platform{}, err
	}
	root, err := filepath.Abs(checkout)
	if err != nil {
		return stacks.Platform{}, err
	}
	versions, err := stacks.ReadVersions(root)
	if err != nil {
		return stacks.Platform{}, err
	}
	declared, err := stacks.Declare(ctx, settings, versions)
	if err != nil {
		return stacks.Platform{}, err
	}
	p, ok := declared.(stacks.Platform)
	if !ok {
		t.Fatalf("the stack declares a %T", declared)
	}
	return p, nil
}

// eachGuest asks check about a guest as an update and as a first preview.
func eachGuest(t *testing.T, check func(t *testing.T, g *componenttest.Graph)) {
	t.Helper()
	for name, fresh := range map[string]bool{"update": false, "first preview": true} {
		t.Run(name, func(t *testing.T) { check(t, declared(t, guest, fresh)) })
	}
}

// strays are what a recording has outside of namespaces.
func strays(g *componenttest.Graph, namespaces []string) []string {
	var found []string
	for _, node := range g.Of("kubernetes:") {
		where, name := node.Text("metadata.namespace"), node.Text("metadata.name")
		if node.TypeToken == "kubernetes:core/v1:Namespace" {
			where = name
		}
		if !slices.Contains(namespaces, where) {
			found = append(found, node.TypeToken+" "+where+"/"+name)
		}
	}
	return found
}

// TestAGuestKeepsToItsNamespaces: nothing of the whole cluster, and nothing in a
// namespace of the host or of another guest.
func TestAGuestKeepsToItsNamespaces(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *componenttest.Graph) {
		for _, stray := range strays(g, environment.Namespaces(guest)) {
			t.Errorf("%s is not the guest's own", stray)
		}
		if n := len(g.Of("kubernetes:core/v1:Namespace")); n != len(environment.Namespaces(guest)) {
			t.Errorf("%d namespaces are declared", n)
		}
		for _, node := range g.Nodes() {
			if strings.HasPrefix(node.TypeToken, "aws:") {
				t.Errorf("%s %q is in a cloud", node.TypeToken, node.Name)
			}
		}
		g.RequireOwned(t)
		g.RequireSecrets(t)
		g.RequireStableSelectors(t)
	})
	// The host, held to the same, has much that is not in its namespaces.
	host := declared(t, "local", false)
	found := strays(host, []string{"slipway-api", "slipway-database"})
	for _, kind := range []string{"storage.k8s.io/v1:StorageClass", "ClusterIssuer", "CustomResourceDefinition", "slipway-ingress/"} {
		if !slices.ContainsFunc(found, func(stray string) bool { return strings.Contains(stray, kind) }) {
			t.Errorf("the test does not see %s of the host", kind)
		}
	}
}

// TestNothingOfAGuestIsDeclaredByItsHost, so that neither undoes the other.
func TestNothingOfAGuestIsDeclaredByItsHost(t *testing.T) {
	objects := func(g *componenttest.Graph) map[string]bool {
		seen := map[string]bool{}
		for _, node := range g.Of("kubernetes:") {
			seen[node.TypeToken+" "+node.Text("metadata.namespace")+"/"+node.Text("metadata.name")] = true
		}
		return seen
	}
	host, guests := objects(declared(t, "local", false)), objects(declared(t, guest, false))
	for object := range guests {
		if host[object] && !strings.HasSuffix(object, "/") {
			t.Errorf("%s is declared by both", object)
		}
	}
}

func TestAGuestsNamespacesSayWhoseAndUntilWhen(t *testing.T) {
	eachGuest(t, func(t *testing.T, g *componenttest.Graph) {
		for _, namespace := range g.Of("kubernetes:core/v1:Namespace") {
			name := namespace.Text("metadata.name")
			if got := namespace.Text(`metadata.labels["slipway.dev/guest-of"]`); got != "local" {
				t.Errorf("namespace %s is a guest of %q", name, got)
			}
			if got := namespace.Text(`metadata.annotations["slipway.dev/expires"]`); got != "2026-12-04T12:00:00Z" {
				t.Errorf("namespace %s ends %q", name, got)
			}
			if got := namespace.Text(`metadata.labels["pod-security.kubernetes.io/enforce"]`); got != "restricted" {
				t.Errorf("namespace %s enforces %q", name, got)
			}
			if namespace.RegisterRPC.GetProtect() {
				t.Errorf("namespace %s is protected, and could not be removed", name)
			}
		}
	})
	for _, namespace := range declared(t, "local", false).Of("kubernetes:core/v1:Namespace") {
		if namespace.Text(`metadata.labels["slipway.dev/guest-of"]`) != "" {
			t.Errorf("the host's namespace %s is a guest's", namespace.Text("metadata.name"))
		}
	}
}

// TestTheHostLetsRequestsInToGuests: its proxies may reach namespaces that name
// it, on the service's port, and only where it takes guests.
func TestTheHostLetsRequestsInToGuests(t *testing.T) {
	const selector = `namespaceSelector.matchLabels["slipway.dev/guest-of"]`
	open := func(stack string) (label string, port float64) {
		policy := declared(t, stack, false).One(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy", "ingress-flows")
		rules, _ := policy.Path("spec.egress")
		for i := range rules.ArrayValue() {
			at := fmt.Sprintf("spec.egress[%d]", i)
			if label := policy.Text(at + ".to[0]." + selector); label != "" {
				return label, policy.Number(at + ".ports[0].port")
			}
		}
		return "", 0
	}
	if label, port := open("local"); label != "local" || port != 8000 {
		t.Errorf("the local stack's proxies reach guests of %q on port %v", label, port)
	}
	if label, _ := open("prod"); label != "" {
		t.Errorf("proxies of prod reach guests of %q", label)
	}
}

func TestWhatAGuestPublishes(t *testing.T) {
	lab(t)
	g := graph(false)
	g.Config, g.StackName = config(t, guest), guest
	known := make(chan string, 1)
	g.Run(t, func(ctx *pulumi.Context) error {
		p, err := platform(ctx, t)
		if err != nil {
			return err
		}
		p.Export(ctx)
		p.Authority.CACertificate.ApplyT(func(pem string) string {
			known <- pem
			return pem
		})
		return nil
	})
	if got := <-known; got != certificatestest.Authority {
		t.Errorf("it publishes the certificate %q", got)
	}
}

func TestGuestsNeedAFittingName(t *testing.T) {
	lab(t)
	for _, name := range []string{"PR-1", "pr.1", strings.Repeat("x", 41)} {
		g := graph(false)
		g.Config, g.StackName = config(t, guest), name
		if err := g.Try(t, stacks.Run); err == nil || !strings.Contains(err.Error(), "not a name for a branch preview") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestFaultsOfAGuestsSettings(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*stacks.Settings)
		says   string
	}{
		"no host":              {func(s *stacks.Settings) { s.Guest.Host = "" }, "guest.host: is missing"},
		"no issuer":            {func(s *stacks.Settings) { s.Guest.Issuer = "" }, "guest.issuer: is missing"},
		"no class":             {func(s *stacks.Settings) { s.Guest.VolumeClass = "" }, "guest.volumeClass: is missing"},
		"no proxies":           {func(s *stacks.Settings) { s.Guest.IngressNamespace = "" }, "guest.ingressNamespace: is missing"},
		"no end":               {func(s *stacks.Settings) { s.Guest.Expires = "soon" }, `guest.expires: "soon" is not a moment`},
		"no certificate":       {func(s *stacks.Settings) { s.Guest.CACertificate = "x" }, "guest.caCertificate: is not a certificate"},
		"guarded data":         {func(s *stacks.Settings) { s.Database.Unprotected = false }, "database.unprotected: is false"},
		"no address":           {func(s *stacks.Settings) { s.Ingress.Addresses = nil }, "ingress.addresses: is empty"},
		"what the host has":    {func(s *stacks.Settings) { s.Storage.Provisioner = "p" }, "storage.provisioner: has no effect with foundation guest"},
		"guests of its own":    {func(s *stacks.Settings) { s.Ingress.Guests = "preview" }, "ingress.guests: has no effect"},
		"a cluster without ID": {func(s *stacks.Settings) { s.Cluster.Identifier = "" }, "cluster.identifier: is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := base(t, guest)
			test.change(&settings)
			if err := settings.Validate(); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want it to say %s", err, test.says)
			}
		})
	}
	for name, change := range map[string]func(*stacks.Settings){
		"guest.host: has no effect":      func(s *stacks.Settings) { s.Guest.Host = "local" },
		"ingress.guests: \"a.b\" is not": func(s *stacks.Settings) { s.Ingress.Guests = "a.b" },
	} {
		settings := base(t, "local")
		change(&settings)
		if err := settings.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want it to say %s", err, name)
		}
	}
}

// TestPoliciesKnowPreviewsByTheirName: the names that `slipway env create` takes
// are those of which the policies want an end.
func TestPoliciesKnowPreviewsByTheirName(t *testing.T) {
	held, err := settings.Load(filepath.Join(checkout, "policies", settings.File), guest, catalogue.Rules())
	if err != nil {
		t.Fatal(err)
	}
	if err := environment.CheckName(guest, held.Limits.EphemeralStacks); err != nil {
		t.Error(err)
	}
	// The host's namespaces, were they a preview's, have no end.
	r := judged(t, guest, recorded(t, "local", false))
	if !slices.ContainsFunc(r.Entries, func(e report.Entry) bool { return e.Rule == "ephemeral-expiry" && e.Stops() }) {
		t.Error("a preview without an end passes")
	}
}
