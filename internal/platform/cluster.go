package platform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/internal/paths"
)

// cluster says which kubeconfig the stack uses and whether that is the lab's.
func (s *Stack) cluster() (kubeconfig string, lab bool, err error) {
	value, err := s.setting("slipway:cluster")
	if err != nil {
		return "", false, err
	}
	// What the program makes of the key is the program's to check; here only
	// a plain path counts.
	if cluster, ok := value.(map[string]any); ok {
		if path, ok := cluster["kubeconfig"].(string); ok && path != "" {
			return s.expand(path), false, nil
		}
	}
	return paths.Kubeconfig(), true, nil
}

// setting reads one key of the stack's configuration file; nil when it is not
// there.
func (s *Stack) setting(key string) (any, error) {
	config, err := s.config()
	return config[key], err
}

// config is the stack's configuration as its file has it.
func (s *Stack) config() (map[string]any, error) {
	written, err := readStackFile(s.file)
	return written.Config, err
}

// stackFile is what a stack's configuration file says.
type stackFile struct {
	// Salt is there where secrets are encrypted with a passphrase.
	Salt   string         `json:"encryptionsalt"`
	Config map[string]any `json:"config"`
}

func readStackFile(path string) (stackFile, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return stackFile{}, fmt.Errorf("reading the stack's configuration: %w", err)
	}
	var written stackFile
	if err := yaml.Unmarshal(raw, &written); err != nil {
		return stackFile{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return written, nil
}

// inCluster tells whether the stack uses a cluster that exists already.
func (s *Stack) inCluster() (bool, error) {
	if !s.IsLocal() {
		return false, nil
	}
	foundation, err := s.setting("slipway:foundation")
	return foundation == Local || foundation == guest, err
}

// expand reads a path as the program does: ~ is the home directory, and
// anything else that is not absolute starts at the checkout.
func (s *Stack) expand(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if !filepath.IsAbs(path) {
		return filepath.Join(s.Checkout, path)
	}
	return path
}

// UsesLab tells whether the stack runs on this machine's lab.
func (s *Stack) UsesLab() (bool, error) {
	if !s.IsLocal() {
		return false, nil
	}
	_, lab, err := s.cluster()
	return lab, err
}

// ErrUnreachable is returned where the cluster that the program would work on
// cannot be reached. The plugin itself previews without one, as if there were
// nothing in it.
var ErrUnreachable = errors.New("the cluster cannot be reached")

// unreachable is what kubectl says of a cluster that is not there. What else may
// be wrong with a kubeconfig the program says better.
var unreachable = regexp.MustCompile(`(?i)refused|timed? ?out|deadline exceeded|no such host|no route|unreachable|x509|certificate signed by|handshake|EOF|not ready|unavailable`)

// reach makes sure that the cluster of a local stack answers. A machine without
// kubectl, and a program that uses no cluster, have nothing to ask.
func (s *Stack) reach(ctx context.Context) error {
	if there, err := s.inCluster(); err != nil || !there {
		return err
	}
	kubeconfig, _, err := s.cluster()
	if err != nil {
		return err
	}
	_, err = s.kubectl(ctx, "get", "--raw", "/readyz")
	if err == nil || errors.Is(err, errNoKubectl) || !unreachable.MatchString(err.Error()) {
		return ctx.Err()
	}
	return fmt.Errorf("%w by %s; %s: %w", ErrUnreachable, kubeconfig, s.reachHint(), err)
}

// open is the stack's outputs, and a way to its cluster until done is called.
func (s *Stack) open(ctx context.Context) (outputs map[string]any, k kube, done func(), err error) {
	if outputs, err = s.Outputs(ctx, false); err != nil {
		return nil, kube{}, nil, err
	}
	k, done, err = s.kube(ctx)
	return outputs, k, done, err
}

// kube is a way to the stack's cluster until done is called.
func (s *Stack) kube(ctx context.Context) (k kube, done func(), err error) {
	if k.kubectl, err = s.kubectlPath(); err != nil {
		return kube{}, nil, err
	}
	if k.kubeconfig, done, err = s.access(ctx); err != nil {
		return kube{}, nil, err
	}
	return k, done, nil
}

// reached says of an error that it is the cluster that does not answer, where it
// looks like that.
func (s *Stack) reached(err error) error {
	if err == nil || !unreachable.MatchString(err.Error()) {
		return err
	}
	return fmt.Errorf("%w; %s: %w", ErrUnreachable, s.reachHint(), err)
}

// errNoKubectl is returned where there is no kubectl to ask a cluster with.
var errNoKubectl = errors.New("there is no kubectl")

// kubectlPath prefers the pinned one; whoever brings a cluster of their own may
// have only theirs.
func (s *Stack) kubectlPath() (string, error) {
	pinned, err := s.tools.Path("kubectl")
	if err == nil {
		return pinned, nil
	}
	found, lookup := exec.LookPath("kubectl")
	if lookup != nil {
		return "", fmt.Errorf("%w: %w", errNoKubectl, err)
	}
	return found, nil
}

// kubectl runs against the stack's cluster and returns what it printed.
func (s *Stack) kubectl(ctx context.Context, args ...string) ([]byte, error) {
	kubeconfig, _, err := s.cluster()
	if err != nil {
		return nil, err
	}
	kubectl, err := s.kubectlPath()
	if err != nil {
		return nil, err
	}
	out, err := kube{kubectl, kubeconfig}.ask(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}
