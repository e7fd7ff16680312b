package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/task"
)

// fakeChain builds with compile instead of Go and finds installed programs only
// in search.
func fakeChain(t *testing.T, compile compiler, search ...string) *Chain {
	t.Helper()
	checkout := fakeCheckout(t)
	p, err := readPins(checkout)
	require.NoError(t, err)
	g := testGo
	g.Modules, g.Builds = t.TempDir(), t.TempDir()
	c := &Chain{
		Out: io.Discard, checkout: checkout, cache: t.TempDir(), pins: p, compile: compile,
		search: search, plugins: filepath.Join(t.TempDir(), "plugins"), known: map[string]place{},
	}
	c.golang = func(context.Context) (golang, error) { return g, nil }
	// Sources of the plugin's module, as if downloaded.
	for file := range map[string]bool{"schema.json": true, "terraform-mapping.json": true} {
		write(t, filepath.Join(g.Modules, k8sPlugin+"@v4.0.0", "cmd/pulumi-resource-kubernetes", file), "{}")
	}
	write(t, filepath.Join(g.Modules, k8sPluginSDK+"@"+p.version(k8sPluginSDK), "go/kubernetes/yaml/v2/kinds.go"), kindsSource)
	write(t, filepath.Join(g.Modules, legoModule+"@v4.28.0", "providers/dns/zz_gen_dns_providers.go"), providersSource)
	write(t, filepath.Join(g.Modules, traefikModule+"@v3.6.2", "pkg/provider/ecs/ecs.go"), ecsSource)
	for _, file := range []string{"config.go", "label.go"} {
		write(t, filepath.Join(g.Modules, traefikModule+"@v3.6.2", "pkg/provider/ecs", file), "package ecs\n")
	}
	for file, source := range pulumiSources {
		write(t, filepath.Join(g.Modules, pulumiModule+"@"+p.version(pulumiModule), file), source)
	}
	// And of the biggest one, so that there is nothing left to download.
	require.NoError(t, os.MkdirAll(filepath.Join(g.Modules, "k8s.io/kubernetes@v1.34.4"), 0o755))
	return c
}

// program is a compiler that succeeds.
func program(_ context.Context, _ io.Writer, b build) error {
	return os.WriteFile(b.out, []byte("#!/bin/sh\n"), 0o755)
}

func TestEnsureBuildsWhatIsMissingOnce(t *testing.T) {
	var built atomic.Int32
	c := fakeChain(t, func(ctx context.Context, log io.Writer, b build) error {
		built.Add(1)
		return program(ctx, log, b)
	})
	_, err := c.Path("kubelet")
	require.ErrorIs(t, err, ErrMissing)
	require.ErrorContains(t, err, "slipway tools kube")

	require.NoError(t, c.Ensure(t.Context(), "kubelet", "kube", "kube-proxy", "coredns"))
	require.EqualValues(t, 2, built.Load(), "links of one tool are one build")
	for _, name := range []string{"kube", "kubelet", "kubectl", "coredns"} {
		path, err := c.Path(name)
		require.NoError(t, err)
		require.Equal(t, name, filepath.Base(path))
		require.FileExists(t, path)
	}
	var out bytes.Buffer
	c.Out = &out
	require.NoError(t, c.Ensure(t.Context(), "kubelet", "coredns"))
	require.EqualValues(t, 2, built.Load())
	require.Empty(t, out.String(), "nothing to do says nothing")
}

func TestToolsThatSharePackagesFollowEachOther(t *testing.T) {
	c := fakeChain(t, program)
	needs := func(names ...string) map[string][]string {
		tasks, err := c.Tasks(t.Context(), names...)
		require.NoError(t, err)
		all := map[string][]string{}
		for _, task := range tasks {
			all[task.Name] = task.Needs
		}
		return all
	}
	all := needs(Names()...)
	require.Len(t, all, len(Names()))
	require.Equal(t, []string{"tool kube", "tool pulumi"}, all["tool pulumi-resource-kubernetes"])
	require.Empty(t, all["tool cert-manager"])
	require.NoError(t, c.Ensure(t.Context(), "kube"))
	require.Equal(t, []string{"tool pulumi"}, needs(Names()...)["tool pulumi-resource-kubernetes"], "what is there is not waited for")
	require.Empty(t, needs("coredns", "kubelet")["tool coredns"])
}

