package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// repositoryPod selects the pod that keeps backups of the database.
const repositoryPod = "app.kubernetes.io/name=pgbackrest,app.kubernetes.io/component=repository"

// ErrNoRepository is returned for a stack that keeps no backups, or whose repository does not run.
var ErrNoRepository = errors.New("no pod keeps backups of the database")

// Repository is where a stack keeps backups of its database.
type Repository struct {
	kube kube
	pod  object
	// Close removes what was made to reach it.
	Close func()
}

// Repository finds where the stack keeps backups.
func (s *Stack) Repository(ctx context.Context) (*Repository, error) {
	outputs, k, done, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	pods, err := k.runningIn(ctx, repositoryPod, outputs["namespaces"])
	if err != nil {
		done()
		return nil, s.reached(err)
	}
	if len(pods) == 1 {
		return &Repository{kube: k, pod: object{pods[0][0], pods[0][1]}, Close: done}, nil
	}
	done()
	return nil, fmt.Errorf("%w of stack %s, or it is not ready: look at pods with the labels %s; database.backups.enabled has to be true, and a branch preview keeps none",
		ErrNoRepository, s.Name, repositoryPod)
}

// Run runs a command there, with its output to out. What it complained of is in the error.
func (r *Repository) Run(ctx context.Context, out io.Writer, command ...string) error {
	var complaint strings.Builder
	args := append([]string{"--kubeconfig", r.kube.kubeconfig, "exec", "-n", r.pod.namespace, r.pod.name, "--"}, command...)
	cmd := exec.CommandContext(ctx, r.kube.kubectl, args...)
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
	return fmt.Errorf("running %s in pod %s: %w", command[0], r.pod.name, err)
}
