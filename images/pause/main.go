// Command pause holds a pod's namespaces open and does nothing else: it is the
// first process of every pod and must cost next to no memory.
package main

import (
	"errors"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	// Nothing is ever allocated after the start, so collecting is waste.
	debug.SetGCPercent(-1)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// reap takes the exit codes of dead children. In a pod with a shared process
// namespace this is process 1, and orphans become its children.
func reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		// EINTR is worth another try; no child, or none dead, is the end.
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid == 0 {
			return
		}
	}
}
