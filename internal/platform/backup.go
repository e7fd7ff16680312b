package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	return r.kube.exec(ctx, out, r.pod, command...)
}
