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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fakeApt is a machine with packages that can be had and packages that are
// there.
type fakeApt struct {
	*debian
	known, there map[string]bool
	programs     map[string]bool
	// services maps a package to the services it brings.
	services map[string]string
	calls    []string
	// answer overrides what apt-get install does, while it returns true.
	answer func(call int, log io.Writer) (handled bool, err error)
	// during is called in the middle of an installation.
	during   func()
	installs int
}

func newFakeApt(t *testing.T) *fakeApt {
	t.Helper()
	dir := t.TempDir()
	f := &fakeApt{
		known: map[string]bool{"etcd-server": true, "runc": true, "containerd": true}, there: map[string]bool{},
		programs: map[string]bool{"apt-get": true, "dpkg-query": true}, services: map[string]string{},
	}
	f.debian = &debian{
		run: f.execute, present: func(name string) bool { return f.programs[name] }, root: func() bool { return true },
		policy: filepath.Join(dir, "policy-rc.d"), guard: filepath.Join(dir, "guard.lock"), patience: 200 * time.Millisecond,
	}
	return f
}

func (f *fakeApt) execute(_ context.Context, log io.Writer, held *lock, name string, args ...string) error {
	call := strings.Join(append([]string{name}, args...), " ")
	switch {
	case name == "dpkg-query" && args[0] == "--show":
		if f.there[args[len(args)-1]] {
			_, _ = fmt.Fprintln(log, "installed")
			return nil
		}
		return errors.New("exit status 1")
	case name == "dpkg-query":
		service := f.services[args[1]]
		_, _ = fmt.Fprintf(log, "/usr/bin/x\n/lib/systemd/system/%s.service\n/lib/systemd/system/%s@.service\n/etc/init.d/%s\n", service, service, service)
		return nil
	}
	f.calls = append(f.calls, call)
	if held == nil {
		return errors.New("the lock has to be handed to whatever may outlive this process")
	}
	if name != "apt-get" || !slices.Contains(args, "install") {
		return nil
	}
	f.installs++
	if f.answer != nil {
		if handled, err := f.answer(f.installs, log); handled {
			return err
		}
	}
	if f.during != nil {
		f.during()
	}
	for _, pkg := range args[slices.Index(args, "install")+1:] {
		if !f.known[pkg] {
			_, _ = fmt.Fprintln(log, "E: Unable to locate package", pkg)
			return errors.New("exit status 100")
		}
		f.there[pkg] = true
	}
	return nil
}

func TestPackagesThatArePresentNeedNothing(t *testing.T) {
	f := newFakeApt(t)
	f.there["etcd-server"] = true
	// Brought by other means, on whatever distribution.
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr"} {
		f.programs[name] = true
	}
	f.root = func() bool { return false }
	require.NoError(t, f.install(t.Context(), io.Discard, []string{"etcd-server", "containerd"}))
	require.Empty(t, f.calls)
}

func TestMissingPackagesAreInstalledTogether(t *testing.T) {
	f := newFakeApt(t)
	f.there["runc"] = true
	require.NoError(t, f.install(t.Context(), io.Discard, []string{"etcd-server", "runc", "containerd", "etcd-server"}))
	require.Equal(t, 1, f.installs)
	require.Contains(t, f.calls[0], "install etcd-server containerd")
	for _, option := range []string{"--no-remove", "--no-install-recommends", "--yes"} {
		require.Contains(t, f.calls[0], option)
	}
}

func TestWhatAPersonHasToDoIsSaid(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(f *fakeApt)
		want  error
		says  string
	}{
		{"not root", func(f *fakeApt) { f.root = func() bool { return false } }, ErrNotRoot, "sudo apt-get install --no-install-recommends etcd-server"},
		{"not Debian", func(f *fakeApt) { f.programs = nil }, ErrNotDebian, "etcd-server"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeApt(t)
			c.spoil(f)
			err := f.install(t.Context(), io.Discard, []string{"etcd-server"})
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
			require.Empty(t, f.calls)
		})
	}
}

// says is an apt-get that complains on its first call.
func says(text string) func(int, io.Writer) (bool, error) {
	return func(call int, log io.Writer) (bool, error) {
		if call > 1 {
			return false, nil
		}
		_, _ = fmt.Fprintln(log, text)
		return true, errors.New("exit status 100")
	}
}

func TestWhatAptAsksForIsDone(t *testing.T) {
	for _, c := range []struct{ name, said, then string }{
		{"lists are fetched when they are missing", "E: Unable to locate package etcd-server", "apt-get --quiet update"},
		{"lists are fetched when they are old", "E: Failed to fetch http://x  404  Not Found\nE: Unable to fetch some archives", "apt-get --quiet update"},
		{"an interrupted installation is finished", "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "dpkg --configure -a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakeApt(t)
			f.answer = says(c.said)
			require.NoError(t, f.install(t.Context(), io.Discard, []string{"etcd-server"}))
			require.Len(t, f.calls, 3)
			require.Equal(t, c.then, f.calls[1])
		})
	}
}

