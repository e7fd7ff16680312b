package platform

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// benched answers for kubectl. A job that is created goes through the files
// $DIR/1, $DIR/2 and so on, one with each look at the pods; the last one stays.
const benched = `#!/bin/sh
echo "$@" >>$DIR/said
case "$*" in
*"get cronjobs"*) cat $DIR/cronjobs;;
*"create job"*) echo 0 >$DIR/look; echo "$@" | sed 's/.*create job \([^ ]*\) .*/\1/' >$DIR/job;;
*"delete job"*) ;;
*"get jobs"*) 
 if [ -f $DIR/job ]; then
  look=$(($(cat $DIR/look)+1)); [ -f $DIR/jobs.$look ] && echo $look >$DIR/look
  sed "s/JOB/$(cat $DIR/job)/g" $DIR/jobs.$(cat $DIR/look)
 else cat $DIR/jobs.0; fi;;
*"get pods"*)
 if [ -f $DIR/job ]; then sed "s/JOB/$(cat $DIR/job)/g" $DIR/pods.$(cat $DIR/look); else cat $DIR/pods.0; fi;;
*logs*) cat $DIR/logs;;
*) echo "unexpected $*" >&2; exit 1;;
esac
`

const (
	earlier = `{"metadata":{"name":"earlier","creationTimestamp":"2026-11-29T04:30:00Z"},"status":{"conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}}`
	// resultLine is what a run leaves.
	resultLine = `{\"level\":\"info\",\"msg\":\"benchmark passed\",\"started\":\"2026-12-06T04:30:10Z\",\"mix\":\"mixed\",\"rate\":20,\"all\":{\"requests\":1200,\"p99\":12.5}}`
)

func jobState(conditions string) string {
	return `{"items":[` + earlier + `,{"metadata":{"name":"JOB","creationTimestamp":"2026-12-06T04:30:00Z"},"status":{"conditions":[` + conditions + `]}}]}`
}

func podState(state string) string {
	return `{"items":[{"metadata":{"name":"JOB-x","labels":{"batch.kubernetes.io/job-name":"JOB"}},"status":{"containerStatuses":[{"state":{` + state + `}}]}},
	 {"metadata":{"name":"earlier-x","labels":{"batch.kubernetes.io/job-name":"earlier"}},"status":{"containerStatuses":[{"state":{"terminated":{"message":"` + resultLine + `"}}}]}},
	 {"metadata":{"name":"somebody's"}}]}`
}

// benchmarkOf is the benchmark of a stack whose cluster answers with files.
func benchmarkOf(t *testing.T, files map[string]string) (found *Benchmark, dir string, err error) {
	t.Helper()
	stack := checkout(t, "config:\n  slipway:foundation: local\n")
	dir = t.TempDir()
	t.Setenv("DIR", dir)
	tools := scripts{"kubectl": filepath.Join(dir, "kubectl"), "pulumi": filepath.Join(dir, "pulumi")}
	require.NoError(t, os.WriteFile(tools["kubectl"], []byte(benched), 0o700))
	require.NoError(t, os.WriteFile(tools["pulumi"], []byte("#!/bin/sh\necho '{\"namespaces\":[\"slipway-api\",\"slipway-benchmark\"]}'\n"), 0o700))
	stack.tools = tools
	all := map[string]string{
		"cronjobs": "slipway-benchmark benchmark\npr-1-benchmark benchmark\n", "jobs.0": `{"items":[` + earlier + `]}`, "pods.0": podState(""),
		"logs": "measuring\n  5 s of 60: 100 requests\n{\"level\":\"info\"}\n",
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	found, err = stack.Benchmark(t.Context())
	if err == nil {
		found.pause = time.Millisecond
		t.Cleanup(found.Close)
	}
	return found, dir, err
}

func said(t *testing.T, dir string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "said"))
	require.NoError(t, err)
	return string(raw)
}

func TestARunIsStartedFollowedAndRead(t *testing.T) {
	b, dir, err := benchmarkOf(t, map[string]string{
		"jobs.1": jobState(""), "pods.1": podState(`"waiting":{"reason":"ContainerCreating"}`),
		"jobs.2": jobState(""), "pods.2": podState(`"running":{}`),
		"jobs.3": jobState(`{"type":"Complete","status":"True"}`), "pods.3": podState(`"terminated":{"message":"` + resultLine + `"}`),
	})
	require.NoError(t, err)
	var log bytes.Buffer
	run, err := b.Measure(t.Context(), &log)
	require.NoError(t, err)
	require.InDelta(t, 12.5, run.Result.All.P99, 0)
	require.Equal(t, 1200, run.Result.All.Requests)
	require.Contains(t, said(t, dir), "create job "+run.Job+" -n slipway-benchmark --from=cronjob/benchmark")
	require.Contains(t, said(t, dir), "logs --follow -n slipway-benchmark "+run.Job+"-x")
	require.Contains(t, log.String(), "the pod waits: ContainerCreating\n")
	require.Contains(t, log.String(), "measuring\n  5 s of 60: 100 requests\n")
	require.NotContains(t, log.String(), "level", "what is for programs is shown")
	require.NotContains(t, said(t, dir), "delete job")

	runs, err := b.Runs(t.Context())
	require.NoError(t, err)
	require.Len(t, runs, 2)
	require.Equal(t, []string{run.Job, "earlier"}, []string{runs[0].Job, runs[1].Job}, "the newest comes first")
	require.NotNil(t, runs[1].Result)
}

