//go:build dash

package dash

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/prometheus"
	"slipway.dev/slipway/tests/harness"
)

// alerting are rules for the alerts on the page: one that always fires, one
// about the world's unfinished rollout, one that is not due yet.
const alerting = `groups:
- name: test
  interval: 1s
  rules:
  - {alert: Watchdog, expr: vector(1), labels: {severity: none}, annotations: {summary: Alerting works}}
  - alert: WorkloadNotAvailable
    expr: kube_deployment_status_replicas_available < kube_deployment_spec_replicas
    labels: {severity: warning}
    annotations: {summary: "{{ $labels.namespace }}/{{ $labels.deployment }} has too few pods that serve"}
  - {alert: NotDueYet, expr: vector(1), for: 2h, labels: {severity: critical}, annotations: {summary: Waits}}
`

// platform is the Prometheus with the world's samples, which all tests share.
var platform struct {
	*world
	address string
}

func TestMain(m *testing.M) {
	flag.Parse()
	stop := func() {}
	err := func() error {
		dir, err := os.MkdirTemp("", "slipway-dash-")
		if err != nil {
			return err
		}
		platform.world = newWorld(time.Now().Truncate(time.Second))
		platform.address, stop, err = startPrometheus(dir, platform.world)
		stopped := stop
		stop = func() { stopped(); _ = os.RemoveAll(dir) }
		return err
	}()
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, "starting Prometheus:", err)
	} else {
		code = m.Run()
	}
	stop()
	os.Exit(code)
}

// startPrometheus runs one on loopback, with its files in dir, until stop. With
// a world it has that world's samples and the alerts, without it has nothing.
func startPrometheus(dir string, w *world) (address string, stop func(), err error) {
	stop = func() {}
	config := "global: {evaluation_interval: 1s}\n"
	if w != nil {
		config += "rule_files: [rules.yaml]\n"
		if err := w.blocks(filepath.Join(dir, "data")); err != nil {
			return "", stop, err
		}
		if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(alerting), 0o600); err != nil {
			return "", stop, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yaml"), []byte(config), 0o600); err != nil {
		return "", stop, err
	}
	listen, err := harness.FreeAddress()
	if err != nil {
		return "", stop, err
	}
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--storage.tsdb.retention.time=30d", "--web.listen-address="+listen, "--log.level=warn")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return "", stop, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
	address = "http://" + listen
	if err := patiently("Prometheus is ready", func() error { return ready(address, w != nil) }); err != nil {
		return "", stop, fmt.Errorf("%w; it said: %s", err, log.String())
	}
	return address, stop, nil
}

// ready tells whether a Prometheus answers and, with rules, has their alerts.
func ready(address string, alerting bool) error {
	res, err := http.Get(address + "/-/ready")
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	if !alerting {
		return nil
	}
	fixed, err := prometheus.Parse(address)
	if err != nil {
		return err
	}
	alerts, err := prometheus.New(fixed, 0).Alerts(context.Background())
	if err == nil && len(alerts) < 3 {
		err = fmt.Errorf("%d alerts", len(alerts))
	}
	return err
}

func ask(t *testing.T, address string) *prometheus.Client {
	t.Helper()
	fixed, err := prometheus.Parse(address)
	require.NoError(t, err)
	return prometheus.New(fixed, 30*time.Second)
}

// patiently waits for what is bound to come, and says why it did not.
func patiently(what string, check func() error) error {
	const limit = 2 * time.Minute
	var last error
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if last = check(); last == nil {
			return nil
		}
	}
	return fmt.Errorf("waiting until %s: %w", what, last)
}

func await(t *testing.T, what string, check func() error) {
	t.Helper()
	require.NoError(t, patiently(what, check))
}
