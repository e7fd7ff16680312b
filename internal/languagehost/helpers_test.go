package languagehost

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// The tests should not take longer than they must, and a machine that is busy
// with others must not look like a program that is stuck.
func init() {
	healthInterval, grace, leftoverOutput = 50*time.Millisecond, 300*time.Millisecond, 2*time.Second
}

// write puts files, named by their slash-separated path, into a new directory
// and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	add(t, dir, files)
	return dir
}

func add(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
}

// prints is a program that prints text.
func prints(text string) map[string]string {
	return map[string]string{
		"go.mod":  "module example.test/program\n\ngo 1.24\n",
		"main.go": "package main\n\nfunc main() { print(\"" + text + "\") }\n",
	}
}

// spyOnGo puts a go command first on PATH that notes its first argument, and
// then does what script says before the real one runs. The returned function
// lists what was noted since it was last called.
func spyOnGo(t *testing.T, script string) func() []string {
	t.Helper()
	real, err := exec.LookPath("go")
	require.NoError(t, err)
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	body := "#!/bin/sh\necho \"$1\" >>" + log + "\n" + script + "\nexec " + real + " \"$@\"\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte(body), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() []string {
		content, err := os.ReadFile(log)
		if err != nil {
			return nil
		}
		require.NoError(t, os.Remove(log))
		return strings.Fields(string(content))
	}
}

func output(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command(path).CombinedOutput()
	require.NoError(t, err)
	return string(out)
}

// engine is an engine that only listens to log messages.
type engine struct {
	pulumirpc.UnimplementedEngineServer
	mu   sync.Mutex
	said []*pulumirpc.LogRequest
}

func (e *engine) Log(_ context.Context, req *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said = append(e.said, req)
	return &emptypb.Empty{}, nil
}

// errors are the error messages so far.
func (e *engine) errors() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var messages []string
	for _, req := range e.said {
		if req.GetSeverity() == pulumirpc.LogSeverity_ERROR {
			messages = append(messages, req.GetMessage())
		}
	}
	return messages
}

func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer()
	register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// newHost returns a host, a client of it over a real connection, and the
// engine it works for. What programs print goes to the returned builder.
func newHost(t *testing.T) (*Host, pulumirpc.LanguageRuntimeClient, *engine, *safeBuffer) {
	t.Helper()
	e := &engine{}
	address := serve(t, func(s *grpc.Server) { pulumirpc.RegisterEngineServer(s, e) })
	ctx, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	host := New(ctx, end, address, t.TempDir())
	printed := &safeBuffer{}
	host.stdout, host.stderr = printed, printed
	own := serve(t, func(s *grpc.Server) { pulumirpc.RegisterLanguageRuntimeServer(s, host) })
	conn, err := grpc.NewClient(own, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return host, pulumirpc.NewLanguageRuntimeClient(conn), e, printed
}

// safeBuffer may be written to and read at the same time.
type safeBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func info(t *testing.T, dir string, options map[string]any) *pulumirpc.ProgramInfo {
	t.Helper()
	fields, err := structpb.NewStruct(options)
	require.NoError(t, err)
	return &pulumirpc.ProgramInfo{RootDirectory: dir, ProgramDirectory: dir, EntryPoint: ".", Options: fields}
}
