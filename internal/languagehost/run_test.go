package languagehost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// script makes an executable file with a shell script.
func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755))
	return path
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 600 {
		if done() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("waited a minute for %s", what)
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}

func TestRunReportsHowAProgramEnded(t *testing.T) {
	tests := map[string]struct {
		body string
		want *pulumirpc.RunResponse
	}{
		"well":                {"exit 0", &pulumirpc.RunResponse{}},
		"having told why not": {"exit 32", &pulumirpc.RunResponse{Bail: true}},
		"badly":               {"exit 7", &pulumirpc.RunResponse{Error: "program exited with code 7"}},
		"by a signal":         {"kill -9 $$", &pulumirpc.RunResponse{Error: "program was ended by a signal: killed"}},
	}
	_, client, engine, _ := newHost(t)
	for title, test := range tests {
		got, err := client.Run(context.Background(), &pulumirpc.RunRequest{
			Info: info(t, t.TempDir(), map[string]any{"binary": script(t, test.body)}),
		})
		require.NoError(t, err, title)
		assert.Equal(t, test.want.GetError(), got.GetError(), title)
		assert.Equal(t, test.want.GetBail(), got.GetBail(), title)
	}
	assert.Empty(t, engine.errors())
}

func TestRunPassesEverythingOn(t *testing.T) {
	t.Setenv("INHERITED", "yes")
	host, client, _, printed := newHost(t)
	pwd := t.TempDir()
	_, err := client.Run(context.Background(), &pulumirpc.RunRequest{
		Project: "p", Stack: "s", Organization: "o", Pwd: pwd, DryRun: true, Parallel: 5, MonitorAddress: "1.2.3.4:5",
		Config: map[string]string{"p:key": `va"lue`}, ConfigSecretKeys: []string{"p:key"},
		Info: info(t, pwd, map[string]any{"binary": script(t, "pwd; echo to stderr >&2; env | grep -E '^(PULUMI|INHERITED)'")}),
	})
	require.NoError(t, err)
	for _, line := range []string{
		pwd, "to stderr", "INHERITED=yes", "PULUMI_PROJECT=p", "PULUMI_STACK=s", "PULUMI_ORGANIZATION=o", "PULUMI_DRY_RUN=true",
		"PULUMI_PARALLEL=5", "PULUMI_MONITOR=1.2.3.4:5", "PULUMI_ENGINE=" + host.engineAddress(), "PULUMI_ROOT_DIRECTORY=" + pwd,
		`PULUMI_CONFIG={"p:key":"va\"lue"}`, `PULUMI_CONFIG_SECRET_KEYS=["p:key"]`,
	} {
		assert.Contains(t, strings.Split(printed.String(), "\n"), line)
	}
}

func TestRunCompilesAndHonoursBuildTarget(t *testing.T) {
	_, client, _, printed := newHost(t)
	dir := write(t, prints("compiled"))
	for _, options := range []map[string]any{nil, {"buildTarget": "out/program"}} {
		response, err := client.Run(context.Background(), &pulumirpc.RunRequest{Info: info(t, dir, options), Pwd: dir})
		require.NoError(t, err)
		assert.Empty(t, response.GetError())
	}
	assert.Equal(t, "compiledcompiled", printed.String())
	assert.FileExists(t, filepath.Join(dir, "out", "program"))
}

// The engine calls errors of Run unhandled; what the user did wrong is told as
// a message, once.
func TestRunTellsTheEngineWhatIsWrong(t *testing.T) {
	dir := write(t, map[string]string{"main.go": "package main\n\nfunc main() { nonsense() }\n", "go.mod": prints("")["go.mod"], "text": ""})
	for title, test := range map[string]struct {
		options map[string]any
		want    string
	}{
		"fault":     {nil, "undefined: nonsense"},
		"missing":   {map[string]any{"binary": "no-such-program"}, `names "no-such-program", which is not on PATH and not at ["` + dir},
		"not there": {map[string]any{"binary": "/no/such/program"}, "/no/such/program: no such file or directory; build it first"},
		"text":      {map[string]any{"binary": "text"}, "which is not an executable file"},
		"both":      {map[string]any{"binary": "a", "buildTarget": "b"}, "has both binary and buildTarget"},
		"type":      {map[string]any{"binary": 3}, "runtime.options.binary in Pulumi.yaml is 3, must be a string"},
	} {
		t.Run(title, func(t *testing.T) {
			_, client, engine, _ := newHost(t)
			response, err := client.Run(context.Background(), &pulumirpc.RunRequest{Info: info(t, dir, test.options)})
			require.NoError(t, err)
			assert.True(t, response.GetBail())
			assert.Empty(t, response.GetError())
			require.Len(t, engine.errors(), 1)
			assert.Contains(t, engine.errors()[0], test.want)
		})
	}
}