func TestAnotherChainFindsWhatOneBuilt(t *testing.T) {
	c := fakeChain(t, program)
	require.NoError(t, c.Ensure(t.Context(), "traefik"))
	c.known = map[string]place{}
	c.compile = func(context.Context, io.Writer, build) error { return errors.New("must not build") }
	require.NoError(t, c.Ensure(t.Context(), "traefik"))
}

func TestUnknownToolsAreNamed(t *testing.T) {
	c := fakeChain(t, program)
	err := c.Ensure(t.Context(), "kube", "kubectx")
	require.ErrorIs(t, err, ErrUnknown)
	require.ErrorContains(t, err, `"kubectx"`)
	require.ErrorContains(t, err, "traefik", "the answer lists what there is")
}

func TestFailedBuildShowsTheEndOfItsLogAndLeavesNothing(t *testing.T) {
	c := fakeChain(t, func(_ context.Context, log io.Writer, b build) error {
		for i := range 500 {
			_, _ = fmt.Fprintf(log, "line %d\n", i)
		}
		require.NoError(t, os.WriteFile(b.out, []byte("half"), 0o755))
		return errors.New("exit status 1")
	})
	err := c.Ensure(t.Context(), "coredns")
	var failed *task.Failed
	require.ErrorAs(t, err, &failed)
	require.Contains(t, err.Error(), "line 499")
	require.NotContains(t, err.Error(), "line 100\n")
	log, readErr := os.ReadFile(failed.Log)
	require.NoError(t, readErr)
	require.Contains(t, string(log), "line 0\n")
	require.Equal(t, filepath.Join(c.Logs(), "tool-coredns.log"), failed.Log)
	_, err = c.Path("coredns")
	require.ErrorIs(t, err, ErrMissing)
	requireOnlyLocks(t, c)
}

func TestAdviceFollowsWhatTheCompilerSaid(t *testing.T) {
	for said, want := range map[string]string{
		"write /tmp/x: no space left on device":               "the disk is full",
		"compile: signal: killed":                             "ran out of memory",
		"k8s.io/api: dial tcp: lookup proxy: i/o timeout":     "could not be downloaded",
		"missing go.sum entry for module providing package x": "go.sum is incomplete",
	} {
		t.Run(want, func(t *testing.T) {
			c := fakeChain(t, func(_ context.Context, log io.Writer, _ build) error {
				_, _ = fmt.Fprintln(log, said)
				return errors.New("exit status 1")
			})
			require.ErrorContains(t, c.Ensure(t.Context(), "coredns"), want)
		})
	}
}

func TestDownloadsAreTriedAgainAndMistakesAreNot(t *testing.T) {
	for _, c := range []struct {
		said  string
		tries int32
	}{
		{"dial tcp 10.0.0.1:443: connection refused", 2},
		{"undefined: foo", 1},
	} {
		t.Run(c.said, func(t *testing.T) {
			var tries atomic.Int32
			chain := fakeChain(t, func(ctx context.Context, log io.Writer, b build) error {
				if tries.Add(1) > 1 {
					return program(ctx, log, b)
				}
				_, _ = fmt.Fprintln(log, c.said)
				return errors.New("exit status 1")
			})
			err := chain.Ensure(t.Context(), "coredns")
			require.Equal(t, c.tries, tries.Load())
			require.Equal(t, c.tries > 1, err == nil)
		})
	}
}

func TestTwoChainsDoNotBuildTheSameToolTwice(t *testing.T) {
	var built atomic.Int32
	slow := func(ctx context.Context, log io.Writer, b build) error {
		built.Add(1)
		time.Sleep(300 * time.Millisecond)
		return program(ctx, log, b)
	}
	one := fakeChain(t, slow)
	other := fakeChain(t, slow)
	other.checkout, other.cache, other.golang = one.checkout, one.cache, one.golang
	var wait sync.WaitGroup
	for _, c := range []*Chain{one, other} {
		wait.Go(func() { require.NoError(t, c.Ensure(t.Context(), "coredns")) })
	}
	wait.Wait()
	require.EqualValues(t, 1, built.Load())
}

