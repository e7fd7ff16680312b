//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/tests/harness"
)

// seedEnv repeats a run that failed.
const seedEnv = "SLIPWAY_TEST_SEED"

// knob is one thing that commits change, and how the running platform is asked
// for it. What it answers comes from the cluster or from the platform's own
// answers, never from the state or the program.
type knob struct {
	name   string
	values []string
	// weight is how often it is drawn, against the others.
	weight int
	// path is its place in the stack's configuration. Without one it is the
	// service's own code.
	path []string
	live func(t *testing.T, ctx context.Context) (string, error)
}

// absent as a value leaves the setting out.
const absent = ""

// knobs cover an image, replicas, settings of several components, and resources
// that come and go.
func knobs() []knob {
	return []knob{
		{name: "release", values: []string{"one", "two", "three", "four"}, weight: 4, live: inEveryPod("import slipway_api; print(slipway_api.RELEASE)")},
		{name: "log level", values: []string{"info", "warning"}, weight: 1, path: []string{"slipway:api", "logLevel"},
			live: inEveryPod("import os; print(os.environ['SLIPWAY_LOG_LEVEL'])")},
		{name: "replicas", values: []string{"2", "3", "4"}, weight: 2, path: []string{"slipway:api", "scaling", "min"},
			live: object("hpa", harness.API, "{.items[?(@.metadata.name==\"api\")].spec.minReplicas}")},
		{name: "most replicas", values: []string{"5", "6", "7"}, weight: 2, path: []string{"slipway:api", "scaling", "max"},
			live: object("hpa", harness.API, "{.items[?(@.metadata.name==\"api\")].spec.maxReplicas}")},
		{name: "strict transport", values: []string{"86400", "604800", "31536000"}, weight: 2, path: []string{"slipway:ingress", "hstsSeconds"}, live: strictTransport},
		{name: "time to live", values: []string{"5", "6", "7"}, weight: 2, path: []string{"slipway:dns", "ttlSeconds"}, live: timeToLive},
		{name: "admission", values: []string{"Deny", "Warn"}, weight: 1, path: []string{"slipway:admission", "action"},
			live: alike(object("validatingadmissionpolicybindings", "", "{.items[*].spec.validationActions[*]}"))},
		{name: "dashboards", values: []string{"grafana", absent}, weight: 2, path: []string{"slipway:monitoring", "grafanaNamespace"},
			live: dashboards},
	}
}

// inEveryPod runs Python in every pod of the API that stays, which have to agree.
func inEveryPod(script string) func(*testing.T, context.Context) (string, error) {
	return alike(func(_ *testing.T, ctx context.Context) (string, error) {
		pods, err := live.Pods(ctx, harness.API, "app.kubernetes.io/name=api,app.kubernetes.io/component=web")
		if err != nil {
			return "", err
		}
		var said []string
		for _, pod := range pods {
			if pod.Metadata.DeletionTimestamp != "" {
				return "", errors.New(pod.Metadata.Name + " is still leaving")
			}
			out, err := live.Kubectl(ctx, "exec", "-n", harness.API, pod.Metadata.Name, "--", "python", "-c", script)
			if err != nil {
				return "", err
			}
			said = append(said, strings.TrimSpace(out))
		}
		return strings.Join(said, " "), nil
	})
}

// alike makes one word of words that are all the same.
func alike(several func(*testing.T, context.Context) (string, error)) func(*testing.T, context.Context) (string, error) {
	return func(t *testing.T, ctx context.Context) (string, error) {
		out, err := several(t, ctx)
		words := strings.Fields(out)
		slices.Sort(words)
		return strings.Join(slices.Compact(words), " "), err
	}
}

// object reads a field of the objects of a kind.
func object(kind, namespace, field string) func(*testing.T, context.Context) (string, error) {
	return func(_ *testing.T, ctx context.Context) (string, error) {
		args := []string{"get", kind, "-l", "app.kubernetes.io/part-of=slipway", "-o", "jsonpath=" + field}
		if namespace != "" {
			args = append(args, "-n", namespace)
		}
		return live.Kubectl(ctx, args...)
	}
}

func strictTransport(_ *testing.T, ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, live.URL+"/v1/items?limit=1", nil)
	if err != nil {
		return "", err
	}
	res, err := live.HTTP.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	age, _, _ := strings.Cut(strings.TrimPrefix(res.Header.Get("Strict-Transport-Security"), "max-age="), ";")
	return age, nil
}

func timeToLive(t *testing.T, _ context.Context) (string, error) {
	answer := resolve(t, "udp", live.Host)
	if len(answer.Answer) == 0 {
		return "", errors.New("the public zone has no answer")
	}
	return fmt.Sprint(answer.Answer[0].Header().Ttl), nil
}

func dashboards(_ *testing.T, ctx context.Context) (string, error) {
	out, err := live.Kubectl(ctx, "get", "configmaps", "-A", "-l", "grafana_dashboard", "-o", "name")
	if err != nil || out == "" {
		return absent, err
	}
	return "grafana", nil
}

// shape is what a commit declares: a value for each knob, by its name.
type shape map[string]string

