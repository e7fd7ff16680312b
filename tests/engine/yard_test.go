package engine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/checkpoint"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/simcloud"
)

// yard is a shop beside a simulated cluster, which outlives every process that
// writes to it. What is in it and not in the state was orphaned.
type yard struct {
	*shop
	world *simcloud.World
}

// yardTools is a directory like bench.bin with the simulated cluster's plugin
// and a kubectl that looks into it.
var yardTools = sync.OnceValues(func() (binTools, error) {
	dir := filepath.Join(filepath.Dir(bench.bin), "yard")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", dir, "./cmd/pulumi-resource-kubernetes")
	build.Dir = bench.checkout
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the simulated cluster: %w\n%s", err, out)
	}
	for _, name := range []string{"pulumi", "pulumi-language-go", "pulumi-resource-random"} {
		if err := os.Symlink(filepath.Join(bench.bin, name), filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	return binTools(dir), os.WriteFile(filepath.Join(dir, "kubectl"), []byte(getScript), 0o700)
})

// getScript answers kubectl --kubeconfig=K --request-timeout=T get KIND NAME
// -o name [-n NAMESPACE], or get --raw /readyz, with its exit code.
const getScript = `#!/bin/sh
[ "$4" = get ] || exit 64
[ "$5" = --raw ] && exit 0
kind=${5%%.*} id=$6
[ "$9" = -n ] && id=${10}%2F$id
set -- "$SLIPWAY_SIMULATION_DIR"/things/*".$kind--"*"--$id.json"
[ -e "$1" ]
`

// newYard makes one in which a Deployment takes 20 times scale seconds.
func newYard(t *testing.T, scale string) *yard {
	t.Helper()
	tools, err := yardTools()
	require.NoError(t, err)
	dir := t.TempDir()
	t.Setenv("SLIPWAY_SIMULATION_DIR", dir)
	t.Setenv("SLIPWAY_SIMULATION_SCALE", scale)
	world, err := simcloud.OpenWorld(dir)
	require.NoError(t, err)
	require.NoError(t, world.Do(func(tx *simcloud.Tx) error {
		for _, thing := range []*simcloud.Record{
			{Token: "aws:eks/cluster:Cluster", ID: "yard", Properties: simcloud.Props{"endpoint": "https://yard.example.test"}},
			{Token: "aws:eks/nodeGroup:NodeGroup", ID: "yard:a", Properties: simcloud.Props{"clusterName": "yard", "scalingConfig": map[string]any{"desiredSize": 2.0}}},
		} {
			thing.Account, thing.Region, thing.Status = "123456789012", "eu-central-1", "active"
			tx.Put(thing)
		}
		return nil
	}))
	t.Cleanup(func() { endPlugins(dir) })
	s := layOutShop(t, tools)
	s.open(platform.Local)
	return &yard{shop: s, world: world}
}

// endPlugins ends the simulating plugins whose engine was killed: unlike the
// official ones they do not notice.
func endPlugins(dir string) {
	found, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range found {
		raw, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(raw, []byte("\x00SLIPWAY_SIMULATION_DIR="+dir+"\x00")) {
			continue
		}
		command, err := os.ReadFile(filepath.Join(filepath.Dir(file), "comm"))
		if err != nil || !bytes.HasPrefix(command, []byte("pulumi-resource")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// agree fails unless the state and the cluster hold the same objects.
func (y *yard) agree() error {
	files, err := y.stack.Backend(y.t.Context())
	if err != nil {
		return err
	}
	defer func() { _ = files.Close() }()
	raw, err := files.Checkpoint(y.t.Context())
	if err != nil {
		return err
	}
	state, err := checkpoint.Parse(raw)
	if err != nil {
		return err
	}
	if n := len(state.PendingOperations); n > 0 {
		return fmt.Errorf("the state has %d operations of which it does not know the end", n)
	}
	known := map[string]bool{}
	for i := range state.Resources {
		if r := &state.Resources[i]; r.Custom {
			known[string(r.Type)+" "+string(r.ID)] = true
		}
	}
	var faults []error
	err = y.world.Do(func(tx *simcloud.Tx) error {
		for _, thing := range tx.All("") {
			key := thing.Token + " " + thing.ID
			if thing.URN != "" && !known[key] {
				faults = append(faults, fmt.Errorf("%s is orphaned: it exists and the state does not know it", key))
			}
		}
		return nil
	})
	return errors.Join(append(faults, err)...)
}

// deployment runs one image.
func deployment(name, image string) item {
	labels := map[string]any{"app": name}
	return item{Kind: "object", Name: name, Type: "kubernetes:apps/v1:Deployment", Inputs: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name, "namespace": "default"},
		"spec": map[string]any{
			"replicas": 2.0, "selector": map[string]any{"matchLabels": labels},
			"template": map[string]any{
				"metadata": map[string]any{"labels": labels},
				"spec":     map[string]any{"containers": []any{map[string]any{"name": "web", "image": image}}},
			},
		},
	}}
}

// settings is a ConfigMap, whose content is replaced with it.
func settings(name, content string) item {
	return item{Kind: "object", Name: name, Type: "kubernetes:core/v1:ConfigMap", Inputs: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": name, "namespace": "default"},
		"data": map[string]any{"content": content},
	}}
}
