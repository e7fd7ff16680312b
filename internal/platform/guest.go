package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/environment"
	"slipway.dev/slipway/internal/paths"
)

// guest is the foundation of branch previews, and guestLabel what their
// namespaces carry.
const (
	guest      = "guest"
	guestLabel = "slipway.dev/guest-of"
)

// guestFiles is where the configuration of branch previews is: beside their
// state, so that every checkout of this machine knows all of them and none has
// a file that must not be committed.
func guestFiles() string { return filepath.Join(paths.Pulumi(), "environments") }

func guestFile(name string) string { return filepath.Join(guestFiles(), "Pulumi."+name+".yaml") }

// IsGuest tells whether the stack is a branch preview.
func (s *Stack) IsGuest() bool { return s.file == guestFile(s.Name) }

// Guest reads what the stack's file says of the preview.
func (s *Stack) Guest() (environment.Environment, error) {
	raw, err := os.ReadFile(s.file)
	if err != nil {
		return environment.Environment{}, fmt.Errorf("reading the stack's configuration: %w", err)
	}
	return environment.Read(s.Name, raw)
}

// Guests names the branch previews of this machine, sorted.
func Guests() ([]string, error) {
	files, err := filepath.Glob(guestFile("*"))
	if err != nil {
		return nil, fmt.Errorf("looking for branch previews: %w", err)
	}
	for i := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(files[i]), "Pulumi."), ".yaml")
	}
	slices.Sort(files)
	return files, nil
}

// ErrBusy is returned while another command creates or removes the preview.
var ErrBusy = errors.New("another command is creating or removing this branch preview")

// HoldGuest keeps others from creating or removing the preview, until release is
// called or the process ends.
func HoldGuest(name string) (release func(), err error) {
	dir := filepath.Join(paths.Run(), "environments")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making %s: %w", dir, err)
	}
	file, err := os.OpenFile(filepath.Join(dir, name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking branch preview %s: %w", name, err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w; wait for it to end", name, ErrBusy)
	}
	return func() { _ = file.Close() }, nil
}

// WriteGuest writes the preview's configuration, which makes it a stack of this
// machine, and opens that. What had the name before keeps its state.
func WriteGuest(ctx context.Context, checkout, name string, settings map[string]any, tools Tools) (*Stack, error) {
	text, err := environment.Write(name, settings)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(guestFiles(), 0o700); err != nil {
		return nil, fmt.Errorf("making %s: %w", guestFiles(), err)
	}
	if err := replaceFile(guestFile(name), text, 0o600); err != nil {
		return nil, err
	}
	s, err := OpenStack(checkout, name, tools)
	if err != nil {
		return nil, err
	}
	if _, err := s.state(ctx); errors.Is(err, backend.ErrNotFound) {
		// What is left of a stack that was removed opens nothing.
		if err := os.Remove(s.saltFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("removing %s: %w", s.saltFile(), err)
		}
	} else if err != nil {
		return nil, err
	}
	return s, nil
}

// state reads the stack's state; backend.ErrNotFound when it has none.
func (s *Stack) state(ctx context.Context) (*checkpoint.State, error) {
	if _, err := os.Stat(paths.Pulumi()); s.IsLocal() && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("reading the state of stack %s: %w", s.Name, backend.ErrNotFound)
	}
	files, err := s.Backend(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = files.Close() }()
	raw, err := files.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	return checkpoint.Parse(raw)
}

// ErrNotUp is returned for a host that is not there.
var ErrNotUp = errors.New("the stack is not up")

// Hosting is the stack as one that previews live beside. The cluster answers.
func (s *Stack) Hosting(ctx context.Context) (environment.Host, error) {
	h := environment.Host{Stack: s.Name}
	if !s.IsLocal() || s.IsGuest() {
		return h, fmt.Errorf("stack %s: %w: they live beside the stack whose state this machine keeps, %s", s.Name, environment.ErrNoGuests, Local)
	}
	notUp := func(err error) error {
		return fmt.Errorf("stack %s: %w, and a branch preview lives beside it; run: make up STACK=%s: %w", s.Name, ErrNotUp, s.Name, err)
	}
	state, err := s.state(ctx)
	if errors.Is(err, backend.ErrNotFound) {
		return h, notUp(err)
	}
	if err != nil {
		return h, err
	}
	if len(state.Resources) == 0 {
		return h, notUp(errors.New("its state is empty"))
	}
	if err := s.reach(ctx); err != nil {
		return h, notUp(err)
	}
	if h.Config, err = s.config(); err != nil {
		return h, err
	}
	if cluster, ok := h.Config["slipway:cluster"].(map[string]any); ok {
		// Its own checkout is where a relative path of the host's begins.
		if path, ok := cluster["kubeconfig"].(string); ok && path != "" && !strings.Contains(path, "\n") {
			cluster["kubeconfig"] = s.expand(path)
		}
	}
	h.Outputs, err = s.Outputs(ctx, false)
	return h, err
}

