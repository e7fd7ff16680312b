package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/erasure"
)

const (
	// erasureOutput is the stack's output of what an erasure has to know.
	erasureOutput = "erasure"
	// loggingNamespace is where package components/logging has the collectors.
	loggingNamespace = "slipway-logging"

	collectorPods = "app.kubernetes.io/name=collector"
	servicePods   = "app.kubernetes.io/name=api,app.kubernetes.io/component=web"
)

// Erasable is where a stack holds something about people.
type Erasable struct {
	// Places can be searched and erased from.
	Places []erasure.Place
	// Left is what cannot.
	Left []erasure.Left
	// Close removes what was made to reach them.
	Close func()
}

// Erasable finds the places of a stack: its database, and the log archive on
// every node. What the stack holds besides, its program says.
func (s *Stack) Erasable(ctx context.Context) (*Erasable, error) {
	outputs, err := s.Outputs(ctx, false)
	if err != nil {
		return nil, err
	}
	raw, err := json.Marshal(outputs[erasureOutput])
	if err != nil {
		return nil, fmt.Errorf("reading output %s: %w", erasureOutput, err)
	}
	var declared *struct {
		Classes []string       `json:"classes"`
		Left    []erasure.Left `json:"left"`
	}
	if err := json.Unmarshal(raw, &declared); err != nil {
		return nil, fmt.Errorf("reading output %s: %w", erasureOutput, err)
	}
	if declared == nil {
		return nil, fmt.Errorf("stack %s has no output %s, so what it holds is not known; update it first", s.Name, erasureOutput)
	}
	k, done, err := s.kube(ctx)
	if err != nil {
		return nil, err
	}
	found := &Erasable{Left: declared.Left, Close: done}
	if found.Places, err = k.places(ctx, outputs["namespaces"], len(declared.Classes) > 0); err != nil {
		done()
		return nil, s.reached(err)
	}
	return found, nil
}

// kube runs kubectl against one cluster.
type kube struct{ kubectl, kubeconfig string }

