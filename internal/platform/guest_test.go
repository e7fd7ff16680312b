package platform

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/environment"
	"slipway.dev/slipway/internal/paths"
)

// previewOf makes a branch preview of a stack's checkout.
func previewOf(t *testing.T, host *Stack, name string, change func(map[string]any)) *Stack {
	t.Helper()
	settings, err := environment.Host{
		Stack:  Local,
		Config: map[string]any{"slipway:foundation": Local, "slipway:cluster": map[string]any{"identifier": "c"}},
		Outputs: map[string]any{
			"caCertificate": "pem", "guests": map[string]any{"zone": "preview.slipway.test"},
		},
	}.Settings(name, time.Now(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	if change != nil {
		change(settings)
	}
	s, err := WriteGuest(t.Context(), host.Checkout, name, settings, noTools{})
	require.NoError(t, err)
	return s
}

func TestAPreviewIsAStackOfThisMachine(t *testing.T) {
	host := checkout(t, "config:\n  slipway:foundation: local\n")
	none, err := Guests()
	require.NoError(t, err)
	require.Empty(t, none)
	s := previewOf(t, host, "pr-1", nil)
	require.True(t, s.IsGuest())
	require.True(t, s.IsLocal())
	require.False(t, host.IsGuest())
	lab, err := s.UsesLab()
	require.NoError(t, err)
	require.True(t, lab)
	there, err := s.inCluster()
	require.NoError(t, err)
	require.True(t, there)
	entries, err := filepath.Glob(filepath.Join(host.Checkout, "*pr-1*"))
	require.NoError(t, err)
	require.Empty(t, entries, "something in the checkout could be committed")

	require.NoError(t, os.WriteFile(s.saltFile(), []byte("v1:its-own"), 0o600))
	require.NoError(t, s.writeConfig())
	text, err := os.ReadFile(s.configFile())
	require.NoError(t, err)
	require.Contains(t, string(text), "encryptionsalt: v1:its-own")
	require.Contains(t, string(text), "slipway:foundation: guest")

	// Another checkout of this machine knows it as well.
	other := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(other, "Pulumi.local.yaml"), nil, 0o600))
	from, err := OpenStack(other, "pr-1", noTools{})
	require.NoError(t, err)
	require.True(t, from.IsGuest())
	// A stack that is committed goes first.
	require.NoError(t, os.WriteFile(filepath.Join(other, "Pulumi.pr-1.yaml"), nil, 0o600))
	from, err = OpenStack(other, "pr-1", noTools{})
	require.NoError(t, err)
	require.False(t, from.IsGuest())

	_, err = OpenStack(host.Checkout, "pr-2", noTools{})
	require.ErrorContains(t, err, "this checkout has: local, pr-1")
	mine, err := host.GuestsOf()
	require.NoError(t, err)
	require.Equal(t, []string{"pr-1"}, mine)
	none, err = s.GuestsOf()
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestAHostIsNotDestroyedUnderItsPreviews(t *testing.T) {
	host := checkout(t, "config:\n  slipway:foundation: local\n")
	previewOf(t, host, "pr-1", nil)
	previewOf(t, host, "pr-2", func(s map[string]any) { s["slipway:guest"].(map[string]any)["host"] = "other" })
	previewOf(t, host, "pr-3", func(s map[string]any) { s["slipway:guest"] = "damaged" })
	err := (&Site{Stack: host}).Destroy(t.Context(), os.Stderr, Local)
	require.ErrorIs(t, err, ErrGuests)
	require.ErrorContains(t, err, "pr-1, pr-3")
	require.NotContains(t, err.Error(), "pr-2")
}

func TestALabIsNotStoppedByItsGuest(t *testing.T) {
	s := previewOf(t, checkout(t, "config: {}\n"), "pr-1", nil)
	err := (&Site{Stack: s}).Down(t.Context(), os.Stderr)
	require.ErrorIs(t, err, ErrNoLab)
	require.ErrorContains(t, err, "slipway env remove pr-1")
}

// The salt of a stack that is gone must not keep a new one from being made.
func TestSaltWithoutAStackIsDropped(t *testing.T) {
	host := checkout(t, "config: {}\n")
	s := previewOf(t, host, "pr-1", nil)
	require.NoError(t, os.WriteFile(s.saltFile(), []byte("v1:old"), 0o600))
	previewOf(t, host, "pr-1", nil)
	require.NoFileExists(t, s.saltFile())

	require.NoError(t, os.WriteFile(s.saltFile(), []byte("v1:used"), 0o600))
	states := filepath.Join(paths.Pulumi(), ".pulumi", "stacks", "slipway")
	require.NoError(t, os.MkdirAll(states, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(states, "pr-1.json"), []byte(`{"version":3,"checkpoint":{}}`), 0o600))
	previewOf(t, host, "pr-1", nil)
	require.FileExists(t, s.saltFile(), "a stack has lost its salt")
}

func TestForgettingAPreviewLeavesOthers(t *testing.T) {
	host := checkout(t, "config: {}\n")
	s, other := previewOf(t, host, "pr-1", nil), previewOf(t, host, "pr-12", nil)
	place := filepath.Join(paths.Pulumi(), ".pulumi")
	var gone, kept []string
	for _, name := range []string{"pr-1", "pr-12"} {
		files := []string{
			filepath.Join(place, "stacks", "slipway", name+".json.bak"), filepath.Join(place, "stacks", "slipway", name+".json"),
			filepath.Join(place, "history", "slipway", name, "h.json"), filepath.Join(paths.Pulumi(), name+".salt"),
			filepath.Join(host.Checkout, ".slipway", name, "ca.crt"),
		}
		for _, file := range files {
			require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
			require.NoError(t, os.WriteFile(file, nil, 0o600))
		}
		if name == "pr-1" {
			gone = files
		} else {
			kept = files
		}
	}
	require.NoError(t, s.forget())
	require.NoError(t, s.forget(), "it cannot be repeated")
	for _, file := range append(gone, s.file) {
		require.NoFileExists(t, file)
	}
	for _, file := range append(kept, other.file) {
		require.FileExists(t, file)
	}
}

func TestOnlyOneCommandHasAPreview(t *testing.T) {
	t.Setenv(paths.RunEnv, t.TempDir())
	release, err := HoldGuest("pr-1")
	require.NoError(t, err)
	_, err = HoldGuest("pr-1")
	require.ErrorIs(t, err, ErrBusy)
	another, err := HoldGuest("pr-2")
	require.NoError(t, err)
	another()
	release()
	release, err = HoldGuest("pr-1")
	require.NoError(t, err)
	release()
}

func TestWhoCannotBeAHost(t *testing.T) {
	host := checkout(t, "config:\n  slipway:foundation: local\n")
	_, err := host.Hosting(t.Context())
	require.ErrorIs(t, err, ErrNotUp)
	require.ErrorContains(t, err, "make up STACK=local")
	s := previewOf(t, host, "pr-1", nil)
	_, err = s.Hosting(t.Context())
	require.ErrorIs(t, err, environment.ErrNoGuests)
	require.NoError(t, os.WriteFile(filepath.Join(host.Checkout, "Pulumi.dev.yaml"), nil, 0o600))
	dev, err := OpenStack(host.Checkout, "dev", noTools{})
	require.NoError(t, err)
	_, err = dev.Hosting(t.Context())
	require.ErrorIs(t, err, environment.ErrNoGuests)
	err = dev.RemoveGuest(t.Context(), os.Stderr, 0)
	require.ErrorContains(t, err, "it is no branch preview")
}

func TestRoutesThatAnswerForAHost(t *testing.T) {
	const lines = "slipway-api\tHost(`api.slipway.test`) && (PathPrefix(`/v1`))\n" +
		"pr-1-api\tHost(`pr-1.preview.slipway.test`)\n" +
		"shop\tHost(`a.test`) || Host(`PR-2.preview.slipway.test`) Host(\"b.test\")\n\n"
	own := environment.Namespaces("pr-1")
	for host, want := range map[string]string{
		"pr-1.preview.slipway.test": "", "pr-2.preview.slipway.test": "shop", "b.test": "shop",
		"api.slipway.test": "slipway-api", "i.slipway.test": "", "nobody.test": "",
	} {
		require.Equal(t, want, routed(lines, host, own), host)
	}
	require.Equal(t, "pr-1-api", routed(lines, "pr-1.preview.slipway.test", environment.Namespaces("pr-2")))
}

func TestVolumesOfAPreview(t *testing.T) {
	const lines = "slipway-database\tv1\npr-1-database\tv2\npr-12-database\tv3\n\tv4\n"
	require.Equal(t, []string{"v2"}, volumesOf(lines, environment.Namespaces("pr-1")))
	require.Empty(t, volumesOf(lines, environment.Namespaces("pr-2")))
}

func TestTheLeaderIsTheStacksOwn(t *testing.T) {
	const lines = "slipway-database postgres-1\npr-1-database postgres-0\n"
	require.Equal(t, []object{{"pr-1-database", "postgres-0"}}, inNamespaces(lines, []any{"pr-1-api", "pr-1-database"}))
	require.Equal(t, []object{{"slipway-database", "postgres-1"}}, inNamespaces(lines, []any{"slipway-api", "slipway-database"}))
	require.Empty(t, inNamespaces(lines, nil))
}

func TestAPreviewBringsItsImagesAndNoLab(t *testing.T) {
	tasks := coldTasks(t, true, func(host *Stack) *Stack {
		t.Setenv(paths.StateEnv, t.TempDir())
		return previewOf(t, host, "pr-1", nil)
	})
	for _, name := range []string{"lab", "image docker.io/library/traefik"} {
		require.NotContains(t, tasks, name)
	}
	require.ElementsMatch(t, []string{"image slipway.dev/api", "image slipway.dev/migrations", "image slipway.dev/postgres", "image slipway.dev/pgbouncer"}, tasks["load images"].Needs)
	require.Contains(t, tasks, "stack pr-1")
}
