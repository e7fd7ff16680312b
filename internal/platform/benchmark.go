package platform

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"slipway.dev/slipway/images/benchmark/load"
)

// benchmarkRuns selects the CronJob of package components/benchmark, and what it
// runs.
const benchmarkRuns = "app.kubernetes.io/name=benchmark,app.kubernetes.io/component=run"

var (
	// ErrNoBenchmark is returned for a stack that declares no benchmark.
	ErrNoBenchmark = errors.New("the stack has no benchmark")
	// ErrUnderWay is returned where a run is under way already: two would measure
	// each other.
	ErrUnderWay = errors.New("a benchmark is under way")
	// ErrNotMeasured is returned for a run that ended without a result.
	ErrNotMeasured = errors.New("nothing could be measured")
)

// starting is how long the pod of a run may take to start.
const starting = 2 * time.Minute

// Benchmark is the routine that measures a stack from inside its cluster.
type Benchmark struct {
	kube               kube
	namespace, cronJob string
	// pause is between two looks at the cluster.
	pause time.Duration
	// Close removes what was made to reach it.
	Close func()
}

// Run is one run of a benchmark.
type Run struct {
	// Job is what the cluster calls it, Began when it was started.
	Job   string    `json:"job"`
	Began time.Time `json:"began"`
	// Ended says whether it is over, and Trouble why the cluster gave it up, where
	// it did.
	Ended   bool   `json:"-"`
	Trouble string `json:"-"`
	// Result is what it measured; nil where it did not, or where its pod is gone.
	Result *load.Result `json:"result"`
	// Said is what its pod said in place of a result.
	Said string `json:"-"`

	pod, waiting string
	started      bool
}

// Benchmark finds the routine of the stack.
func (s *Stack) Benchmark(ctx context.Context) (*Benchmark, error) {
	outputs, k, done, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	out, err := k.ask(ctx, "get", "cronjobs", "--all-namespaces", "-l", benchmarkRuns,
		"-o", `jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}`)
	if err != nil {
		done()
		return nil, s.reached(fmt.Errorf("looking for the benchmark: %w", err))
	}
	found := inNamespaces(string(out), outputs["namespaces"])
	if len(found) != 1 {
		done()
		return nil, fmt.Errorf("%w: set benchmark.enabled in Pulumi.%s.yaml and update the stack; a branch preview has none",
			ErrNoBenchmark, s.Name)
	}
	return &Benchmark{kube: k, namespace: found[0].namespace, cronJob: found[0].name, pause: time.Second, Close: done}, nil
}

// Runs are those that the cluster still has, newest first.
func (b *Benchmark) Runs(ctx context.Context) ([]*Run, error) {
	var jobs struct {
		Items []struct {
			Metadata struct {
				Name              string
				CreationTimestamp time.Time
			}
			Status struct {
				Conditions []struct{ Type, Status, Reason, Message string }
			}
		}
	}
	var pods struct {
		Items []struct {
			Metadata struct {
				Name   string
				Labels map[string]string
			}
			Status struct {
				Conditions        []struct{ Type, Status, Reason, Message string }
				ContainerStatuses []struct {
					State struct {
						Waiting    *struct{ Reason, Message string }
						Running    *struct{}
						Terminated *struct{ Message, Reason string }
					}
				}
			}
		}
	}
	if err := b.list(ctx, "jobs", &jobs); err != nil {
		return nil, err
	}
	if err := b.list(ctx, "pods", &pods); err != nil {
		return nil, err
	}
	var runs []*Run
	byJob := map[string]*Run{}
	for _, job := range jobs.Items {
		run := &Run{Job: job.Metadata.Name, Began: job.Metadata.CreationTimestamp}
		for _, condition := range job.Status.Conditions {
			switch {
			case condition.Status != "True":
			case condition.Type == "Complete":
				run.Ended = true
			case condition.Type == "Failed":
				run.Ended, run.Trouble = true, strings.TrimSpace(condition.Reason+": "+condition.Message)
			}
		}
		runs, byJob[run.Job] = append(runs, run), run
	}
	for _, pod := range pods.Items {
		run := byJob[pod.Metadata.Labels["batch.kubernetes.io/job-name"]]
		if run == nil {
			continue
		}
		run.pod = pod.Metadata.Name
		for _, condition := range pod.Status.Conditions {
			if condition.Type == "PodScheduled" && condition.Status == "False" {
				run.waiting = condition.Reason + ": " + condition.Message
			}
		}
		for _, container := range pod.Status.ContainerStatuses {
			state := container.State
			if state.Waiting != nil {
				run.waiting = strings.TrimSuffix(state.Waiting.Reason+": "+state.Waiting.Message, ": ")
			}
			run.started = state.Running != nil || state.Terminated != nil
			if state.Terminated != nil {
				run.take(state.Terminated.Message)
			}
		}
	}
	slices.SortFunc(runs, func(a, b *Run) int { return b.Began.Compare(a.Began) })
	return runs, nil
}

