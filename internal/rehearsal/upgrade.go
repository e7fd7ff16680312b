package rehearsal

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// record writes the state to a file, packed, without where on this machine each
// resource was declared.
func (s *scene) record(ctx context.Context, path string) error {
	var export map[string]any
	if err := s.query(ctx, &export, "stack", "export"); err != nil {
		return err
	}
	deployment, _ := export["deployment"].(map[string]any)
	resources, _ := deployment["resources"].([]any)
	for _, r := range resources {
		if resource, ok := r.(map[string]any); ok {
			delete(resource, "sourcePosition")
			delete(resource, "stackTrace")
		}
	}
	raw, err := json.Marshal(export)
	if err != nil {
		return fmt.Errorf("recording the state: %w", err)
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(raw); err != nil {
		return fmt.Errorf("recording the state: %w", err)
	}
	if err := zip.Close(); err != nil {
		return fmt.Errorf("recording the state: %w", err)
	}
	if err := os.WriteFile(path, packed.Bytes(), 0o644); err != nil {
		return fmt.Errorf("recording the state: %w", err)
	}
	return nil
}

// unpack writes a recorded state as pulumi imports it.
func unpack(recorded, into string) error {
	packed, err := os.Open(recorded)
	if err != nil {
		return fmt.Errorf("opening the recorded state: %w", err)
	}
	defer func() { _ = packed.Close() }()
	unzip, err := gzip.NewReader(packed)
	if err != nil {
		return fmt.Errorf("reading the recorded state %s: %w", recorded, err)
	}
	raw, err := io.ReadAll(unzip)
	if err != nil {
		return fmt.Errorf("reading the recorded state %s: %w", recorded, err)
	}
	if err := os.WriteFile(into, raw, 0o600); err != nil {
		return fmt.Errorf("unpacking the recorded state: %w", err)
	}
	return nil
}

// takeOver makes a scene below dir whose stack has the recorded state. Nothing of
// it exists in the scene's cloud, which a preview does not ask.
func (r *Rehearsal) takeOver(ctx context.Context, dir, recorded string) (*scene, error) {
	s, err := r.open(ctx, dir, r.Stack)
	if err != nil {
		return nil, err
	}
	state := filepath.Join(dir, "state.json")
	if err := unpack(recorded, state); err != nil {
		return nil, err
	}
	if out, err := s.command(ctx, "stack", "import", "--stack", s.stack, "--file", state).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("taking over the recorded state: %w\n%s", err, out)
	}
	return s, nil
}

// Upgrade previews the program against a state that another version of it left
// behind, written by Record, and returns what would happen to each resource, as
// "update aws:eks/cluster:Cluster cluster-cluster". What stays the same is not
// in it.
func (r *Rehearsal) Upgrade(ctx context.Context, recorded string) ([]string, error) {
	dir, err := os.MkdirTemp("", "slipway-upgrade-")
	if err != nil {
		return nil, fmt.Errorf("making a place to rehearse in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s, err := r.takeOver(ctx, dir, recorded)
	if err != nil {
		return nil, err
	}
	var preview struct {
		Steps []struct {
			Op  string `json:"op"`
			URN string `json:"urn"`
		} `json:"steps"`
	}
	if err := s.query(ctx, &preview, "preview", "--json", "--config-file", s.config); err != nil {
		return nil, err
	}
	if len(preview.Steps) == 0 {
		return nil, fmt.Errorf("the preview against %s says nothing", recorded)
	}
	var changes []string
	for _, step := range preview.Steps {
		if step.Op == "same" || step.Op == "read" {
			continue
		}
		// A URN ends with the types of all parents, the own type, and the name.
		parts := strings.Split(step.URN, "::")
		types := strings.Split(parts[2], "$")
		changes = append(changes, step.Op+" "+types[len(types)-1]+" "+strings.Join(parts[3:], "::"))
	}
	return changes, nil
}