func TestBinaryIsFoundWhereItMayBe(t *testing.T) {
	root := t.TempDir()
	program := filepath.Join(root, "program")
	onPath := filepath.Dir(script(t, ""))
	for _, path := range []string{filepath.Join(program, "bin", "one"), filepath.Join(root, "two"), filepath.Join(onPath, "three")} {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o755))
	}
	t.Setenv("PATH", onPath)
	at := &pulumirpc.ProgramInfo{RootDirectory: root, ProgramDirectory: program}
	for name, want := range map[string]string{
		"bin/one": filepath.Join(program, "bin", "one"), "two": filepath.Join(root, "two"),
		"three": filepath.Join(onPath, "three"), filepath.Join(root, "two"): filepath.Join(root, "two"),
	} {
		got, err := findBinary(name, at)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
}

// tree is a program that writes its own and its child's process IDs to
// $PIDS and then waits; both ignore interrupts if deaf.
func tree(t *testing.T, deaf bool) (program string, pids func() []int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pids")
	trap := ""
	if deaf {
		trap = "trap '' INT\n"
	}
	program = script(t, trap+"sleep 3600 & echo $$ $! >"+path+".partial; mv "+path+".partial "+path+"; wait; sleep 3600")
	return program, func() []int {
		var parent, child int
		eventually(t, "the program to start", func() bool {
			content, err := os.ReadFile(path)
			if err != nil {
				return false
			}
			_, err = fmt.Sscan(string(content), &parent, &child)
			return err == nil
		})
		return []int{parent, child}
	}
}

func TestNothingOutlivesItsCall(t *testing.T) {
	type started struct {
		host   *Host
		client pulumirpc.LanguageRuntimeClient
		cancel context.CancelFunc
	}
	for title, end := range map[string]func(started){
		"the call is given up": func(s started) { s.cancel() },
		"the host is told to": func(s started) {
			_, err := s.client.Cancel(context.Background(), &emptypb.Empty{})
			assert.NoError(t, err)
		},
		"the host ends": func(s started) { s.host.cancel() },
	} {
		for _, deaf := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, deaf %t", title, deaf), func(t *testing.T) {
				host, client, _, _ := newHost(t)
				program, pids := tree(t, deaf)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				failed := make(chan bool, 2)
				go func() {
					response, err := client.Run(ctx, &pulumirpc.RunRequest{Info: info(t, t.TempDir(), map[string]any{"binary": program})})
					failed <- err != nil || response.GetError() != ""
				}()
				processes := pids()
				require.True(t, alive(processes[0]) && alive(processes[1]))
				end(started{host, client, cancel})
				for _, pid := range processes {
					eventually(t, "a process to end", func() bool { return !alive(pid) })
				}
				assert.True(t, <-failed, "the call reports success")
			})
		}
	}
}

// A program that is told to end may finish what it is doing.
func TestProgramsAreAskedBeforeTheyAreKilled(t *testing.T) {
	short := grace
	grace = time.Minute
	t.Cleanup(func() { grace = short })
	_, client, _, _ := newHost(t)
	dir := t.TempDir()
	started, farewell := filepath.Join(dir, "started"), filepath.Join(dir, "farewell")
	program := script(t, "trap 'echo >"+farewell+"; exit' INT\necho >"+started+"\nwhile :; do sleep 0.01; done")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = client.Run(ctx, &pulumirpc.RunRequest{Info: info(t, dir, map[string]any{"binary": program})})
	}()
	eventually(t, "the program to start", func() bool { _, err := os.Stat(started); return err == nil })
	cancel()
	<-ended
	eventually(t, "the farewell", func() bool { _, err := os.Stat(farewell); return err == nil })
}

// A program that ends leaves no children behind, and a child that keeps the
// output open does not hold up the call.
func TestChildrenOfAnEndedProgramEnd(t *testing.T) {
	_, client, _, printed := newHost(t)
	path := filepath.Join(t.TempDir(), "pid")
	response, err := client.Run(context.Background(), &pulumirpc.RunRequest{
		Info: info(t, t.TempDir(), map[string]any{"binary": script(t, "sleep 3600 & echo $! >"+path+"; echo done")}),
	})
	require.NoError(t, err)
	assert.Empty(t, response.GetError())
	assert.Equal(t, "done\n", printed.String())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var child int
	_, err = fmt.Sscan(string(content), &child)
	require.NoError(t, err)
	eventually(t, "the child to end", func() bool { return !alive(child) })
}

func TestRunPlugin(t *testing.T) {
	_, client, _, _ := newHost(t)
	files := prints("")
	files["main.go"] = `package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Println("out", os.Args[1:], os.Getenv("ONLY"), len(os.Environ()))
	fmt.Fprintln(os.Stderr, "err")
	if len(os.Args) > 2 {
		os.Exit(9)
	}
}
`
	dir := write(t, files)
	for _, test := range []struct {
		args []string
		code int32
	}{{[]string{"a"}, 0}, {[]string{"a", "b"}, 9}} {
		stream, err := client.RunPlugin(context.Background(), &pulumirpc.RunPluginRequest{
			Pwd: dir, Args: test.args, Env: []string{"ONLY=this"}, Info: info(t, dir, nil), Kind: "analyzer",
		})
		require.NoError(t, err)
		var stdout, stderr string
		var code int32
		for {
			message, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			stdout += string(message.GetStdout())
			stderr += string(message.GetStderr())
			code += message.GetExitcode()
		}
		assert.Equal(t, fmt.Sprintf("out %v this 1\n", test.args), stdout)
		assert.Equal(t, "err\n", stderr)
		assert.Equal(t, test.code, code)
	}
}