// take reads what a pod left.
func (r *Run) take(message string) {
	var result load.Result
	if json.Unmarshal([]byte(message), &result) == nil && !result.Started.IsZero() {
		r.Result = &result
		return
	}
	r.Said = strings.TrimSpace(message)
}

func (b *Benchmark) list(ctx context.Context, kind string, into any) error {
	out, err := b.kube.ask(ctx, "get", kind, "-n", b.namespace, "-l", benchmarkRuns, "-o", "json")
	if err == nil {
		err = json.Unmarshal(out, into)
	}
	if err != nil {
		return fmt.Errorf("listing the %s of the benchmark: %w", kind, err)
	}
	return nil
}

// Measure starts a run, says how far it is, and returns it when it has ended. One
// that is interrupted, does not start, or cannot be looked at any more is stopped,
// and deletes what it has stored.
func (b *Benchmark) Measure(ctx context.Context, log io.Writer) (*Run, error) {
	runs, err := b.Runs(ctx)
	if err != nil {
		return nil, err
	}
	for _, run := range runs {
		if !run.Ended {
			return nil, fmt.Errorf("%w: job %s since %s; wait for it, or stop it: kubectl -n %s delete job %s",
				ErrUnderWay, run.Job, run.Began.Format(time.TimeOnly), b.namespace, run.Job)
		}
	}
	job := b.cronJob + "-" + time.Now().UTC().Format("20060102-150405")
	run, err := b.perform(ctx, job, log)
	if err != nil && (run == nil || !run.Ended) {
		// Nobody looks at it any more, and it may be there and make load all the same.
		b.stop(context.WithoutCancel(ctx), job, log)
	}
	return run, err
}

// stop ends a run. What comes of it is only said: why the run is stopped is the
// error that counts.
func (b *Benchmark) stop(ctx context.Context, job string, log io.Writer) {
	if _, err := b.kube.ask(ctx, "delete", "job", job, "-n", b.namespace, "--wait=false", "--ignore-not-found"); err != nil {
		fmt.Fprintf(log, "job %s may go on: %v; stop it: kubectl -n %s delete job %s\n", job, err, b.namespace, job)
		return
	}
	fmt.Fprintf(log, "stopped job %s; its pod deletes what it has stored\n", job)
}

// perform starts a run, and waits until it has ended.
func (b *Benchmark) perform(ctx context.Context, job string, log io.Writer) (*Run, error) {
	if _, err := b.kube.ask(ctx, "create", "job", job, "-n", b.namespace, "--from=cronjob/"+b.cronJob); err != nil {
		return nil, fmt.Errorf("starting job %s: %w", job, err)
	}
	fmt.Fprintf(log, "started job %s in namespace %s\n", job, b.namespace)
	return b.follow(ctx, job, log)
}

// follow waits until a run has ended.
func (b *Benchmark) follow(ctx context.Context, job string, log io.Writer) (*Run, error) {
	patience := time.Now().Add(starting)
	shown, waiting := false, ""
	for {
		runs, err := b.Runs(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, fmt.Errorf("nobody knows how far job %s is: %w", job, err)
		}
		at := slices.IndexFunc(runs, func(r *Run) bool { return r.Job == job })
		if at < 0 {
			return nil, fmt.Errorf("%w: job %s is gone; somebody deleted it", ErrNotMeasured, job)
		}
		run := runs[at]
		switch {
		case run.Ended:
			if run.Result == nil {
				return run, fmt.Errorf("%w by job %s: %s", ErrNotMeasured, job, cmp.Or(run.Said, run.Trouble, "its pod is gone"))
			}
			return run, nil
		case run.started && !shown:
			shown = true
			if err := b.show(ctx, run.pod, log); err != nil && ctx.Err() == nil {
				// The run goes on without anybody looking.
				fmt.Fprintf(log, "cannot follow pod %s any more: %v\n", run.pod, err)
			}
			continue
		case !run.started && time.Now().After(patience):
			return run, fmt.Errorf("%w: the pod of job %s did not start within %s: %s; see kubectl -n %s describe job %s",
				ErrNotMeasured, job, starting, cmp.Or(run.waiting, "nothing says why"), b.namespace, job)
		case run.waiting != waiting:
			waiting = run.waiting
			if waiting != "" {
				fmt.Fprintf(log, "the pod waits: %s\n", waiting)
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(b.pause):
		}
	}
}

// show copies what a pod says until it has ended, without the line that is for
// programs.
func (b *Benchmark) show(ctx context.Context, pod string, log io.Writer) error {
	cmd := exec.CommandContext(ctx, b.kube.kubectl, "--kubeconfig", b.kube.kubeconfig, "logs", "--follow", "-n", b.namespace, pod)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	err = execute(cmd, func(int) func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if line := lines.Text(); !strings.HasPrefix(line, "{") {
				fmt.Fprintln(log, line)
			}
		}
		return func() {}
	})
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(complaint.String()))
	}
	return nil
}
