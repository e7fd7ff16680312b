package platform

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const temporaryPrefix = "slipway-run-"

// temporary makes a directory for the temporary files of one command, and
// removes those of commands that were killed before they could. What they leave
// matters: the Kubernetes plugin writes the kubeconfig, with its key, to a file
// for Helm and leaves it there. remove ends the directory.
func temporary() (dir string, remove func(), err error) {
	left, _ := filepath.Glob(filepath.Join(os.TempDir(), temporaryPrefix+"*"))
	for _, dir := range left {
		if unlock, err := hold(dir); err == nil {
			_ = os.RemoveAll(dir)
			unlock()
		}
	}
	const tries = 10
	for range tries {
		if dir, err = os.MkdirTemp("", temporaryPrefix); err != nil {
			break
		}
		var unlock func()
		// Another command may have taken it for one that was left.
		if unlock, err = hold(dir); err != nil {
			continue
		}
		if _, err = os.Stat(dir); err == nil {
			return dir, func() { _ = os.RemoveAll(dir); unlock() }, nil
		}
		unlock()
	}
	return "", nil, fmt.Errorf("making a directory for temporary files: %w", err)
}

// hold locks a directory until it is unlocked or this process ends, however it
// ends. It fails when somebody else holds it.
func hold(dir string) (unlock func(), err error) {
	// What lies there under such a name may be anybody's, a pipe for instance.
	file, err := os.OpenFile(dir, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, err
	}
	return func() { _ = file.Close() }, nil
}
