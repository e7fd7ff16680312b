// Package platform drives one stack through the Pulumi CLI: from an empty
// machine to an answering platform, and back.
package platform

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
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"slipway.dev/slipway/internal/paths"
)

// Local is the stack whose backend, passphrase and cluster this machine holds.
const Local = "local"

// Tools is where pinned programs are found.
type Tools interface {
	Path(name string) (string, error)
	// Pulumi returns the CLI and what it and its plugins need in their
	// environment.
	Pulumi() (cli string, env []string, err error)
}

// Stack is one environment of a checkout.
type Stack struct {
	Checkout string
	Name     string
	// file is the stack's own configuration: the checkout's, or this machine's for
	// a branch preview.
	file string
	// settings is the configuration file to use in place of the checkout's
	// own; empty for the checkout's.
	settings string
	tools    Tools
}

var stackName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

// OpenStack checks the name against the checkout's Pulumi.<name>.yaml and the
// branch previews of this machine.
func OpenStack(checkout, name string, tools Tools) (*Stack, error) {
	if !stackName.MatchString(name) {
		return nil, fmt.Errorf("stack name %q: use letters, digits, '.', '_' and '-'", name)
	}
	s := &Stack{Checkout: checkout, Name: name, tools: tools}
	for _, s.file = range []string{filepath.Join(checkout, "Pulumi."+name+".yaml"), guestFile(name)} {
		if _, err := os.Stat(s.file); err == nil {
			return s, nil
		}
	}
	known, _ := filepath.Glob(filepath.Join(checkout, "Pulumi.*.yaml"))
	for i := range known {
		known[i] = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(known[i]), "Pulumi."), ".yaml")
	}
	guests, _ := Guests()
	return nil, fmt.Errorf("stack %q has no Pulumi.%s.yaml; this checkout has: %s", name, name, strings.Join(append(known, guests...), ", "))
}

// IsLocal tells whether this machine keeps the stack's state.
func (s *Stack) IsLocal() bool { return s.Name == Local || s.IsGuest() }

// scratch is the checkout's own directory for what the stack leaves behind
// for people: the CA certificate, the configuration in use.
func (s *Stack) scratch() string { return filepath.Join(s.Checkout, ".slipway", s.Name) }

// CAFile is where Up writes the certificate that verifies the platform.
func (s *Stack) CAFile() string { return filepath.Join(s.scratch(), "ca.crt") }

func (s *Stack) saltFile() string { return filepath.Join(paths.Pulumi(), s.Name+".salt") }

// Exports is what plain pulumi needs in the environment, as KEY=VALUE, in the
// order a person would type them.
func (s *Stack) Exports() ([]string, error) {
	_, exports, err := s.pulumi()
	return exports, err
}

// pulumi is the CLI and its environment for this stack.
func (s *Stack) pulumi() (cli string, exports []string, err error) {
	if cli, exports, err = s.tools.Pulumi(); err != nil {
		return "", nil, err
	}
	// Fields the program declares are the program's: what somebody patched by
	// hand is taken back instead of stopping every update with a conflict.
	exports = append(exports, "PULUMI_K8S_ENABLE_PATCH_FORCE=true")
	if s.IsLocal() {
		exports = append(exports,
			"PULUMI_BACKEND_URL=file://"+paths.Pulumi(),
			passphraseFileVariable+"="+passphraseFile(),
			// Without a salt in the stack's file the CLI asks the state.
			"PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER=true",
			// Every plugin this stack uses is there. The program also knows clouds
			// that it does not use, and the engine would look for their plugins.
			"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true",
		)
	}
	return cli, exports, nil
}

// Prepare makes sure the stack exists in its backend. For the local stack and
// branch previews it makes the backend, a passphrase of this machine's own and
// the stack; for any other it expects `pulumi login` and `pulumi stack init` to have been
// done by whoever owns that environment.
func (s *Stack) Prepare(ctx context.Context, log io.Writer) error {
	if !s.IsLocal() {
		if err := s.checkPassphrase(); err != nil {
			return err
		}
		return s.run(ctx, log, "stack", "ls", "--json")
	}
	if err := os.MkdirAll(paths.Pulumi(), 0o700); err != nil {
		return fmt.Errorf("making the local backend: %w", err)
	}
	if err := s.drawPassphrase(); err != nil {
		return err
	}
	if err := writeOnce(s.saltFile(), func() ([]byte, error) { return s.initialise(ctx, log) }); err != nil {
		return err
	}
	return s.writeConfig()
}