func TestAnotherPackageManagerIsWaitedForButNotForEver(t *testing.T) {
	const busy = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1 (apt)"
	f := newFakeApt(t)
	f.answer = says(busy)
	var log bytes.Buffer
	require.NoError(t, f.install(t.Context(), &log, []string{"etcd-server"}))
	require.Equal(t, 2, f.installs)
	require.Contains(t, log.String(), "waiting for another package manager")

	f = newFakeApt(t)
	f.answer = func(_ int, log io.Writer) (bool, error) {
		_, _ = fmt.Fprintln(log, busy)
		return true, errors.New("exit status 100")
	}
	require.ErrorContains(t, f.install(t.Context(), io.Discard, []string{"etcd-server"}), "another package manager has been at work")
}

func TestNothingIsRemovedForOurSake(t *testing.T) {
	f := newFakeApt(t)
	f.answer = says("E: Packages need to be removed but remove is disabled.")
	err := f.install(t.Context(), io.Discard, []string{"containerd"})
	require.ErrorContains(t, err, "would remove packages of this machine, so nothing was changed")
	require.Equal(t, 1, f.installs)
}

func TestServicesStayDownWhilePackagesAreInstalled(t *testing.T) {
	const own = "#!/bin/sh\nexit 104\n"
	for name, before := range map[string]string{"no policy": "", "the machine's own policy": own} {
		t.Run(name, func(t *testing.T) {
			f := newFakeApt(t)
			if before != "" {
				write(t, f.policy, before)
				require.NoError(t, os.Chmod(f.policy, 0o750))
			}
			f.during = func() {
				require.Equal(t, 101, exitCode(t, f.policy), "starting a service is forbidden")
			}
			require.NoError(t, f.install(t.Context(), io.Discard, []string{"etcd-server"}))
			requirePolicy(t, f, before)
		})
	}
}

func TestFailedInstallationRestoresThePolicy(t *testing.T) {
	f := newFakeApt(t)
	require.Error(t, f.install(t.Context(), io.Discard, []string{"no-such-package"}))
	requirePolicy(t, f, "")
}

// A run that was killed leaves its policy. With nobody holding the lock it
// forbids nothing, asks the machine's own, and the next run removes it.
func TestPolicyOfAKilledRunForbidsNothing(t *testing.T) {
	const own = "#!/bin/sh\nexit 104\n"
	for name, before := range map[string]string{"no policy": "", "the machine's own policy": own} {
		t.Run(name, func(t *testing.T) {
			f := newFakeApt(t)
			if before != "" {
				write(t, f.policy, before)
				require.NoError(t, os.Chmod(f.policy, 0o750))
			}
			_, err := f.keepServicesDown() // and never restored
			require.NoError(t, err)
			want := 0
			if before != "" {
				want = 104
			}
			require.Equal(t, want, exitCode(t, f.policy))
			require.NoError(t, f.install(t.Context(), io.Discard, []string{"etcd-server"}))
			requirePolicy(t, f, before)
		})
	}
}

// Killed between setting the machine's policy aside and writing its own.
func TestPolicySetAsideAndNotYetReplacedIsKept(t *testing.T) {
	f := newFakeApt(t)
	write(t, f.policy, "#!/bin/sh\nexit 104\n")
	require.NoError(t, os.Chmod(f.policy, 0o750))
	require.NoError(t, os.Link(f.policy, f.policy+aside))
	require.NoError(t, f.install(t.Context(), io.Discard, []string{"etcd-server"}))
	requirePolicy(t, f, "#!/bin/sh\nexit 104\n")
}

func TestServicesOfNewPackagesDoNotStartWithTheMachine(t *testing.T) {
	for tool, want := range map[string]string{
		"systemctl":   "systemctl disable etcd.service",
		"update-rc.d": "update-rc.d etcd disable",
	} {
		t.Run(tool, func(t *testing.T) {
			f := newFakeApt(t)
			f.programs[tool] = true
			f.there["containerd"] = true
			f.services["etcd-server"], f.services["containerd"] = "etcd", "containerd"
			require.NoError(t, f.install(t.Context(), io.Discard, []string{"etcd-server", "containerd"}))
			require.Equal(t, want, f.calls[1])
			require.Len(t, f.calls, 2, "what was there before is left as it was")
		})
	}
}

func requirePolicy(t *testing.T, f *fakeApt, want string) {
	t.Helper()
	require.NoFileExists(t, f.policy+aside)
	if want == "" {
		require.NoFileExists(t, f.policy)
		return
	}
	content, err := os.ReadFile(f.policy)
	require.NoError(t, err)
	require.Equal(t, want, string(content))
	info, err := os.Stat(f.policy)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o750), info.Mode().Perm())
}

func exitCode(t *testing.T, path string) int {
	t.Helper()
	cmd := exec.Command(path, "etcd", "start")
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}
