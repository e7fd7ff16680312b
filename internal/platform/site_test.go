package platform

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/image"
	"slipway.dev/slipway/internal/lab"
	"slipway.dev/slipway/internal/task"
	"slipway.dev/slipway/internal/toolchain"
)

// coldTasks are the steps of Up on a machine that has nothing but Go, for the
// local stack or another one that is made of it.
func coldTasks(t *testing.T, usesLab bool, of ...func(*Stack) *Stack) map[string]task.Task {
	t.Helper()
	t.Setenv("SLIPWAY_CACHE", t.TempDir())
	t.Setenv("PULUMI_HOME", t.TempDir())
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	tools, err := toolchain.Open(root)
	require.NoError(t, err)
	images, err := image.Open(root, tools)
	require.NoError(t, err)
	cluster, err := lab.Open(tools, "slipway")
	require.NoError(t, err)
	stack, err := OpenStack(root, Local, tools)
	require.NoError(t, err)
	for _, other := range of {
		stack = other(stack)
	}
	site := &Site{Stack: stack, Tools: tools, Images: images, Lab: cluster}
	tasks, err := site.tasks(t.Context(), usesLab, 0)
	require.NoError(t, err)
	byName := map[string]task.Task{}
	for _, step := range tasks {
		require.NotContains(t, byName, step.Name)
		byName[step.Name] = step
	}
	return byName
}

func TestColdUpWaitsOnlyForWhatItNeeds(t *testing.T) {
	tasks := coldTasks(t, true)
	for _, step := range tasks {
		for _, need := range step.Needs {
			require.Contains(t, tasks, need, "needed by %s", step.Name)
		}
	}
	kube, router := toolchain.TaskName("kube"), toolchain.TaskName("kube-router")
	require.ElementsMatch(t, []string{kube, router, "Debian packages"}, tasks["lab"].Needs)
	require.Equal(t, []string{toolchain.TaskName("pulumi-language-go")}, tasks["program"].Needs)
	require.Contains(t, tasks["load images"].Needs, "image slipway.dev/pgbouncer")
	require.Contains(t, tasks["image slipway.dev/migrations"].Needs, "image slipway.dev/api", "they share stages")
	require.Equal(t, []string{"Debian packages"}, tasks["image slipway.dev/pgbouncer"].Needs)
	// Tools that share packages follow each other; the others run beside them.
	require.Contains(t, tasks[router].Needs, kube)
	require.Empty(t, tasks[toolchain.TaskName("cert-manager")].Needs)
	for name, step := range tasks {
		compiles := name == "program" || slices.ContainsFunc(toolchain.Names(), func(tool string) bool { return name == toolchain.TaskName(tool) })
		if compiles {
			require.Equal(t, toolchain.Weight(), step.Weight, name)
		} else {
			require.Zero(t, step.Weight, "%s waits more than it works", name)
		}
	}
}

func TestUpOnAnotherClusterBuildsNothingForTheLab(t *testing.T) {
	tasks := coldTasks(t, false)
	require.Contains(t, tasks, "program")
	for _, name := range []string{"lab", "load images", "Debian packages", toolchain.TaskName("kube-router"), toolchain.TaskName("coredns")} {
		require.NotContains(t, tasks, name)
	}
}
