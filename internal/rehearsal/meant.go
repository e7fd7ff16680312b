package rehearsal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"
)

// stackConfig is what a rehearsal reads of a stack's configuration.
type stackConfig struct {
	Foundation string `json:"slipway:foundation"`
	AWS        struct {
		Account string `json:"account"`
		Cluster struct {
			Version string   `json:"version"`
			Admins  []string `json:"admins"`
		} `json:"cluster"`
	} `json:"slipway:aws"`
}

// ErrNoCloud is returned for a stack that is not in a simulated cloud.
var ErrNoCloud = errors.New("the stack is not on AWS")

// changes are what is changed and taken back where nobody says what: on both
// sides of the cluster, something that grows, something kept longer, something
// that rolls.
var changes = map[string][][2]string{
	"aws": {
		{"slipway:api.scaling.max", "6"}, {"slipway:api.logLevel", "debug"},
		{"slipway:aws.cluster.logDays", "180"}, {"slipway:aws.cluster.nodeGroups.general.max", "10"},
		{"slipway:aws.logs.keepDays", "60"}, {"slipway:database.pooler.maxClients", "900"},
	},
	"account": {{"slipway:account.keepImages", "50"}, {"slipway:account.stateDays", "120"}},
}

// unguard is what lets a stack be destroyed, by foundation.
var unguard = map[string][][2]string{
	"aws": {{"slipway:aws.unprotected", "true"}, {"slipway:database.unprotected", "true"}, {"slipway:monitoring.unprotected", "true"}},
}

// Meant fills in what nobody asked for otherwise from the stack's own
// configuration: its account, a role that may update it, the account's stack
// before it, changes, and the version of Kubernetes after its own.
func (r *Rehearsal) Meant() error {
	c, err := r.read(r.Stack)
	if err != nil {
		return err
	}
	if c.Foundation != "aws" && c.Foundation != "account" {
		return fmt.Errorf("stack %s has foundation %q: %w", r.Stack, c.Foundation, ErrNoCloud)
	}
	if r.Account == "" {
		r.Account = c.AWS.Account
	}
	if r.Role == "" && len(c.AWS.Cluster.Admins) > 0 {
		admin := c.AWS.Cluster.Admins[0]
		r.Role = admin[strings.LastIndex(admin, "/")+1:]
	}
	if r.Before == nil && c.Foundation == "aws" {
		if r.Before, err = r.accounts(); err != nil {
			return err
		}
	}
	if r.Unguard == nil {
		r.Unguard = slices.Clone(unguard[c.Foundation])
	}
	if r.Changes == nil {
		r.Changes = slices.Clone(changes[c.Foundation])
	}
	if r.Ahead == nil {
		if r.Ahead, err = c.ahead(); err != nil {
			return err
		}
	}
	return nil
}

// accounts are the stacks of the project that make what an account needs.
func (r *Rehearsal) accounts() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(r.Project, "Pulumi.*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("looking for stacks: %w", err)
	}
	var found []string
	for _, file := range files {
		stack := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "Pulumi."), ".yaml")
		c, err := r.read(stack)
		if err != nil {
			return nil, err
		}
		if c.Foundation == "account" {
			found = append(found, stack)
		}
	}
	return found, nil
}

// read reads a stack's configuration.
func (r *Rehearsal) read(stack string) (stackConfig, error) {
	path := filepath.Join(r.Project, "Pulumi."+stack+".yaml")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return stackConfig{}, fmt.Errorf("there is no stack %s: %s does not exist", stack, path)
	}
	if err != nil {
		return stackConfig{}, fmt.Errorf("reading the stack's configuration: %w", err)
	}
	var file struct {
		Config stackConfig `json:"config"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		return stackConfig{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return file.Config, nil
}