func TestARunThatBrokeALimitHasItsResult(t *testing.T) {
	b, _, err := benchmarkOf(t, map[string]string{
		"jobs.1": jobState(`{"type":"Failed","status":"True","reason":"BackoffLimitExceeded","message":"Job has reached the specified backoff limit"}`),
		"pods.1": podState(`"terminated":{"message":"` + resultLine + `"}`),
	})
	require.NoError(t, err)
	run, err := b.Measure(t.Context(), &bytes.Buffer{})
	require.NoError(t, err)
	require.NotNil(t, run.Result)
}

func TestARunWithoutAResultSaysWhy(t *testing.T) {
	failed := jobState(`{"type":"Failed","status":"True","reason":"DeadlineExceeded","message":"Job was active longer than specified deadline"}`)
	for want, pod := range map[string]string{
		"benchmark: https://api.test does not answer": podState(`"terminated":{"message":"benchmark: https://api.test does not answer\n"}`),
		"DeadlineExceeded: Job was active":            `{"items":[]}`,
	} {
		b, _, err := benchmarkOf(t, map[string]string{"jobs.1": failed, "pods.1": pod})
		require.NoError(t, err)
		_, err = b.Measure(t.Context(), &bytes.Buffer{})
		require.ErrorIs(t, err, ErrNotMeasured)
		require.ErrorContains(t, err, want)
	}
}

func TestTwoRunsDoNotMeasureEachOther(t *testing.T) {
	b, dir, err := benchmarkOf(t, map[string]string{"jobs.0": strings.ReplaceAll(jobState(""), "JOB", "scheduled")})
	require.NoError(t, err)
	_, err = b.Measure(t.Context(), &bytes.Buffer{})
	require.ErrorIs(t, err, ErrUnderWay)
	require.ErrorContains(t, err, "kubectl -n slipway-benchmark delete job scheduled")
	require.NotContains(t, said(t, dir), "create job")
}

func TestAnInterruptedRunIsStopped(t *testing.T) {
	b, dir, err := benchmarkOf(t, map[string]string{"jobs.1": jobState(""), "pods.1": podState(`"waiting":{"reason":"ContainerCreating"}`)})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	log := &interrupting{stop: stop}
	_, err = b.Measure(ctx, log)
	require.ErrorIs(t, err, context.Canceled)
	require.Regexp(t, `delete job benchmark-\d{8}-\d{6} -n slipway-benchmark --wait=false --ignore-not-found`, said(t, dir))
	require.Contains(t, log.text.String(), "deletes what it has stored")
}

// A run whose pod is not let in anywhere says so, and is not left behind.
func TestARunThatNobodyCanFollowIsStopped(t *testing.T) {
	b, dir, err := benchmarkOf(t, map[string]string{
		"jobs.1": jobState(""), "pods.1": `{"items":[{"metadata":{"name":"JOB-x","labels":{"batch.kubernetes.io/job-name":"JOB"}},` +
			`"status":{"conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable","message":"0/3 nodes are available"}]}}]}`,
		"jobs.2": "nothing that is JSON", "pods.2": "",
	})
	require.NoError(t, err)
	var log bytes.Buffer
	_, err = b.Measure(t.Context(), &log)
	require.ErrorContains(t, err, "nobody knows how far job")
	require.Contains(t, log.String(), "the pod waits: Unschedulable: 0/3 nodes are available\n")
	require.Contains(t, said(t, dir), "delete job")
}

// interrupting stops when the pod is waited for.
type interrupting struct {
	text bytes.Buffer
	stop func()
}

func (i *interrupting) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("the pod waits")) {
		i.stop()
	}
	return i.text.Write(p)
}

func TestAStackWithoutABenchmarkIsToldHow(t *testing.T) {
	_, _, err := benchmarkOf(t, map[string]string{"cronjobs": "pr-1-benchmark benchmark\n"})
	require.ErrorIs(t, err, ErrNoBenchmark)
	require.ErrorContains(t, err, "set benchmark.enabled in Pulumi.local.yaml")
}
