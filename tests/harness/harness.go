// Package harness lets tests and benchmarks act on a running platform as its
// users do: over HTTPS, through kubectl, and with the slipway command.
package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/platform"
)

// Namespaces of the platform's pieces.
const (
	API      = "slipway-api"
	Database = "slipway-database"
	Ingress  = "slipway-ingress"
	DNS      = "slipway-dns"

	Monitoring = "slipway-monitoring"
	Logging    = "slipway-logging"
)

// Platform is a running local stack.
type Platform struct {
	Checkout string
	// URL is the API's address without a trailing slash.
	URL string
	// Host is the name in URL, without the port.
	Host string
	CA   []byte
	// HTTP verifies certificates and enters by the loopback door.
	HTTP *http.Client
}

// Slipway runs the helper CLI and returns what it printed.
func Slipway(ctx context.Context, checkout string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(checkout, ".slipway", "bin", "slipway"), args...)
	cmd.Dir = checkout
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("slipway %s: %w\n%s", strings.Join(args, " "), err, tail(out.String()))
	}
	return out.String(), nil
}

// Up brings the local stack up and opens it.
func Up(ctx context.Context) (*Platform, error) {
	checkout, err := Checkout()
	if err != nil {
		return nil, err
	}
	if _, err := Slipway(ctx, checkout, "up", "--stack", platform.Local); err != nil {
		return nil, err
	}
	return Open(ctx)
}

// Open attaches to the local stack as it runs.
func Open(ctx context.Context) (*Platform, error) {
	checkout, err := Checkout()
	if err != nil {
		return nil, err
	}
	p := &Platform{Checkout: checkout}
	outputs, err := p.Outputs(ctx)
	if err != nil {
		return nil, err
	}
	url, _ := outputs["apiUrl"].(string)
	if url == "" {
		return nil, errors.New("the stack has no output apiUrl; run make up")
	}
	p.URL = strings.TrimRight(url, "/")
	p.Host, _, _ = strings.Cut(strings.TrimPrefix(p.URL, "https://"), ":")
	if p.CA, err = os.ReadFile(filepath.Join(checkout, ".slipway", platform.Local, "ca.crt")); err != nil {
		return nil, fmt.Errorf("reading the platform's CA certificate: %w", err)
	}
	if p.HTTP, err = platform.Client(p.CA, platform.Door); err != nil {
		return nil, err
	}
	return p, nil
}

// Outputs reads the stack's outputs, secrets masked.
func (p *Platform) Outputs(ctx context.Context) (map[string]any, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(p.Checkout, ".slipway", "bin", "slipway"), "output", "--json", "--stack", platform.Local)
	cmd.Dir = p.Checkout
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	raw, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("reading the stack's outputs: %w\n%s", err, tail(stderr.String()))
	}
	outputs := map[string]any{}
	if err := json.Unmarshal(raw, &outputs); err != nil {
		return nil, fmt.Errorf("reading the stack's outputs: %w", err)
	}
	return outputs, nil
}

// Resources lists the URNs that the local stack's state in a directory holds; a
// stack that was never made holds none.
func Resources(state string) ([]string, error) {
	raw, err := os.ReadFile(filepath.Join(state, "pulumi", ".pulumi", "stacks", "slipway", platform.Local+".json"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the stack's state: %w", err)
	}
	stored, err := checkpoint.Parse(raw)
	if err != nil {
		return nil, err
	}
	var urns []string
	for _, r := range stored.Resources {
		urns = append(urns, string(r.URN))
	}
	return urns, nil
}

// Kubectl runs kubectl as the lab's administrator.
func (p *Platform) Kubectl(ctx context.Context, args ...string) (string, error) {
	return p.KubectlInput(ctx, "", args...)
}

// KubectlInput is Kubectl with standard input, for apply -f -.
func (p *Platform) KubectlInput(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", paths.Kubeconfig()}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Get decodes one object or list.
func (p *Platform) Get(ctx context.Context, into any, args ...string) error {
	raw, err := p.Kubectl(ctx, append([]string{"get", "-o", "json"}, args...)...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(raw), into); err != nil {
		return fmt.Errorf("reading kubectl get %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Pod is what the tests ask of a pod.
type Pod struct {
	Metadata struct {
		Name   string            `json:"name"`
		UID    string            `json:"uid"`
		Labels map[string]string `json:"labels"`
		// DeletionTimestamp is set once the pod has been told to leave.
		DeletionTimestamp string `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		Phase      string `json:"phase"`
		PodIP      string `json:"podIP"`
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

// Ready tells whether the pod takes traffic.
func (p Pod) Ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// Pods lists a namespace's pods by selector.
func (p *Platform) Pods(ctx context.Context, namespace, selector string) ([]Pod, error) {
	var list struct {
		Items []Pod `json:"items"`
	}
	err := p.Get(ctx, &list, "pods", "-n", namespace, "-l", selector)
	return list.Items, err
}

// Eventually asks until check is content, and returns its last complaint when
// ctx ends first.
func Eventually(ctx context.Context, every time.Duration, check func(context.Context) error) error {
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", ctx.Err(), err)
		case <-time.After(every):
		}
	}
}

// Checkout is the one that this process runs in.
func Checkout() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the checkout: %w", err)
	}
	return paths.Checkout(here)
}

// tail keeps errors readable: the last lines say what went wrong.
func tail(text string) string {
	const limit = 4000
	if len(text) > limit {
		return "…" + text[len(text)-limit:]
	}
	return text
}

// Healthy fails while a node or a pod of the platform is not ready, or the
// API does not answer through Traefik from the database.
func (p *Platform) Healthy(ctx context.Context) error {
	var nodes struct {
		Items []struct {
			Metadata struct{ Name string } `json:"metadata"`
			Spec     struct {
				Unschedulable bool `json:"unschedulable"`
			} `json:"spec"`
			Status struct {
				Conditions []struct{ Type, Status string } `json:"conditions"`
			} `json:"status"`
		} `json:"items"`
	}
	if err := p.Get(ctx, &nodes, "nodes"); err != nil {
		return err
	}
	for _, n := range nodes.Items {
		if n.Spec.Unschedulable {
			return fmt.Errorf("node %s is cordoned", n.Metadata.Name)
		}
		for _, c := range n.Status.Conditions {
			if c.Type == "Ready" && c.Status != "True" {
				return fmt.Errorf("node %s is not ready", n.Metadata.Name)
			}
		}
	}
	for _, ns := range watched {
		var pods struct {
			Items []Pod `json:"items"`
		}
		if err := p.Get(ctx, &pods, "pods", "-n", ns); err != nil {
			return err
		}
		if len(pods.Items) == 0 && ns != "kube-system" {
			return fmt.Errorf("namespace %s has no pod", ns)
		}
		for _, pod := range pods.Items {
			if pod.Status.Phase != "Succeeded" && !pod.Ready() {
				return fmt.Errorf("pod %s/%s is not ready", ns, pod.Metadata.Name)
			}
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/v1/items?limit=1", nil)
	if err != nil {
		return err
	}
	res, err := p.HTTP.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the API answered %s", res.Status)
	}
	return nil
}
