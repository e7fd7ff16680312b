//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/tests/harness"
)

// door opens a port of a pod of monitoring on this machine, as a person does,
// and returns its address.
func door(t *testing.T, target string, port int) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "kubectl", "--kubeconfig", paths.Kubeconfig(),
		"port-forward", "-n", harness.Monitoring, target, fmt.Sprintf(":%d", port))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "port-forward to %s ended", target)
	found := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
	require.NotEmpty(t, found, line)
	return "http://" + found
}

// inquire reads one answer of Prometheus's API.
func inquire(ctx context.Context, base, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end or given up
	var envelope struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&envelope); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	if envelope.Status != "success" {
		return fmt.Errorf("%s: %s", path, envelope.Error)
	}
	return json.Unmarshal(envelope.Data, into)
}

// everyJob is what the lab has to be scraped for.
var everyJob = []string{
	"alertmanager", "api", "apiserver", "cadvisor", "cert-manager", "cluster-dns", "collector", "kube-state-metrics", "kubelet",
	"node", "patroni", "pgbouncer", "postgres", "prometheus", "traefik", "zones",
}

func TestEveryTargetIsUp(t *testing.T) {
	healthy(t)
	prometheus := door(t, "pod/prometheus-0", 9090)
	ctx := within(t, 5*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		var found struct {
			ActiveTargets []struct {
				Labels                       map[string]string
				ScrapeURL, Health, LastError string
			}
		}
		if err := inquire(ctx, prometheus, "/api/v1/targets?state=active", &found); err != nil {
			return err
		}
		up := map[string]int{}
		for _, target := range found.ActiveTargets {
			if target.Health != "up" {
				return fmt.Errorf("%s at %s is %s: %s", target.Labels["job"], target.ScrapeURL, target.Health, target.LastError)
			}
			up[target.Labels["job"]]++
		}
		for _, job := range everyJob {
			if up[job] == 0 {
				return fmt.Errorf("nothing of %s is scraped", job)
			}
		}
		for job, count := range map[string]int{"patroni": 3, "postgres": 3, "pgbouncer": 4, "node": 3, "kubelet": 3, "traefik": 3, "collector": 3} {
			if up[job] < count {
				return fmt.Errorf("%d targets of %s are up, want %d", up[job], job, count)
			}
		}
		return nil
	}))
}

// alertState is that of an alert: inactive, pending or firing.
func alertState(ctx context.Context, prometheus, name string) (string, error) {
	var found struct {
		Groups []struct {
			Rules []struct{ Name, Type, State, Health, LastError string }
		}
	}
	if err := inquire(ctx, prometheus, "/api/v1/rules?type=alert", &found); err != nil {
		return "", err
	}
	for _, group := range found.Groups {
		for _, rule := range group.Rules {
			if rule.Name == name {
				return rule.State, nil
			}
		}
	}
	return "", fmt.Errorf("there is no alert %s", name)
}

// becomes waits until an alert is in one of states.
func becomes(t *testing.T, prometheus, alert string, states ...string) {
	t.Helper()
	ctx := within(t, 10*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		state, err := alertState(ctx, prometheus, alert)
		if err == nil && !slices.Contains(states, state) {
			err = fmt.Errorf("%s is %s, want one of %v", alert, state, states)
		}
		return err
	}))
}

// value is the number that an expression has, without labels.
func value(ctx context.Context, prometheus, expr string) (string, error) {
	var found struct{ Result []struct{ Value []any } }
	if err := inquire(ctx, prometheus, "/api/v1/query?query="+url.QueryEscape(expr), &found); err != nil {
		return "", err
	}
	if len(found.Result) != 1 || len(found.Result[0].Value) != 2 {
		return "", fmt.Errorf("%s has %d results, want one", expr, len(found.Result))
	}
	return fmt.Sprint(found.Result[0].Value[1]), nil
}