func TestStoppedBuildReturnsTheContextsErrorAndLeavesNothing(t *testing.T) {
	started := make(chan struct{})
	c := fakeChain(t, func(ctx context.Context, _ io.Writer, b build) error {
		require.NoError(t, os.WriteFile(b.out, []byte("half"), 0o755))
		close(started)
		<-ctx.Done()
		return errors.New("signal: killed")
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-started; cancel() }()
	require.ErrorIs(t, c.Ensure(ctx, "coredns"), context.Canceled)
	requireOnlyLocks(t, c)
}

// victimEnv makes this test program the one that TestKilledBuild kills.
const victimEnv = "SLIPWAY_TEST_VICTIM"

// A process that is killed in the middle of a build, which nothing can handle,
// leaves no half tool, and the next run removes what it left.
func TestKilledBuildLeavesNoHalfTool(t *testing.T) {
	half := func(_ context.Context, _ io.Writer, b build) error {
		if err := os.WriteFile(b.out, []byte("half"), 0o755); err != nil {
			return err
		}
		fmt.Println("half way")
		time.Sleep(time.Minute)
		return nil
	}
	if dir := os.Getenv(victimEnv); dir != "" {
		c := fakeChain(t, half)
		c.cache = dir
		_ = c.Ensure(t.Context(), "coredns")
		return
	}
	c := fakeChain(t, program)
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledBuildLeavesNoHalfTool$", "-test.v")
	cmd.Env = append(os.Environ(), victimEnv+"="+c.cache)
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	seen := make([]byte, 0, 4096)
	for !bytes.Contains(seen, []byte("half way")) {
		buffer := make([]byte, 1024)
		n, err := pipe.Read(buffer)
		require.NoError(t, err, string(seen))
		seen = append(seen, buffer[:n]...)
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait()

	left, err := filepath.Glob(filepath.Join(c.toolsDir(), "coredns.partial-*"))
	require.NoError(t, err)
	require.Len(t, left, 1, "the victim was killed in the middle")
	_, err = c.Path("coredns")
	require.ErrorIs(t, err, ErrMissing)
	require.NoError(t, c.Ensure(t.Context(), "coredns"))
	path, err := c.Path("coredns")
	require.NoError(t, err)
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "#!/bin/sh\n", string(content))
	require.NoDirExists(t, left[0])
}

func TestOldBuildsArePruned(t *testing.T) {
	c := fakeChain(t, program)
	for i := range 6 {
		write(t, filepath.Join(c.checkout, "tools/go.sum"), fmt.Sprintf("example.org/x v%d h1:y=\n", i))
		c.known = map[string]place{}
		require.NoError(t, c.Ensure(t.Context(), "coredns", "metrics-server"))
	}
	path, err := c.Path("coredns")
	require.NoError(t, err)
	require.FileExists(t, path)
	for _, name := range []string{"coredns", "metrics-server"} {
		dirs, err := filepath.Glob(filepath.Join(c.toolsDir(), name+"-*"))
		require.NoError(t, err)
		require.Len(t, dirs, kept, name)
	}
}

func TestPluginsEmbedFilesOfTheirModule(t *testing.T) {
	var got build
	c := fakeChain(t, func(ctx context.Context, log io.Writer, b build) error {
		got = b
		return program(ctx, log, b)
	})
	require.NoError(t, c.Ensure(t.Context(), "pulumi-resource-kubernetes"))
	require.Len(t, got.overlay, 2)
	for at, from := range got.overlay {
		require.Equal(t, filepath.Join(c.checkout, "tools/pulumi-resource-kubernetes"), filepath.Dir(at))
		require.FileExists(t, from)
	}
	require.Contains(t, strings.Join(got.flags, " "), "-modfile="+filepath.Join(got.temp, "go.mod"))
	require.Contains(t, strings.Join(got.flags, " "), "version.Version=4.30.0", "the version the program's SDK asks for")
}

// requireOnlyLocks checks that a failure left no directory behind.
func requireOnlyLocks(t *testing.T, c *Chain) {
	t.Helper()
	entries, err := os.ReadDir(c.toolsDir())
	require.NoError(t, err)
	for _, entry := range entries {
		require.Equal(t, ".lock", filepath.Ext(entry.Name()), entry.Name())
	}
}
