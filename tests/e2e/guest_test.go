//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/environment"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/tests/harness"
)

const preview = "pr-1"

// listed is what `slipway env list --json` says of one preview.
type listed struct {
	Name    string    `json:"name"`
	Commit  string    `json:"commit"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
	Expired bool      `json:"expired"`
	State   string    `json:"state"`
	URL     string    `json:"url"`
}

func previews(t *testing.T) map[string]listed {
	t.Helper()
	out, err := harness.Slipway(within(t, time.Minute), live.Checkout, "env", "list", "--json")
	require.NoError(t, err)
	var rows []listed
	require.NoError(t, json.Unmarshal([]byte(out), &rows))
	byName := map[string]listed{}
	for _, row := range rows {
		byName[row.Name] = row
	}
	return byName
}

// slipway runs the command in the shared platform's checkout.
func slipway(t *testing.T, limit time.Duration, args ...string) (string, error) {
	t.Helper()
	return harness.Slipway(within(t, limit), live.Checkout, args...)
}

// TestABranchPreviewLivesBesideItsHost makes a preview, stops that in the middle
// and continues it, uses it over HTTPS at its own name, lets it expire, stops its
// removal in the middle and removes it. The host neither sees its rows nor changes.
func TestABranchPreviewLivesBesideItsHost(t *testing.T) {
	healthy(t)
	t.Cleanup(func() { dropPreview(t) })
	hosts := store(t, "a row of the host's", 1)
	before := unchanged(t)

	for _, refused := range []struct {
		args []string
		says string
	}{
		{[]string{"PR_1"}, "not a name for a branch preview"},
		{[]string{"staging"}, "begin: pr-, review-"},
		{[]string{preview, "--expires", "-1h"}, "not a time to keep"},
		{[]string{preview, "--from", "nowhere"}, "has no Pulumi.nowhere.yaml"},
		{[]string{preview, "--from", "dev"}, "takes no branch previews"},
	} {
		out, err := slipway(t, time.Minute, append([]string{"env", "create", "--yes"}, refused.args...)...)
		require.Error(t, err, out)
		require.Contains(t, out, refused.says)
	}
	require.NotContains(t, previews(t), preview, "what was refused has left something")
	_, err := live.Kubectl(within(t, time.Minute), "create", "namespace", preview+"-api")
	require.NoError(t, err)
	out, err := slipway(t, time.Minute, "env", "create", preview, "--yes")
	require.Error(t, err)
	require.Contains(t, out, "namespace pr-1-api is there and belongs to no preview")
	_, err = live.Kubectl(within(t, time.Minute), "delete", "namespace", preview+"-api")
	require.NoError(t, err)

	// Ctrl-C once its database's namespace is there.
	hasDatabase := func() error {
		_, err := live.Kubectl(t.Context(), "get", "namespace", preview+"-database")
		return err
	}
	stopInTheMiddle(t, hasDatabase, "env", "create", preview, "--yes")
	require.Contains(t, previews(t), preview)

	out, err = slipway(t, 8*time.Minute, "env", "create", preview, "--yes", "--expires", "2h")
	require.NoError(t, err, out)
	row := previews(t)[preview]
	require.Equal(t, "up", row.State)
	require.False(t, row.Expired)
	require.Equal(t, "https://pr-1.preview.slipway.test:8443", row.URL)
	require.WithinDuration(t, time.Now().Add(2*time.Hour), row.Expires, 10*time.Minute)
	require.Contains(t, out, row.URL)

	id := storeAt(t, row.URL, "a row of the preview's")
	require.Equal(t, http.StatusOK, read(t, row.URL, id))
	require.Equal(t, http.StatusNotFound, read(t, live.URL, id), "the host shows a row of the preview's")
	require.Equal(t, http.StatusNotFound, read(t, row.URL, hosts), "the preview shows a row of the host's")
	require.Equal(t, http.StatusOK, read(t, live.URL, hosts))
	_, err = slipway(t, time.Minute, "smoke", "--stack", preview)
	require.NoError(t, err)
	answer := resolve(t, "udp", "pr-1.preview.slipway.test")
	require.Equal(t, dns.RcodeSuccess, answer.Rcode)
	require.NotEmpty(t, answer.Answer)

	// The host's database is closed to the preview, and the other way round.
	probe := inNamespace(t, preview+"-api", map[string]string{"app.kubernetes.io/name": "api"})
	// The nodes learn of the probe's label a moment after the API server.
	require.NoError(t, eventually(within(t, time.Minute), func() error {
		if !probe.reaches(t, "postgres-pooler."+preview+"-database", 5432) {
			return errors.New("the probe reaches nothing")
		}
		return nil
	}))
	require.False(t, probe.reaches(t, "postgres-pooler."+harness.Database, 5432), "a preview reaches the host's database")

	// It is a stack like any other.
	for _, command := range [][]string{{"history"}, {"drift"}, {"lock"}} {
		out, err := slipway(t, 2*time.Minute, append(command, "--stack", preview)...)
		require.NoError(t, err, out)
	}
	out, err = slipway(t, time.Minute, "down", "--stack", preview)
	require.Error(t, err)
	require.Contains(t, out, "slipway env remove pr-1")
	out, err = slipway(t, time.Minute, "destroy", "--confirm", "local")
	require.Error(t, err, "a host was destroyed under its preview")
	require.Contains(t, out, "branch previews live beside it: pr-1")
	require.Equal(t, before, unchanged(t), "the host was changed")

	// It has not expired, so pruning leaves it; until its file says otherwise.
	out, err = slipway(t, time.Minute, "env", "prune", "--yes")
	require.NoError(t, err, out)
	require.Contains(t, out, "no branch preview has expired")
	expire(t)
	out, err = slipway(t, time.Minute, "env", "create", preview, "--yes")
	require.Error(t, err)
	require.Contains(t, out, "has expired")
	out, err = slipway(t, time.Minute, "env", "prune")
	require.NoError(t, err, out)
	require.Contains(t, out, "pr-1 expired")
	require.Contains(t, previews(t), preview, "pruned without --yes")

	// Ctrl-C once its database has begun to go, and then by name.
	stopInTheMiddle(t, func() error {
		out, err := live.Kubectl(t.Context(), "get", "namespace", preview+"-api", "-o", "jsonpath={.status.phase}")
		if err == nil && out == "Active" {
			return errors.New("nothing of the preview has gone yet")
		}
		return nil
	}, "env", "prune", "--yes")
	require.Contains(t, previews(t), preview)
	out, err = slipway(t, 5*time.Minute, "env", "remove", preview, "--yes")
	require.NoError(t, err, out)
	nothingLeft(t)
	require.Equal(t, http.StatusOK, read(t, live.URL, hosts))
	require.Equal(t, before, unchanged(t), "the host was changed")
	out, err = slipway(t, time.Minute, "env", "remove", preview, "--yes")
	require.Error(t, err)
	require.Contains(t, out, `there is no branch preview "pr-1"`)

	// One that was never finished expires as well, and is pruned whole.
	stopInTheMiddle(t, hasDatabase, "env", "create", preview, "--yes")
	expire(t)
	out, err = slipway(t, 5*time.Minute, "env", "prune", "--yes")
	require.NoError(t, err, out)
	nothingLeft(t)
	require.Equal(t, before, unchanged(t), "the host was changed")
}

// expire writes into the preview's file that its time is over.
func expire(t *testing.T) {
	t.Helper()
	file := filepath.Join(paths.Pulumi(), "environments", "Pulumi."+preview+".yaml")
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	ends := previews(t)[preview].Expires.UTC().Format(time.RFC3339)
	require.Contains(t, string(raw), ends)
	over := bytes.Replace(raw, []byte(ends), []byte("2020-01-01T00:00:00Z"), 1)
	require.NoError(t, os.WriteFile(file, over, 0o600))
	require.True(t, previews(t)[preview].Expired)
}

// stopInTheMiddle starts a command and presses Ctrl-C once check finds nothing
// to wait for.
func stopInTheMiddle(t *testing.T, check func() error, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(within(t, 5*time.Minute), filepath.Join(live.Checkout, ".slipway", "bin", "slipway"), args...)
	cmd.Dir = live.Checkout
	require.NoError(t, cmd.Start())
	require.NoError(t, eventually(within(t, 4*time.Minute), check))
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.Error(t, cmd.Wait(), "it ended before it was stopped")
}

// dropPreview removes what a failed test has left.
func dropPreview(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if _, err := os.Stat(filepath.Join(paths.Pulumi(), "environments", "Pulumi."+preview+".yaml")); err != nil {
		return
	}
	out, err := harness.Slipway(ctx, live.Checkout, "env", "remove", preview, "--yes")
	require.NoError(t, err, out)
}

// unchanged is what an update of the host would do, which is nothing, and which
// of its objects there are.
func unchanged(t *testing.T) string {
	t.Helper()
	out, err := slipway(t, 3*time.Minute, "preview")
	require.NoError(t, err, out)
	require.NotRegexp(t, changes, out, "the host differs from its program")
	var found strings.Builder
	for _, namespace := range []string{harness.API, harness.Database, harness.Ingress, harness.DNS, "cert-manager"} {
		objects, err := live.Kubectl(within(t, time.Minute), "get", "deployments,statefulsets,daemonsets,configmaps,secrets,networkpolicies,services",
			"-n", namespace, "-o", `jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid}{"\n"}{end}`)
		require.NoError(t, err)
		found.WriteString(objects)
	}
	return found.String()
}

// nothingLeft looks for whatever a removed preview could leave behind.
func nothingLeft(t *testing.T) {
	t.Helper()
	require.NotContains(t, previews(t), preview)
	ctx := within(t, time.Minute)
	namespaces, err := live.Kubectl(ctx, "get", "namespaces", "-o", "name")
	require.NoError(t, err)
	volumes, err := live.Kubectl(ctx, "get", "persistentvolumes", "-o", "jsonpath={.items[*].spec.claimRef.namespace}")
	require.NoError(t, err)
	require.Contains(t, volumes, harness.Database, "the host's volumes are not seen")
	for _, namespace := range environment.Namespaces(preview) {
		require.NotContains(t, namespaces, namespace)
		require.NotContains(t, volumes, namespace)
	}
	var files []string
	require.NoError(t, filepath.WalkDir(paths.Pulumi(), func(path string, _ os.DirEntry, err error) error {
		if strings.Contains(strings.TrimPrefix(path, paths.Pulumi()), preview) {
			files = append(files, path)
		}
		return err
	}))
	require.Empty(t, files, "files of the preview are left")
	require.NoDirExists(t, filepath.Join(live.Checkout, ".slipway", preview))
}

// storeAt writes a row into one of the platforms of this machine.
func storeAt(t *testing.T, url, name string) string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"name": name, "quantity": 1})
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(within(t, time.Minute), http.MethodPost, url+"/v1/items", bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	res, err := live.HTTP.Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, res.StatusCode, string(raw))
	var stored struct {
		ID string `json:"id"`
	}
	require.NoError(t, json.Unmarshal(raw, &stored))
	require.NotEmpty(t, stored.ID)
	return stored.ID
}

// read is the status with which a platform answers for a row.
func read(t *testing.T, url, id string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(within(t, time.Minute), http.MethodGet, fmt.Sprintf("%s/v1/items/%s", url, id), nil)
	require.NoError(t, err)
	res, err := live.HTTP.Do(req)
	require.NoError(t, err)
	_ = res.Body.Close()
	return res.StatusCode
}
