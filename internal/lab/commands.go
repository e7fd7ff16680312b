package lab

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// output runs a program and returns what it printed; its complaint becomes the
// error.
func output(ctx context.Context, path string, args ...string) (string, error) {
	return run(exec.CommandContext(ctx, path, args...))
}

func run(cmd *exec.Cmd) (string, error) {
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("running %s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}
