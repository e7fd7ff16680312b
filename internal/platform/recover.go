package platform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"slipway.dev/slipway/internal/backend"
	"slipway.dev/slipway/internal/checkpoint"
)

// Recover brings the stack back to where an update can begin after pulumi was
// killed: a lock whose holder is dead is broken, and what the state does not
// know the end of is looked up. Resources that were being created are taken
// into the state, or dropped from it when they are not there. Those that were
// being changed are read anew: the state has them as they were, and a program
// that wants just that would change nothing.
//
// A lock held by a process that may be alive is waited for, at most wait, and
// then an error.
func (s *Stack) Recover(ctx context.Context, log io.Writer, wait time.Duration) error {
	if err := s.release(ctx, log, wait); err != nil {
		return err
	}
	operations, err := s.pending(ctx)
	if err != nil || len(operations) == 0 {
		return err
	}
	creates := pendingCreates(operations)
	if len(creates) > 0 && !s.IsLocal() {
		return fmt.Errorf("recovering stack %s: %d resources were being created when the last update ended, and only you can say which exist: run pulumi refresh --stack %s, which asks of each",
			s.Name, len(creates), s.Name)
	}
	fmt.Fprintf(log, "%d resources were being changed when the last update ended; looking them up\n", len(operations))
	if len(creates) > 0 {
		there := map[string]string{}
		for _, c := range creates {
			if s.exists(ctx, c) {
				there[c.URN] = c.id()
				fmt.Fprintf(log, "  adopting %s\n", c.URN)
			} else {
				fmt.Fprintf(log, "  dropping %s\n", c.URN)
			}
		}
		if err := s.settleCreates(ctx, log, there); err != nil {
			return err
		}
	}
	return s.writing(ctx, log, "recovery",
		s.signed("refresh", "--yes", "--skip-preview", "--suppress-outputs", "--non-interactive")...)
}

// settleCreates ends the creations that the state does not know the end of:
// what is there, with its identifier, becomes a resource. The CLI's own flag for
// it, --import-pending-creates, makes the engine forget the resource instead.
func (s *Stack) settleCreates(ctx context.Context, log io.Writer, there map[string]string) error {
	var export map[string]json.RawMessage
	if err := s.decode(ctx, &export, "stack", "export", "--stack", s.Name); err != nil {
		return fmt.Errorf("reading the state of stack %s: %w", s.Name, err)
	}
	deployment, err := settled(export["deployment"], there)
	if err != nil {
		return fmt.Errorf("settling what was being created in stack %s: %w", s.Name, err)
	}
	export["deployment"] = deployment
	text, err := json.Marshal(export)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "slipway-state-")
	if err != nil {
		return fmt.Errorf("making a directory for the state: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "state.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return fmt.Errorf("writing the state: %w", err)
	}
	return s.writing(ctx, log, "recovery", "stack", "import", "--stack", s.Name, "--file", file)
}

// settled edits a deployment as the engine would have, had it heard of the end.
func settled(deployment json.RawMessage, there map[string]string) (json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(deployment))
	decoder.UseNumber()
	var d map[string]any
	if err := decoder.Decode(&d); err != nil {
		return nil, fmt.Errorf("reading the deployment: %w", err)
	}
	resources, _ := d["resources"].([]any)
	operations, _ := d["pending_operations"].([]any)
	var open, replaced []any
	for _, o := range operations {
		operation, _ := o.(map[string]any)
		if operation["type"] != string(apitype.OperationTypeCreating) {
			open = append(open, o)
			continue
		}
		made, _ := operation["resource"].(map[string]any)
		urn, _ := made["urn"].(string)
		id := there[urn]
		if id == "" {
			continue
		}
		made["id"] = id
		at := slices.IndexFunc(resources, func(r any) bool {
			old, _ := r.(map[string]any)
			return old["urn"] == urn && old["delete"] != true
		})
		if at < 0 {
			resources = append(resources, made)
			continue
		}
		// It was made to replace one, which is then to be deleted, unless that
		// came first.
		old, _ := resources[at].(map[string]any)
		resources[at] = made
		if old["pendingReplacement"] != true {
			old["delete"] = true
			replaced = append(replaced, old)
		}
	}
	d["resources"], d["pending_operations"] = append(resources, replaced...), open
	return json.Marshal(d)
}

// pending are the operations that the state does not know the end of. A stack
// without a state has none.
func (s *Stack) pending(ctx context.Context) ([]apitype.OperationV2, error) {
	files, err := s.Backend(ctx)
	if errors.Is(err, backend.ErrService) {
		return nil, nil // it asks by itself
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = files.Close() }()
	raw, err := files.Checkpoint(ctx)
	if errors.Is(err, backend.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	state, err := checkpoint.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the stack's pending operations: %w", err)
	}
	return state.PendingOperations, nil
}

// pendingCreate is a resource the engine asked for and did not hear of again.
type pendingCreate struct {
	URN        string
	Type       string
	APIVersion string
	Kind       string
	Namespace  string
	Name       string
}

// id is the Kubernetes provider's identifier of the object.
func (c pendingCreate) id() string {
	if c.Namespace == "" {
		return c.Name
	}
	return c.Namespace + "/" + c.Name
}

func pendingCreates(operations []apitype.OperationV2) []pendingCreate {
	var creates []pendingCreate
	for _, op := range operations {
		if op.Type != apitype.OperationTypeCreating {
			continue
		}
		text := func(of map[string]any, key string) string {
			value, _ := of[key].(string)
			return value
		}
		in := op.Resource.Inputs
		metadata, _ := in["metadata"].(map[string]any)
		creates = append(creates, pendingCreate{
			URN: string(op.Resource.URN), Type: string(op.Resource.Type), APIVersion: text(in, "apiVersion"), Kind: text(in, "kind"),
			Namespace: text(metadata, "namespace"), Name: text(metadata, "name"),
		})
	}
	return creates
}

// exists asks the cluster for the object; what is no Kubernetes object lives
// nowhere but in the state and so does not exist.
func (s *Stack) exists(ctx context.Context, c pendingCreate) bool {
	if !strings.HasPrefix(c.Type, "kubernetes:") || c.Kind == "" || c.Name == "" {
		return false
	}
	args := []string{"get", c.resource(), c.Name, "-o", "name"}
	if c.Namespace != "" {
		args = append(args, "-n", c.Namespace)
	}
	_, err := s.kubectl(ctx, args...)
	return err == nil
}

// resource is the kind as kubectl wants it: Kind.version.group.
func (c pendingCreate) resource() string {
	group, version, ok := strings.Cut(c.APIVersion, "/")
	if !ok {
		return c.Kind
	}
	return c.Kind + "." + version + "." + group
}