func TestRunPluginThatDoesNotCompile(t *testing.T) {
	_, client, _, _ := newHost(t)
	dir := write(t, map[string]string{"main.go": "package main\n\nfunc main() { nonsense() }\n", "go.mod": prints("")["go.mod"]})
	stream, err := client.RunPlugin(context.Background(), &pulumirpc.RunPluginRequest{Info: info(t, dir, nil)})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.Error(t, err)
	assert.Contains(t, err.Error(), "undefined: nonsense")
}

func TestPluginEndsWithItsCall(t *testing.T) {
	_, client, _, _ := newHost(t)
	program, pids := tree(t, false)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err := client.RunPlugin(ctx, &pulumirpc.RunPluginRequest{
		Env: os.Environ(), Info: info(t, t.TempDir(), map[string]any{"binary": program}),
	})
	require.NoError(t, err)
	processes := pids()
	cancel()
	for _, pid := range processes {
		eventually(t, "a process to end", func() bool { return !alive(pid) })
	}
}

func TestHostEndsWithItsEngine(t *testing.T) {
	for title, interrupted := range map[string]bool{"killed": false, "interrupted, then killed": true} {
		t.Run(title, func(t *testing.T) {
			ended := make(chan struct{})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			host := New(ctx, func() { close(ended) }, "127.0.0.1:1", t.TempDir()) // nobody listens there
			if interrupted {
				_, err := host.Cancel(ctx, nil)
				require.NoError(t, err)
			}
			select {
			case <-ended:
			case <-time.After(time.Minute):
				t.Fatal("the host still waits for an engine that is gone")
			}
		})
	}
}

func TestRunNeedsAnEngine(t *testing.T) {
	host := New(context.Background(), func() {}, "", t.TempDir())
	_, err := host.Run(context.Background(), &pulumirpc.RunRequest{})
	assert.Equal(t, codes.FailedPrecondition, status.Code(err))
	_, err = host.Handshake(context.Background(), &pulumirpc.LanguageHandshakeRequest{})
	assert.Equal(t, codes.InvalidArgument, status.Code(err))
	_, err = host.Handshake(context.Background(), &pulumirpc.LanguageHandshakeRequest{EngineAddress: "127.0.0.1:2"})
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:2", host.engineAddress())
	host.cancel()
}

func TestWhatIsNotOfferedSaysWhereToGetIt(t *testing.T) {
	_, client, _, _ := newHost(t)
	ctx := context.Background()
	for title, call := range map[string]func() error{
		"program": func() error {
			_, err := client.GenerateProgram(ctx, &pulumirpc.GenerateProgramRequest{})
			return err
		},
		"project": func() error {
			_, err := client.GenerateProject(ctx, &pulumirpc.GenerateProjectRequest{})
			return err
		},
		"package": func() error {
			_, err := client.GeneratePackage(ctx, &pulumirpc.GeneratePackageRequest{})
			return err
		},
		"pack":  func() error { _, err := client.Pack(ctx, &pulumirpc.PackRequest{}); return err },
		"link":  func() error { _, err := client.Link(ctx, &pulumirpc.LinkRequest{}); return err },
		"debug": func() error { _, err := client.Run(ctx, &pulumirpc.RunRequest{AttachDebugger: true}); return err },
	} {
		err := call()
		assert.Equal(t, codes.Unimplemented, status.Code(err), title)
		assert.Contains(t, err.Error(), "Install the official Pulumi release", title)
	}
}

func TestAbout(t *testing.T) {
	_, client, _, _ := newHost(t)
	about, err := client.About(context.Background(), &pulumirpc.AboutRequest{Info: info(t, t.TempDir(), nil)})
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(about.GetVersion(), "go version go1."), about.GetVersion())
	assert.True(t, filepath.IsAbs(about.GetExecutable()))
	prompts, err := client.RuntimeOptionsPrompts(context.Background(), &pulumirpc.RuntimeOptionsRequest{})
	require.NoError(t, err)
	assert.Empty(t, prompts.GetPrompts())
}

func TestInstallDependenciesCompilesAndLeavesGoModAlone(t *testing.T) {
	_, client, _, _ := newHost(t)
	dir := write(t, prints("one"))
	calls := spyOnGo(t, "")
	stream, err := client.InstallDependencies(context.Background(), &pulumirpc.InstallDependenciesRequest{Info: info(t, dir, nil)})
	require.NoError(t, err)
	var said string
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		said += string(message.GetStdout())
	}
	assert.Contains(t, said, "Dependencies are installed.")
	assert.Contains(t, calls(), "build")
	content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	assert.Equal(t, prints("")["go.mod"], string(content))
}
