package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/lock"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/rollback"
)

// The test program itself is the slipway that gets killed.
const (
	rollbackEnv = "SLIPWAY_TEST_ROLLBACK"
	stackEnv    = "SLIPWAY_TEST_STACK"
	binEnv      = "SLIPWAY_TEST_BIN"
)

func rollBackAndExit(dir string) {
	stack, err := platform.OpenStack(dir, os.Getenv(stackEnv), binTools(os.Getenv(binEnv)))
	if err == nil {
		_, err = (&rollback.Rollback{Stack: stack, Find: rollback.To("1")}).Run(context.Background(), os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// process is a rollback to the first entry in a process of its own.
type process struct {
	s     *shop
	cmd   *exec.Cmd
	ended chan error
	over  bool
	err   error
}

func (s *shop) process() *process {
	s.t.Helper()
	self, err := os.Executable()
	require.NoError(s.t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), rollbackEnv+"="+s.dir, stackEnv+"="+s.stack.Name, binEnv+"="+string(s.tools))
	cmd.Stderr = testWriter{s.t}
	require.NoError(s.t, cmd.Start())
	p := &process{s: s, cmd: cmd, ended: make(chan error, 1)}
	go func() { p.ended <- cmd.Wait() }()
	return p
}

// done tells whether it has ended by itself.
func (p *process) done() bool {
	if !p.over {
		select {
		case p.err = <-p.ended:
			p.over = true
		default:
		}
	}
	return p.over
}

// wait waits for its end.
func (p *process) wait() error {
	if !p.over {
		p.err, p.over = <-p.ended, true
	}
	return p.err
}

// engines are the pulumi processes that it has started.
func (p *process) engines() []int {
	found, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(p.s.t, err)
	var pids []int
	for _, file := range found {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		before, after, _ := strings.Cut(string(raw), ") ")
		fields := strings.Fields(after)
		if len(fields) < 2 || fields[1] != strconv.Itoa(p.cmd.Process.Pid) || !strings.HasSuffix(before, "(pulumi") {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		require.NoError(p.s.t, err)
		pids = append(pids, pid)
	}
	return pids
}

// kill ends processes as nothing can prepare for, and waits until what was
// left behind has ended by itself: an engine whose helper was killed saves.
func (p *process) kill(helper, engine bool) {
	p.s.t.Helper()
	engines := p.engines()
	p.s.t.Logf("kill -9: helper %v, engine %v %v", helper, engine, engines)
	if helper {
		_ = p.cmd.Process.Kill()
	}
	for _, pid := range engines {
		if engine {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	_ = p.wait()
	for _, pid := range engines {
		eventually(p.s.t, "the engine to end", func() bool { return !alive(pid) })
	}
}

// locks are those that are held now.
func (s *shop) locks() []lock.Lock {
	s.t.Helper()
	files, err := s.stack.Backend(s.t.Context())
	require.NoError(s.t, err)
	defer func() { _ = files.Close() }()
	locks, err := lock.List(s.t.Context(), files)
	require.NoError(s.t, err)
	return locks
}

// many are enough resources that an update takes a while.
func many(keeper string) []item {
	items := []item{password}
	for i := range 30 {
		items = append(items, item{Kind: "pet", Name: fmt.Sprintf("pet%d", i), Keeper: keeper})
	}
	return items
}

// sound checks that nobody holds the stack and that its state is what exists,
// and says why not.
func (s *shop) sound() error {
	if locks := s.locks(); len(locks) > 0 {
		return fmt.Errorf("locks were left: %v", locks)
	}
	p, err := s.stack.Propose(s.t.Context(), io.Discard, platform.Proposing{Refresh: true})
	if err != nil {
		return err
	}
	if changes := p.Changes(); len(changes) > 0 || len(p.Problems) > 0 {
		return fmt.Errorf("what exists differs from the state: %d changes", len(changes))
	}
	return nil
}

// whole checks that the stack is at the first entry, and says why not.
func (s *shop) whole(first string, password any) error {
	return s.wholeWith(first, password, len(many("")))
}

// wholeWith is whole for another number of resources.
func (s *shop) wholeWith(first string, password any, n int) error {
	if err := s.sound(); err != nil {
		return err
	}
	state := s.outputs()
	switch {
	case state["greeting"] != "hello":
		return fmt.Errorf("the configuration is of another entry: %v", state["greeting"])
	case state["password"] != password:
		return errors.New("the password is another one")
	case len(state) != n+1:
		return fmt.Errorf("there are %d outputs", len(state))
	}
	if newest := s.history()[0]; newest.Commit != first || !newest.Good() {
		return fmt.Errorf("the newest entry is of commit %s", newest.Commit)
	}
	return nil
}

func TestKilledRollbackIsContinued(t *testing.T) {
	onEveryBackend(t, func(t *testing.T, newShop func(t *testing.T) *shop) {
		laidOut := func(s *shop) bool {
			found, _ := filepath.Glob(filepath.Join(s.dir, ".slipway", "worktrees", "*", "shop.json"))
			return len(found) > 0
		}
		updating := func(s *shop) bool { return len(s.locks()) > 0 }
		for name, tc := range map[string]struct {
			reached        func(s *shop) bool
			helper, engine bool
		}{
			"the helper, with the worktree laid out": {laidOut, true, false},
			"the helper, while the engine updates":   {updating, true, false},
			"the engine":                             {updating, false, true},
			"both":                                   {updating, true, true},
		} {
			if onS3 := strings.HasSuffix(t.Name(), "/s3"); onS3 && !patient && (!tc.helper || !tc.engine) {
				continue // what is killed alone is the same wherever the state is kept
			}
			t.Run(name, func(t *testing.T) {
				s := newShop(t)
				first := s.release("one", many("1")...)
				want := s.outputs()["password"]
				s.greet("good evening")
				s.release("two", many("2")...)

				p := s.process()
				eventually(t, "the moment to kill", func() bool {
					for range 200 { // as often as can be: the moment is short
						if p.done() || tc.reached(s) {
							return true
						}
					}
					return false
				})
				require.False(t, p.done(), "the rollback ended before it could be killed: %v", p.err)
				p.kill(tc.helper, tc.engine)
				require.Error(t, p.err)
				_, err := s.to("1").Run(t.Context(), testWriter{t})
				require.NoError(t, err)
				require.NoError(t, s.whole(first, want))
			})
		}
	})
}

// importOld takes an old state for a new one, the naive way back.
func (s *shop) importOld() {
	s.t.Helper()
	entry := filepath.Join(os.Getenv("SLIPWAY_STATE"), "pulumi", ".pulumi", "history", "shop", "local", "*.checkpoint.json")
	found, err := filepath.Glob(entry)
	require.NoError(s.t, err)
	require.NotEmpty(s.t, found)
	raw, err := os.ReadFile(found[0])
	require.NoError(s.t, err)
	file := filepath.Join(s.t.TempDir(), "old.json")
	require.NoError(s.t, os.WriteFile(file, importable(s.t, raw), 0o600))
	s.pulumi("cancel", "--yes", "local")
	s.pulumi("stack", "import", "--force", "--stack", "local", "--file", file)
}