// run gives kubectl its standard input and returns what it printed, also when it
// failed.
func (k kube) run(ctx context.Context, input string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, k.kubectl, append([]string{"--kubeconfig", k.kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return out, ctx.Err()
	}
	if err != nil {
		return out, fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

// ask is run for what an API server answers at once.
func (k kube) ask(ctx context.Context, args ...string) ([]byte, error) {
	return k.run(ctx, "", append([]string{"--request-timeout=10s"}, args...)...)
}

// exec runs a command in a pod, with its output to out as it comes. What it complained
// of is in the error.
func (k kube) exec(ctx context.Context, out io.Writer, pod object, command ...string) error {
	var complaint strings.Builder
	args := append([]string{"--kubeconfig", k.kubeconfig, "exec", "-n", pod.namespace, pod.name, "--"}, command...)
	cmd := exec.CommandContext(ctx, k.kubectl, args...)
	cmd.Stdout, cmd.Stderr = out, &complaint
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		return nil
	}
	said := strings.TrimSpace(complaint.String())
	var ended *exec.ExitError
	if errors.As(err, &ended) && said != "" {
		// kubectl's own last line only repeats the status.
		if kept, _, found := strings.Cut(said, "\ncommand terminated with exit code"); found {
			said = kept
		}
		return errors.New(said)
	}
	return fmt.Errorf("running %s in pod %s: %w", command[0], pod.name, err)
}

// running are the ready pods with the labels, as namespace, name and node.
func (k kube) running(ctx context.Context, selector string) ([][3]string, error) {
	out, err := k.ask(ctx, "get", "pods", "--all-namespaces", "-l", selector, "-o", "json")
	if err != nil {
		return nil, fmt.Errorf("listing the pods with %s: %w", selector, err)
	}
	var list struct {
		Items []struct {
			Metadata struct{ Namespace, Name, DeletionTimestamp string }
			Spec     struct{ NodeName string }
			Status   struct {
				Conditions []struct{ Type, Status string }
			}
		}
	}
	if err := json.Unmarshal(out, &list); err != nil {
		return nil, fmt.Errorf("listing the pods with %s: %w", selector, err)
	}
	var pods [][3]string
	for _, item := range list.Items {
		ready := slices.Contains(item.Status.Conditions, struct{ Type, Status string }{"Ready", "True"})
		if ready && item.Metadata.DeletionTimestamp == "" {
			pods = append(pods, [3]string{item.Metadata.Namespace, item.Metadata.Name, item.Spec.NodeName})
		}
	}
	return pods, nil
}

// runningIn are those of the running pods that are in namespaces of the stack:
// another stack in the same cluster has such pods as well.
func (k kube) runningIn(ctx context.Context, selector string, namespaces any) ([][3]string, error) {
	pods, err := k.running(ctx, selector)
	own, _ := namespaces.([]any)
	return slices.DeleteFunc(pods, func(pod [3]string) bool { return !slices.Contains(own, any(pod[0])) }), err
}

// places are the database, seen from the service's pods in the namespaces, and
// the archive of each node there is, whether or not a collector runs on it.
func (k kube) places(ctx context.Context, namespaces any, archives bool) ([]erasure.Place, error) {
	services, err := k.runningIn(ctx, servicePods, namespaces)
	if err != nil {
		return nil, err
	}
	database := &inPods{kube: k, name: "database", absent: "no pod of the service is ready; see `kubectl get pods -A -l " + servicePods + "`",
		command: []string{"python", "-m", "slipway_api.erase"}, pods: services}
	places := []erasure.Place{database}
	if !archives {
		return places, nil
	}
	collectors, err := k.running(ctx, collectorPods)
	if err != nil {
		return nil, err
	}
	nodes, err := k.ask(ctx, "get", "nodes", "-o", `jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}`)
	if err != nil {
		return nil, fmt.Errorf("listing the nodes: %w", err)
	}
	for _, node := range strings.Fields(string(nodes)) {
		archive := &inPods{kube: k, name: "log archive on " + node, command: []string{"/collector", "erase"},
			absent: "no collector is ready on it; see `kubectl -n " + loggingNamespace + " get pods -o wide`"}
		for _, pod := range collectors {
			if pod[0] == loggingNamespace && pod[2] == node {
				archive.pods = append(archive.pods, pod)
			}
		}
		places = append(places, archive)
	}
	return places, nil
}

// inPods is a place that a command in any of the pods reaches.
type inPods struct {
	kube    kube
	name    string
	pods    [][3]string
	command []string
	// absent says what to do when there is no pod.
	absent string
}

func (p *inPods) Name() string { return p.name }

// Run tries one pod after the other: after a release, an older one may not know
// the command yet.
func (p *inPods) Run(ctx context.Context, subject string, search bool) (map[string]erasure.Count, error) {
	if len(p.pods) == 0 {
		return nil, errors.New(p.absent)
	}
	command := p.command
	if search {
		command = append(slices.Clone(command), "--search")
	}
	var faults []error
	for _, pod := range p.pods {
		out, err := p.kube.run(ctx, subject, append([]string{"exec", "-i", "-n", pod[0], pod[1], "--"}, command...)...)
		var counts map[string]erasure.Count
		if len(bytes.TrimSpace(out)) > 0 || err == nil {
			// What is no answer is not repeated: it may be anything.
			if json.Unmarshal(out, &counts) != nil && err == nil {
				err = errors.New("it did not answer with counts")
			}
		}
		if err == nil {
			return counts, nil
		}
		faults = append(faults, fmt.Errorf("pod %s: %w", pod[1], err))
		if ctx.Err() != nil || len(counts) > 0 {
			return counts, errors.Join(faults...)
		}
	}
	return nil, errors.Join(faults...)
}