// turn makes the files of a clone declare a value.
func (k *knob) turn(r *release, value string) {
	r.t.Helper()
	if k.path == nil {
		file := filepath.Join(r.dir, "app/src/slipway_api/__init__.py")
		text, err := os.ReadFile(file)
		require.NoError(r.t, err)
		kept, _, _ := strings.Cut(string(text), "\nRELEASE = ")
		require.NoError(r.t, os.WriteFile(file, []byte(kept+"\nRELEASE = \""+value+"\"\n"), 0o600))
		return
	}
	file := filepath.Join(r.dir, "Pulumi.local.yaml")
	text, err := os.ReadFile(file)
	require.NoError(r.t, err)
	var whole map[string]any
	require.NoError(r.t, yaml.Unmarshal(text, &whole))
	at := whole["config"].(map[string]any)
	for _, key := range k.path[:len(k.path)-1] {
		below, ok := at[key].(map[string]any)
		if !ok {
			below = map[string]any{}
			at[key] = below
		}
		at = below
	}
	last := k.path[len(k.path)-1]
	number, err := strconv.Atoi(value)
	switch {
	case value == absent:
		delete(at, last)
	case err == nil:
		at[last] = number
	default:
		at[last] = strings.ToLower(value)
	}
	text, err = yaml.Marshal(whole)
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(file, text, 0o600))
}

// as fails unless the running platform is what a commit declares.
func (s shape) as(t *testing.T, all []knob) {
	t.Helper()
	ctx := within(t, 4*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		var faults []error
		for _, k := range all {
			found, err := k.live(t, ctx)
			if err == nil && found != s[k.name] {
				err = fmt.Errorf("%s is %q, the commit declares %q", k.name, found, s[k.name])
			}
			faults = append(faults, err)
		}
		return errors.Join(faults...)
	}))
}

// bearers are the objects that hold data, by what cannot be made again.
func bearers(t *testing.T) string {
	t.Helper()
	out, err := live.Kubectl(within(t, time.Minute), "get", "statefulsets,persistentvolumeclaims", "-A",
		"-o", `jsonpath={range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.uid}{"\n"}{end}`)
	require.NoError(t, err)
	return out
}

// TestRandomChangesAndRollbacks changes the platform in commits that are drawn,
// and after every few goes back to a commit that is drawn, from which the next
// change goes on. After each step the platform is what the commit declares, and
// what holds data is what it was; at the end no row is lost.
func TestRandomChangesAndRollbacks(t *testing.T) {
	healthy(t)
	seed := uint64(2026_12_01)
	if text := os.Getenv(seedEnv); text != "" {
		given, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, seedEnv)
		seed = given
	}
	t.Logf("%s=%d", seedEnv, seed)
	draw := rand.New(rand.NewPCG(seed, 0))

	r := newRelease(t)
	all := knobs()
	var urn []int
	is := shape{}
	for i, k := range all {
		is[k.name] = k.values[0]
		k.turn(r, k.values[0])
		urn = append(urn, slices.Repeat([]int{i}, k.weight)...)
	}
	type point struct {
		number int
		commit string
		shape  shape
	}
	var points []point
	step := func(message string) {
		commit := r.commit(message)
		r.must("up")
		is.as(t, all)
		entry := r.newest()
		require.True(t, entry.Good(), entry.Unfit())
		require.Equal(t, commit, entry.Commit)
		points = append(points, point{entry.Number, commit, maps.Clone(is)})
	}
	step("all knobs at their first value")
	held := bearers(t)
	require.Contains(t, held, "StatefulSet "+harness.Database+"/")
	require.Contains(t, held, "PersistentVolumeClaim "+harness.Database+"/")

	const perSecond = 5
	ledger := live.StartLedger(t.Context(), "changes", perSecond)
	defer ledger.Stop()
	for i := 1; i <= drawn; i++ {
		k := &all[urn[draw.IntN(len(urn))]]
		value := is[k.name]
		for value == is[k.name] {
			value = k.values[draw.IntN(len(k.values))]
		}
		k.turn(r, value)
		is[k.name] = value
		step(fmt.Sprintf("change %d: %s %q", i, k.name, value))
		t.Logf("change %d of %d: %s is %q", i, drawn, k.name, value)
		require.Equal(t, held, bearers(t), "what holds data is another")
		if i%everyFew != 0 {
			continue
		}
		to := points[draw.IntN(len(points)-1)]
		r.must("rollback", "--to", fmt.Sprint(to.number), "--yes")
		is = maps.Clone(to.shape)
		is.as(t, all)
		require.Equal(t, held, bearers(t), "what holds data is another")
		r.must("drift")
		r.git("checkout", "-q", to.commit)
		t.Logf("back to entry %d", to.number)
	}
	require.NoError(t, ledger.Await(within(t, time.Minute), perSecond))
	result := ledger.Stop()
	lost, err := ledger.Lost(within(t, 20*time.Minute))
	require.NoError(t, err)
	t.Logf("%d rows acknowledged, longest pause %.2f s, %d lost, %d requests failed\n%s",
		result.Acked, result.Gap.Seconds(), len(lost), len(result.Failures), result.Causes())
	require.Empty(t, lost)
	healthy(t)
}