// TestRulesSeeThePlatform: a rule over a metric that nobody exposes can never
// fire, however well it is tested against metrics that were made up.
func TestRulesSeeThePlatform(t *testing.T) {
	healthy(t)
	prometheus := door(t, "pod/prometheus-0", 9090)
	ctx := within(t, 10*time.Minute)
	// Servers of zones that nobody has asked since they started have counted nothing.
	resolve(t, "udp", live.Host)
	for _, expr := range []string{
		`slipway:database_leaders:count == 1`,
		`count(patroni_postgres_streaming == 1)`, `count(slipway:database_lag_bytes)`, `sum(patroni_quorum_standby) + sum(patroni_sync_standby)`,
		`slipway_backup_completed_timestamp_seconds{type="full"} > 0`, `slipway_backup_archive_checked_timestamp_seconds > 0`,
		`slipway_backup_drilled_timestamp_seconds`, `count(slipway_backup_failures_total)`,
		`count(patroni_dcs_last_seen)`, `count(patroni_xlog_received_location)`,
		`count(pg_up == 1 and on (pod) pg_exporter_last_scrape_error == 0) == 3`, `count(sum by (pod) (pg_stat_activity_count) / on (pod) pg_settings_max_connections) == 3`,
		`count(pg_stat_activity_max_tx_duration{state="idle in transaction"})`, `count(pg_database_frozenxid_age{datname="template0"}) == 3`,
		`count(pg_database_minmxid_age)`, `count(pg_stat_database_deadlocks{datname="api"}) == 3`,
		`count(pg_replication_slots_pg_wal_lsn_diff / on (pod) group_left () pg_settings_max_slot_wal_keep_size_bytes)`,
		`count(pgbouncer_up == 1) == 4`, `count(pgbouncer_pools_client_waiting_connections)`,
		`count(pgbouncer_used_clients / pgbouncer_config_max_client_connections) == 4`,
		`sum(traefik_router_requests_total{router=~".*slipway-api-.+"}) > 0`,
		`count(traefik_router_request_duration_seconds_bucket{router=~".*slipway-api-.+",le="0.5"})`,
		`sum(traefik_entrypoint_requests_total) > 0`, `count(slipway:api_requests:rate5m)`,
		`count(certmanager_certificate_expiration_timestamp_seconds > 0)`, `count(certmanager_certificate_ready_status{condition="True"} == 1)`,
		`count(kube_node_status_condition{condition="Ready",status="true"} == 1)`, `count(kube_pod_status_ready{namespace="slipway-ingress",condition="true"} == 1)`,
		`count(kube_deployment_status_observed_generation)`, `count(kube_horizontalpodautoscaler_status_desired_replicas)`,
		`count(kube_job_status_failed) or vector(1)`, `count(kube_statefulset_status_replicas_ready)`, `count(kube_daemonset_status_number_ready)`,
		`count(node_memory_MemAvailable_bytes)`, `count(node_filesystem_avail_bytes{mountpoint="/"})`,
		`sum(apiserver_request_total) > 0`, `count(slipway_database_away_seconds)`, `count(slipway_database_waiting)`,
		`sum(coredns_dns_responses_total{job="cluster-dns"}) > 0`, `sum(coredns_dns_responses_total{job="zones"}) > 0`,
		`count(container_memory_working_set_bytes{namespace="slipway-api"})`, `count(kube_pod_container_resource_requests)`,
		`count(kubelet_volume_stats_available_bytes{namespace="slipway-database"}) == 4`, `count(kubelet_volume_stats_inodes_free)`,
		`count(slipway_archive_deleted_bytes_total{reason="size"})`, `count(slipway_archive_failed_writes_total)`,
		`count(otelcol_receiver_refused_log_records_total)`, `count(otelcol_receiver_failed_log_records_total)`,
		`count(up{job="collector"} == 1 and on (node) kube_node_status_condition{condition="Ready",status="true"} == 1) == 3`,
		`prometheus_notifications_alertmanagers_discovered == 1`, `prometheus_tsdb_head_series`,
	} {
		require.NoError(t, eventually(ctx, func() error {
			// What is counted only once it happens, happens.
			if res, err := live.HTTP.Get(live.URL + "/v1/items?limit=1"); err == nil {
				_ = res.Body.Close()
			}
			_, err := value(ctx, prometheus, expr)
			return err
		}))
	}
	becomes(t, prometheus, "Watchdog", "firing")
}

// TestAnAPIThatIsGoneIsNoticed scales the service to nothing: the alert that
// says so fires, reaches Alertmanager, and ends with the fault.
func TestAnAPIThatIsGoneIsNoticed(t *testing.T) {
	healthy(t)
	prometheus := door(t, "pod/prometheus-0", 9090)
	becomes(t, prometheus, "ApiDown", "inactive")
	restored := false
	restore := func() {
		if restored {
			return
		}
		restored = true
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		_, err := live.Kubectl(ctx, "scale", "deployment/api", "-n", harness.API, "--replicas=2")
		require.NoError(t, err)
	}
	t.Cleanup(restore)
	_, err := live.Kubectl(within(t, time.Minute), "scale", "deployment/api", "-n", harness.API, "--replicas=0")
	require.NoError(t, err)
	becomes(t, prometheus, "ApiDown", "firing")
	alertmanager := door(t, "deployment/alertmanager", 9093)
	ctx := within(t, 5*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, alertmanager+"/api/v2/alerts?filter="+url.QueryEscape(`alertname="ApiDown"`), nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close() //nolint:errcheck // read to its end or given up
		var alerts []struct{ Annotations map[string]string }
		if err := json.NewDecoder(res.Body).Decode(&alerts); err != nil {
			return err
		}
		if len(alerts) != 1 || !strings.HasSuffix(alerts[0].Annotations["runbook_url"], "docs/runbooks/ApiDown.md") {
			return fmt.Errorf("Alertmanager knows %+v", alerts)
		}
		return nil
	}))
	restore()
	becomes(t, prometheus, "ApiDown", "inactive")
	healthy(t)
}

// TestOnlyMonitoringMayScrape: what programs say about themselves is nobody
// else's business, and monitoring reaches nothing but that.
func TestOnlyMonitoringMayScrape(t *testing.T) {
	healthy(t)
	stranger := startProbe(t, "e2e-scrape", nil)
	pods, err := live.Pods(within(t, time.Minute), harness.Monitoring, "app.kubernetes.io/part-of=slipway")
	require.NoError(t, err)
	require.NotEmpty(t, pods)
	for _, pod := range pods {
		for _, port := range []int{9090, 9093, 9100, 8080} {
			require.False(t, stranger.reaches(t, pod.Status.PodIP, port), "a stranger reaches %s at %d", pod.Metadata.Name, port)
		}
	}
	inside := inNamespace(t, harness.Monitoring, map[string]string{
		"app.kubernetes.io/name": "prometheus", "app.kubernetes.io/instance": "monitoring", "app.kubernetes.io/component": "server",
	})
	members, err := live.Pods(within(t, time.Minute), harness.Database, "app.kubernetes.io/component=member")
	require.NoError(t, err)
	require.NotEmpty(t, members)
	ctx := within(t, 2*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		if !inside.reaches(t, members[0].Status.PodIP, 8008) {
			return fmt.Errorf("a pod like Prometheus does not reach %s", members[0].Metadata.Name)
		}
		return nil
	}), "the test's own probe proves nothing")
	require.False(t, inside.reaches(t, members[0].Status.PodIP, 5432), "monitoring reaches PostgreSQL itself")
}
