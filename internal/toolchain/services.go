package toolchain

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// guardMark is in every policy file that this package writes.
const guardMark = "# written by slipway while it installs packages"

// aside is where the machine's own policy waits.
const aside = ".before-slipway"

// keepServicesDown makes Debian refuse to start, stop or restart services until
// the returned function is called. Package scripts ask a policy program about
// each; this one says no as long as the lock is held, by this process or by the
// dpkg it started, and otherwise asks the machine's own policy. So a policy
// that a killed run left behind forbids nothing, and the next run removes it.
func (d *debian) keepServicesDown() (restore func() error, err error) {
	if err := d.restorePolicy(); err != nil {
		return nil, err
	}
	own := d.policy + aside
	if _, err := os.Lstat(d.policy); err == nil {
		if err := os.Link(d.policy, own); err != nil {
			return nil, fmt.Errorf("setting the machine's service policy aside: %w", err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking at the machine's service policy: %w", err)
	}
	// 101 is "forbidden by policy". flock fails to get what is held; if it
	// gets it, nobody installs any more.
	script := fmt.Sprintf(`#!/bin/sh
%s
if ! flock --nonblock %s true; then exit 101; fi
if [ -x %s ]; then exec %s "$@"; fi
exit 0
`, guardMark, quote(d.guard), quote(own), quote(own))
	if err := replaceFile(d.policy, []byte(script), 0o755); err != nil {
		return nil, fmt.Errorf("keeping services from starting: %w", err)
	}
	return d.restorePolicy, nil
}

// restorePolicy puts the machine's own policy back, or removes ours. It leaves
// alone a policy that somebody else wrote meanwhile.
func (d *debian) restorePolicy() error {
	own := d.policy + aside
	content, err := os.ReadFile(d.policy)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking at the machine's service policy: %w", err)
	}
	ours := bytes.Contains(content, []byte(guardMark))
	switch _, statErr := os.Lstat(own); {
	case statErr == nil && (ours || err != nil):
		err = os.Rename(own, d.policy)
	case statErr == nil:
		// Set aside but not yet replaced: both names are the same file. A
		// rename onto itself would do nothing.
		err = os.Remove(own)
	case ours:
		err = os.Remove(d.policy)
	default:
		err = nil
	}
	if err != nil {
		return fmt.Errorf("restoring the machine's service policy %s: %w", d.policy, err)
	}
	return nil
}

// replaceFile writes a file that appears whole.
func replaceFile(path string, content []byte, mode os.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(content)
	if err = errors.Join(err, temp.Chmod(mode), temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}

// quote makes a path one word for a shell.
func quote(path string) string { return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'" }
