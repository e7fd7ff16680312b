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
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Errors a caller can act on.
var (
	// ErrNotRoot is returned when packages are missing and this user may not
	// install any.
	ErrNotRoot = errors.New("installing packages needs root")
	// ErrNotDebian is returned when packages are missing and there is no apt.
	ErrNotDebian = errors.New("this is no Debian or Ubuntu machine")
)

// programs are what a package is wanted for: all of these present means that
// the package need not be.
var programs = map[string][]string{
	"buildah":                     {"buildah"},
	"chromium":                    {"chromium"},
	"conntrack":                   {"conntrack"},
	"containerd":                  {"containerd", "containerd-shim-runc-v2", "ctr"},
	"containernetworking-plugins": {"/usr/lib/cni/bridge|/opt/cni/bin/bridge", "/usr/lib/cni/host-local|/opt/cni/bin/host-local"},
	"e2fsprogs":                   {"mkfs.ext4"},
	"etcd-server":                 {"etcd"},
	"iproute2":                    {"ip"},
	"ipset":                       {"ipset"},
	"iptables":                    {"iptables", "iptables-save"},
	"mmdebstrap":                  {"mmdebstrap"},
	"mount":                       {"mount", "umount", "losetup"},
	"prometheus":                  {"prometheus", "promtool"},
	"runc":                        {"runc"},
	"util-linux":                  {"nsenter", "unshare"},
}

// systemPath is where a distribution keeps programs; a user's PATH may leave
// out the sbin half.
var systemPath = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// debian installs packages. The fields are what a test replaces.
type debian struct {
	// run starts a program as root's package manager would be, its output going
	// to log.
	run func(ctx context.Context, log io.Writer, held *lock, name string, args ...string) error
	// present reports whether a program is there; name may be a path.
	present func(name string) bool
	root    func() bool
	// policy is the file by which Debian asks whether a service may start.
	policy string
	// guard is the lock that is held while services are kept from starting.
	guard string
	// patience bounds the wait for another package manager.
	patience time.Duration
}

func newDebian() *debian {
	return &debian{
		run: runPackageTool,
		present: func(name string) bool {
			if filepath.IsAbs(name) {
				return executable(name)
			}
			return firstOn(systemPath, name) != ""
		},
		root:     func() bool { return os.Geteuid() == 0 },
		policy:   "/usr/sbin/policy-rc.d",
		guard:    "/run/slipway-packages.lock",
		patience: 10 * time.Minute,
	}
}

// missing returns the packages that are neither installed nor replaced by the
// programs they would bring.
func (d *debian) missing(ctx context.Context, names []string) []string {
	var missing []string
	for _, name := range names {
		if !slices.Contains(missing, name) && !d.satisfied(name) && !d.installed(ctx, name) {
			missing = append(missing, name)
		}
	}
	return missing
}

func (d *debian) satisfied(name string) bool {
	wanted, known := programs[name]
	if !known {
		return false
	}
	for _, alternatives := range wanted {
		if !slices.ContainsFunc(strings.Split(alternatives, "|"), d.present) {
			return false
		}
	}
	return true
}

func (d *debian) installed(ctx context.Context, name string) bool {
	if !d.present("dpkg-query") {
		return false
	}
	var out bytes.Buffer
	err := d.run(ctx, &out, nil, "dpkg-query", "--show", "--showformat", "${db:Status-Status}\n", name)
	return err == nil && strings.TrimSpace(out.String()) == "installed"
}

// What apt says when another process is at work, when its lists are out of
// date, and when an earlier run was cut short.
var (
	aptBusy        = regexp.MustCompile(`Could not get lock|Unable to (acquire|lock)|is another process using it`)
	aptStale       = regexp.MustCompile(`Unable to locate package|has no installation candidate|Unable to fetch some archives|404 +Not Found|Unable to correct problems`)
	dpkgCutShort   = regexp.MustCompile(`dpkg was interrupted|dpkg --configure -a`)
	aptWouldRemove = regexp.MustCompile(`Packages need to be removed but remove is disabled`)
)

func (d *debian) install(ctx context.Context, log io.Writer, names []string) error {
	missing := d.missing(ctx, names)
	if len(missing) == 0 {
		return nil
	}
	list := strings.Join(missing, " ")
	if !d.present("apt-get") || !d.present("dpkg-query") {
		return fmt.Errorf("%w, and these packages are missing: %s; install what they hold with this machine's package manager", ErrNotDebian, list)
	}
	if !d.root() {
		return fmt.Errorf("%w: run `sudo apt-get install --no-install-recommends %s`, or this command with sudo", ErrNotRoot, list)
	}
	held, err := lockFile(ctx, d.guard, func() {
		_, _ = fmt.Fprintln(log, "waiting for another slipway that installs packages")
	})
	if err != nil {
		return fmt.Errorf("installing %s: %w", list, err)
	}
	defer held.release()
	if missing = d.missing(ctx, names); len(missing) == 0 {
		return nil // the other one brought them
	}
	restore, err := d.keepServicesDown()
	if err != nil {
		return fmt.Errorf("installing %s: %w", list, err)
	}
	err = d.installMissing(ctx, log, held, missing)
	return errors.Join(err, restore())
}