// ErrTaken is returned for a preview whose names belong to somebody else.
var ErrTaken = errors.New("its name is taken in the cluster")

// CheckFree asks the host's cluster whether a preview's namespaces and address
// are free, or its own already: there tells that it has a state.
func (s *Stack) CheckFree(ctx context.Context, e environment.Environment, there bool) error {
	own := environment.Namespaces(e.Name)
	raw, err := s.kubectl(ctx, "get", "namespaces", "-o", "json")
	if err != nil {
		return fmt.Errorf("looking for namespaces of %s: %w", e.Name, err)
	}
	var namespaces struct {
		Items []struct {
			Metadata struct {
				Name   string            `json:"name"`
				Labels map[string]string `json:"labels"`
			} `json:"metadata"`
		} `json:"items"`
	}
	if err := json.Unmarshal(raw, &namespaces); err != nil {
		return fmt.Errorf("reading the cluster's namespaces: %w", err)
	}
	for _, n := range namespaces.Items {
		if !slices.Contains(own, n.Metadata.Name) {
			continue
		}
		switch host := n.Metadata.Labels[guestLabel]; {
		case host == "":
			return fmt.Errorf("%s: %w: namespace %s is there and belongs to no preview; choose another name", e.Name, ErrTaken, n.Metadata.Name)
		case host != s.Name || !there:
			return fmt.Errorf("%s: %w: namespace %s belongs to a preview of stack %s that this machine has no state of; remove it where it was created, or delete the namespace",
				e.Name, ErrTaken, n.Metadata.Name, host)
		}
	}
	// A preview's address differs from its host's, so it can only be another
	// route that was declared by hand or lives in another stack.
	raw, err = s.kubectl(ctx, "get", "ingressroutes.traefik.io", "--all-namespaces", "-o",
		`jsonpath={range .items[*]}{.metadata.namespace}{"\t"}{.spec.routes[*].match}{"\n"}{end}`)
	if err != nil {
		return fmt.Errorf("looking for routes to %s: %w", e.Address, err)
	}
	if namespace := routed(string(raw), e.Address, own); namespace != "" {
		return fmt.Errorf("%s: %w: a route in namespace %s answers for %s", e.Name, ErrTaken, namespace, e.Address)
	}
	return nil
}

var quoted = regexp.MustCompile("`([^`]*)`|\"([^\"]*)\"")

// routed is the namespace of a route for a host, beside those of its own. Each
// line is a namespace, a tab, and the rules of one route.
func routed(lines, host string, own []string) string {
	for _, line := range strings.Split(lines, "\n") {
		namespace, rules, _ := strings.Cut(line, "\t")
		if slices.Contains(own, namespace) {
			continue
		}
		for _, match := range quoted.FindAllStringSubmatch(rules, -1) {
			if strings.EqualFold(match[1]+match[2], host) {
				return namespace
			}
		}
	}
	return ""
}

// GuestsOf names the previews that live beside the stack.
func (s *Stack) GuestsOf() ([]string, error) {
	names, err := Guests()
	if err != nil || s.IsGuest() || !s.IsLocal() {
		return nil, err
	}
	var mine []string
	for _, name := range names {
		raw, err := os.ReadFile(guestFile(name))
		if err != nil {
			return nil, fmt.Errorf("reading a branch preview: %w", err)
		}
		// One that cannot be read is somebody's too.
		if e, err := environment.Read(name, raw); err != nil || e.Host == s.Name {
			mine = append(mine, name)
		}
	}
	return mine, nil
}

// Stated tells whether the stack has a state.
func (s *Stack) Stated(ctx context.Context) (bool, error) {
	_, err := s.state(ctx)
	if errors.Is(err, backend.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
