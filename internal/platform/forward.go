package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Where package components/monitoring has Prometheus.
const (
	monitoringNamespace = "slipway-monitoring"
	prometheusService   = "prometheus"
	prometheusPort      = 9090
)

// ErrNoService is returned where a stack's cluster does not have what a port
// should lead to.
var ErrNoService = errors.New("there is no such service")

const (
	// opening bounds how long kubectl may take to open a port.
	opening = 8 * time.Second
	// remembering is how long a failure to open one answers for the next try, so
	// that whoever asks for many things waits once.
	remembering = 2 * time.Second
)

// Forward is a port of this machine's loopback that leads to a service in the
// stack's cluster, by kubectl. It is opened when first asked for, and opened
// again when it broke. Its methods may be called concurrently.
type Forward struct {
	stack              *Stack
	namespace, service string
	port               int

	mu       sync.Mutex
	open     *opened
	failed   error
	failedAt time.Time
	closed   bool
}

// opened is one run of kubectl.
type opened struct {
	address *url.URL
	stop    context.CancelFunc
	// ended is closed when kubectl has ended.
	ended chan struct{}
}

// Prometheus is a port to the Prometheus of the stack's monitoring.
func (s *Stack) Prometheus() *Forward {
	return &Forward{stack: s, namespace: monitoringNamespace, service: prometheusService, port: prometheusPort}
}

// URL opens the port if need be and returns its address.
func (f *Forward) URL(ctx context.Context) (*url.URL, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil, context.Canceled
	}
	if f.open != nil {
		select {
		case <-f.open.ended:
			f.open = nil
		default:
			return f.open.address, nil
		}
	}
	if f.failed != nil && time.Since(f.failedAt) < remembering {
		return nil, f.failed
	}
	open, err := f.start(ctx)
	if ctx.Err() == nil {
		f.failed, f.failedAt = err, time.Now()
	}
	if err != nil {
		return nil, err
	}
	f.open = open
	return open.address, nil
}

// Broken closes the port that had this address, so that the next question opens
// another.
func (f *Forward) Broken(address *url.URL) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open != nil && f.open.address == address {
		f.shut()
	}
}

// Close ends kubectl and waits until it has ended.
func (f *Forward) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.shut()
}

func (f *Forward) shut() {
	if f.open != nil {
		f.open.stop()
		<-f.open.ended
		f.open = nil
	}
}

// start runs kubectl until it says where it listens.
func (f *Forward) start(ctx context.Context) (*opened, error) {
	kubectl, err := f.stack.kubectlPath()
	if err != nil {
		return nil, err
	}
	kubeconfig, done, err := f.stack.access(ctx)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	cmd := exec.CommandContext(running, kubectl, "--kubeconfig", kubeconfig, "--namespace", f.namespace, "port-forward",
		"--address", "127.0.0.1", "service/"+f.service, ":"+strconv.Itoa(f.port))
	listening := &announcement{told: make(chan string, 1)}
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = listening, &stderr
	// A group of its own: the terminal's Ctrl-C comes to it from here, when what
	// uses the port has ended.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 2 * time.Second
	open := &opened{stop: stop, ended: make(chan struct{})}
	var ending error
	go func() {
		defer close(open.ended)
		defer done()
		defer stop()
		ending = execute(cmd)
	}()
	patience := time.NewTimer(opening)
	defer patience.Stop()
	select {
	case at := <-listening.told:
		open.address = &url.URL{Scheme: "http", Host: at}
		return open, nil
	case <-open.ended:
		select {
		case at := <-listening.told:
			// It listened and then ended; the next question finds that out.
			open.address = &url.URL{Scheme: "http", Host: at}
			return open, nil
		default:
			return nil, f.explain(ending, stderr.String())
		}
	case <-patience.C:
		err = fmt.Errorf("%w: no port to service %s in namespace %s within %s; see `kubectl -n %s get pods`",
			ErrUnreachable, f.service, f.namespace, opening, f.namespace)
	case <-ctx.Done():
		err = ctx.Err()
	}
	stop()
	<-open.ended
	return nil, err
}

var (
	notFound   = regexp.MustCompile(`\(NotFound\)|not found`)
	notRunning = regexp.MustCompile(`pod is not running|timed out waiting for the condition|no running pods|no pods? found`)
)

// explain says what kubectl's last words mean.
func (f *Forward) explain(ending error, said string) error {
	said = strings.TrimSpace(said)
	at := fmt.Sprintf("%s in namespace %s", f.service, f.namespace)
	switch {
	case notFound.MatchString(said):
		return fmt.Errorf("%w as %s; set monitoring.enabled in Pulumi.%s.yaml and update the stack, or name another Prometheus with --prometheus: %s",
			ErrNoService, at, f.stack.Name, said)
	case notRunning.MatchString(said):
		return fmt.Errorf("%w: no pod of %s runs; see `kubectl -n %s get pods`: %s", ErrUnreachable, at, f.namespace, said)
	case unreachable.MatchString(said):
		return fmt.Errorf("%w; %s: %s", ErrUnreachable, f.stack.reachHint(), said)
	}
	return fmt.Errorf("opening a port to %s: %w: %s", at, ending, said)
}

// announcement reads where kubectl says that it listens.
type announcement struct {
	seen []byte
	told chan string
	done bool
}

var forwarding = regexp.MustCompile(`(?m)^Forwarding from (127\.0\.0\.1:[0-9]+) ->`)

func (a *announcement) Write(text []byte) (int, error) {
	if !a.done {
		a.seen = append(a.seen, text...)
		if match := forwarding.FindSubmatch(a.seen); match != nil {
			a.done, a.seen = true, nil
			a.told <- string(match[1])
		}
	}
	return len(text), nil
}

// access is a kubeconfig of the stack's cluster: the file that a local
// foundation uses, else what the stack put out, in a file that done removes.
func (s *Stack) access(ctx context.Context) (kubeconfig string, done func(), err error) {
	foundation, err := s.setting("slipway:foundation")
	if err != nil {
		return "", nil, err
	}
	if foundation == Local || s.IsLocal() {
		kubeconfig, _, err := s.cluster()
		return kubeconfig, func() {}, err
	}
	outputs, err := s.Outputs(ctx, true)
	if err != nil {
		return "", nil, err
	}
	text, ok := outputs["kubeconfig"].(string)
	if !ok || text == "" {
		return "", nil, fmt.Errorf("stack %s has no output kubeconfig: update it first", s.Name)
	}
	dir, err := os.MkdirTemp("", "slipway-access-")
	if err != nil {
		return "", nil, fmt.Errorf("making a directory for the kubeconfig: %w", err)
	}
	done = func() { _ = os.RemoveAll(dir) }
	kubeconfig = filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		done()
		return "", nil, fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return kubeconfig, done, nil
}

// reachHint says what to look at when the cluster does not answer.
func (s *Stack) reachHint() string {
	if lab, err := s.UsesLab(); err == nil && lab {
		return "slipway lab status says what is missing, make up brings it back"
	}
	return "check the server in it, the network, and cluster.kubeconfig in Pulumi." + s.Name + ".yaml"
}
