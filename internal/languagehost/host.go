package languagehost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// healthInterval is how often the engine is asked whether it is still there.
// An engine that was killed cannot end its language host.
var healthInterval = 5 * time.Second

// Host answers one engine. Make it with New.
type Host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	// end ends the process that serves this host.
	end context.CancelFunc
	// stdout and stderr are what programs write to; the engine reads them.
	stdout, stderr io.Writer
	builder        Builder

	// life ends with the host, ctx also with Cancel: an engine that was
	// interrupted may still be killed.
	life context.Context

	mu     sync.Mutex
	ctx    context.Context
	cancel context.CancelFunc
	engine string
}

// New returns a host that compiles into the directory cache and whose
// operations end when ctx does. The engine's address may be empty until
// Handshake brings it. end is called when the engine is gone.
func New(ctx context.Context, end context.CancelFunc, engine, cache string) *Host {
	h := &Host{life: ctx, end: end, stdout: os.Stdout, stderr: os.Stderr, builder: Builder{Cache: cache}}
	h.ctx, h.cancel = context.WithCancel(ctx)
	if engine != "" {
		h.watch(engine)
	}
	return h
}

// watch makes engine the one that this host works for and lives with.
func (h *Host) watch(engine string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.engine == engine {
		return
	}
	h.engine = engine
	// The error is about the address's syntax; calls to it will report that.
	_ = rpcutil.Healthcheck(h.life, engine, healthInterval, h.end)
}

func (h *Host) engineAddress() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.engine
}

// operation returns a context that ends with the call and with the host.
func (h *Host) operation(call context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(call)
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// Handshake takes the engine's address when the engine did not start the host.
func (h *Host) Handshake(_ context.Context, req *pulumirpc.LanguageHandshakeRequest) (*pulumirpc.LanguageHandshakeResponse, error) {
	if req.GetEngineAddress() == "" {
		return nil, status.Error(codes.InvalidArgument, "shaking hands: the engine did not say its address")
	}
	h.watch(req.GetEngineAddress())
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// Cancel ends what is running; those calls return an error.
func (h *Host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.cancel()
	return &emptypb.Empty{}, nil
}

// GetPluginInfo reports the version of the Pulumi SDK this host was built with.
func (*Host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: sdkVersion()}, nil
}

func sdkVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/pulumi/pulumi/sdk/v3" {
				return strings.TrimPrefix(dep.Version, "v")
			}
		}
	}
	return ""
}

// About reports which go command programs are compiled with.
func (h *Host) About(ctx context.Context, req *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	goTool, err := findGo()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, goTool, "version")
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", goTool, err)
	}
	return &pulumirpc.AboutResponse{
		Executable: goTool,
		Version:    strings.TrimSpace(string(out)),
		Metadata:   map[string]string{"host": "slipway", "sdk": sdkVersion()},
	}, nil
}

// RuntimeOptionsPrompts has nothing to ask during pulumi new.
func (*Host) RuntimeOptionsPrompts(context.Context, *pulumirpc.RuntimeOptionsRequest) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

// GenerateProgram is not offered.
func (*Host) GenerateProgram(context.Context, *pulumirpc.GenerateProgramRequest) (*pulumirpc.GenerateProgramResponse, error) {
	return nil, notOffered("generate programs")
}

// GenerateProject is not offered.
func (*Host) GenerateProject(context.Context, *pulumirpc.GenerateProjectRequest) (*pulumirpc.GenerateProjectResponse, error) {
	return nil, notOffered("generate projects")
}

// GeneratePackage is not offered.
func (*Host) GeneratePackage(context.Context, *pulumirpc.GeneratePackageRequest) (*pulumirpc.GeneratePackageResponse, error) {
	return nil, notOffered("generate SDKs")
}

// Pack is not offered.
func (*Host) Pack(context.Context, *pulumirpc.PackRequest) (*pulumirpc.PackResponse, error) {
	return nil, notOffered("pack SDKs")
}

// Link is not offered.
func (*Host) Link(context.Context, *pulumirpc.LinkRequest) (*pulumirpc.LinkResponse, error) {
	return nil, notOffered("link SDKs")
}

func notOffered(what string) error {
	return status.Errorf(codes.Unimplemented,
		"Slipway's Go language host runs programs and policy packs; it does not %s. Install the official Pulumi release for that", what)
}

// findGo returns the go command.
func findGo() (string, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("finding the go command: %w; install Go and put it on PATH", err)
	}
	return goTool, nil
}

// tell sends the engine a message for the user. Status messages are replaced
// by the next one and do not stay on the screen.
func (h *Host) tell(ctx context.Context, severity pulumirpc.LogSeverity, message string, status bool) error {
	address := h.engineAddress()
	if address == "" {
		return errors.New("telling the engine: its address is not known")
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return fmt.Errorf("connecting to the engine at %s: %w", address, err)
	}
	defer func() { _ = conn.Close() }()
	_, err = pulumirpc.NewEngineClient(conn).Log(ctx, &pulumirpc.LogRequest{
		Severity: severity, Message: message, Ephemeral: status,
	})
	if err != nil {
		return fmt.Errorf("telling the engine: %w", err)
	}
	return nil
}