// initialise creates the stack from a directory of its own, so that the salt
// the CLI writes beside the configuration does not dirty the checkout, and
// returns that salt.
func (s *Stack) initialise(ctx context.Context, log io.Writer) ([]byte, error) {
	dir, err := os.MkdirTemp("", "slipway-stack-")
	if err != nil {
		return nil, fmt.Errorf("making a directory to create the stack in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	project, err := s.Project()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), fmt.Appendf(nil, "name: %s\nruntime: go\n", project), 0o600); err != nil {
		return nil, fmt.Errorf("writing a project to create the stack from: %w", err)
	}
	state := filepath.Join(paths.Pulumi(), ".pulumi", "stacks", project, s.Name+".json")
	verb := []string{"stack", "init", s.Name, "--no-select"}
	if _, err := os.Stat(state); err == nil {
		// The stack outlived its salt: any salt will do, because the state
		// carries the one it was encrypted with.
		verb = []string{"config", "set", "--stack", s.Name, "--secret", project + ":salt", "-"}
	}
	cmd, err := s.command(ctx, verb...)
	if err != nil {
		return nil, err
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Stdin = strings.NewReader("x")
	if err := execute(cmd); err != nil {
		return nil, fmt.Errorf("creating stack %s: %w", s.Name, err)
	}
	config, err := os.ReadFile(filepath.Join(dir, "Pulumi."+s.Name+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the stack's salt: %w", err)
	}
	match := saltLine.FindSubmatch(config)
	if match == nil {
		return nil, errors.New("creating the stack wrote no encryption salt")
	}
	return match[1], nil
}

var saltLine = regexp.MustCompile(`(?m)^encryptionsalt: *(\S+)\n?`)

// configFile is the configuration handed to pulumi: the stack's file and
// this machine's salt, so that the checkout stays as committed.
func (s *Stack) configFile() string { return filepath.Join(s.scratch(), "Pulumi."+s.Name+".yaml") }

func (s *Stack) writeConfig() error {
	text, err := os.ReadFile(s.file)
	if err != nil {
		return fmt.Errorf("reading the stack's configuration: %w", err)
	}
	salt, err := os.ReadFile(s.saltFile())
	if err != nil {
		return fmt.Errorf("reading the stack's salt: %w", err)
	}
	if err := os.MkdirAll(s.scratch(), 0o755); err != nil {
		return fmt.Errorf("making %s: %w", s.scratch(), err)
	}
	text = saltLine.ReplaceAll(text, nil)
	text = append(bytes.TrimRight(text, "\n"), "\nencryptionsalt: "...)
	text = append(append(text, salt...), '\n')
	return replaceFile(s.configFile(), text, 0o600)
}

// Workers is how many operations the engine has under way at once in a cloud.
// There they wait and take no processor; with its own four for each processor,
// what takes minutes keeps out what everything else needs.
const Workers = "32"

const workersVariable = "PULUMI_PARALLEL"

// collecting is how often the engine and what it starts collect their garbage,
// unless the person's environment says otherwise. They live for seconds and keep
// most of what they read, so collecting it over and over took a tenth or more
// of their processor time. Near the limit, per process, they collect as often as before.
var collecting = []string{"GOGC=400", "GOMEMLIMIT=2GiB"}

// command is pulumi in the checkout with the stack's environment. Ctrl-C
// reaches it as SIGINT, which it answers by saving what it has done.
func (s *Stack) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	cli, exports, err := s.pulumi()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, cli, args...)
	cmd.Dir = s.Checkout
	cmd.Env = slices.Concat(collecting, os.Environ(), exports)
	if !s.IsLocal() && os.Getenv(workersVariable) == "" {
		cmd.Env = append(cmd.Env, workersVariable+"="+Workers)
	}
	// A group of its own: the terminal's Ctrl-C must reach pulumi once, from
	// here, because a second one makes it give up without saving.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGINT}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 2 * time.Minute
	return cmd, nil
}

// execute runs cmd from a thread that lives as long as it does: the kernel
// sends Pdeathsig when the thread that started the process ends, not the
// program. Each of begun is called with the process's number; what it returns
// is called when the process has ended.
func execute(cmd *exec.Cmd, begun ...func(pid int) (ended func())) error {
	files, remove, err := temporary()
	if err != nil {
		return err
	}
	defer remove()
	cmd.Env = append(cmd.Environ(), "TMPDIR="+files)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return err
	}
	for _, begin := range begun {
		defer begin(cmd.Process.Pid)()
	}
	return cmd.Wait()
}

// configured adds the stack and configuration flags an operation takes.
func (s *Stack) configured(args ...string) []string {
	args = append(args, "--stack", s.Name)
	switch {
	case s.settings != "":
		args = append(args, "--config-file", s.settings)
	case s.IsLocal():
		args = append(args, "--config-file", s.configFile())
	}
	return args
}

func (s *Stack) run(ctx context.Context, out io.Writer, args ...string) error {
	cmd, err := s.command(ctx, args...)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := execute(cmd); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("running pulumi %s: %w", strings.Join(args[:1], " "), err)
	}
	return nil
}

// writeOnce makes path with make's bytes unless it is there.
func writeOnce(path string, content func() ([]byte, error)) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	data, err := content()
	if err != nil {
		return err
	}
	return replaceFile(path, data, 0o600)
}

// replaceFile writes through a temporary file, so that a reader or a crash
// sees the old content or the new, never a part.
func replaceFile(path string, data []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if closing := tmp.Close(); err == nil {
		err = closing
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