// installMissing runs apt, and mends what apt asks to be mended first.
func (d *debian) installMissing(ctx context.Context, log io.Writer, held *lock, missing []string) error {
	args := append([]string{
		"--quiet", "--yes", "--no-install-recommends", "--no-remove",
		"-o", "Dpkg::Use-Pty=0", "-o", "APT::Keep-Downloaded-Packages=false", "install",
	}, missing...)
	said, err := d.apt(ctx, log, held, args...)
	if err != nil && dpkgCutShort.MatchString(said) {
		_, _ = fmt.Fprintln(log, "an earlier installation was cut short; finishing it first")
		if err := d.run(ctx, log, held, "dpkg", "--configure", "-a"); err != nil {
			return fmt.Errorf("finishing an interrupted installation (dpkg --configure -a): %w", err)
		}
		said, err = d.apt(ctx, log, held, args...)
	}
	if err != nil && aptStale.MatchString(said) {
		_, _ = fmt.Fprintln(log, "the package lists are missing or old; fetching them")
		if _, err := d.apt(ctx, log, held, "--quiet", "update"); err != nil {
			return fmt.Errorf("fetching package lists (is the network up, and /etc/apt/sources.list right?): %w", err)
		}
		said, err = d.apt(ctx, log, held, args...)
	}
	list := strings.Join(missing, " ")
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return ctx.Err()
	case aptWouldRemove.MatchString(said):
		return fmt.Errorf("installing %s would remove packages of this machine, so nothing was changed: "+
			"see `apt-get install %s` for which (Docker's containerd.io stands against Debian's containerd): %w", list, list, err)
	default:
		return fmt.Errorf("installing %s: %w", list, err)
	}
	d.disable(ctx, log, held, missing)
	if still := d.missing(ctx, missing); len(still) > 0 {
		return fmt.Errorf("apt-get reported success, but these are not there: %s", strings.Join(still, " "))
	}
	return nil
}

// apt runs apt-get, waiting while another package manager is at work.
func (d *debian) apt(ctx context.Context, log io.Writer, held *lock, args ...string) (said string, err error) {
	deadline := time.Now().Add(d.patience)
	for told := false; ; {
		output := &ending{limit: 64 << 10}
		err := d.run(ctx, io.MultiWriter(log, output), held, "apt-get", args...)
		if err == nil || !aptBusy.MatchString(output.String()) || ctx.Err() != nil {
			return output.String(), err
		}
		if time.Now().After(deadline) {
			return output.String(), fmt.Errorf("another package manager has been at work for %s: %w", d.patience, err)
		}
		if !told {
			told = true
			_, _ = fmt.Fprintln(log, "waiting for another package manager to finish")
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(2*time.Second, d.patience/4)):
		}
	}
}

// unitFile and scriptFile match what makes a package's file a service, of
// systemd and of System V.
var (
	unitFile   = regexp.MustCompile(`^(?:/usr)?/lib/systemd/system/([^/@]+\.service)$`)
	scriptFile = regexp.MustCompile(`^/etc/init\.d/([^/]+)$`)
)

// disable keeps the services of packages that were not there before from
// starting with the machine. Where a tool is not there, nothing that it would
// keep from starting things is there either.
func (d *debian) disable(ctx context.Context, log io.Writer, held *lock, packages []string) {
	for _, name := range packages {
		var files bytes.Buffer
		if d.run(ctx, &files, nil, "dpkg-query", "--listfiles", name) != nil {
			continue
		}
		for _, line := range strings.Fields(files.String()) {
			// A service that was not enabled is no fault.
			if match := unitFile.FindStringSubmatch(line); match != nil && d.present("systemctl") {
				_ = d.run(ctx, log, held, "systemctl", "disable", match[1])
			}
			if match := scriptFile.FindStringSubmatch(line); match != nil && d.present("update-rc.d") {
				_ = d.run(ctx, log, held, "update-rc.d", match[1], "disable")
			}
		}
	}
}

// runPackageTool runs a package tool in plain English and without questions. It
// inherits the guard: if this process is killed and dpkg goes on, services stay
// down until dpkg is done too. Stopping it is asked politely, since dpkg then
// finishes the package it is at.
func runPackageTool(ctx context.Context, log io.Writer, held *lock, name string, args ...string) error {
	path := firstOn(systemPath, name)
	if path == "" {
		return fmt.Errorf("%s: %w", name, exec.ErrNotFound)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(),
		"PATH="+strings.Join(systemPath, ":"), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", "DEBIAN_PRIORITY=critical", "NEEDRESTART_MODE=l", "APT_LISTCHANGES_FRONTEND=none")
	if held != nil {
		cmd.ExtraFiles = []*os.File{held.file}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 2 * time.Minute
	return run(cmd)
}
