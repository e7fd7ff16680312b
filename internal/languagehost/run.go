package languagehost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Run compiles the program if need be and runs it to its end.
func (h *Host) Run(call context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	ctx, done := h.operation(call)
	defer done()
	if h.engineAddress() == "" {
		return nil, status.Error(codes.FailedPrecondition, "running a program: the engine did not say its address")
	}
	if req.GetAttachDebugger() {
		return nil, notOffered("attach a debugger")
	}
	program, err := h.program(ctx, req.GetInfo())
	if err != nil {
		return h.failed(ctx, err), nil
	}
	env, err := programEnv(req, h.engineAddress())
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program)
	cmd.Dir = req.GetPwd()
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = h.stdout, h.stderr
	result, err := runTree(ctx, cmd)
	if err != nil {
		return h.failed(ctx, err), nil
	}
	return response(result), nil
}

// response tells the engine how a program ended.
func response(result outcome) *pulumirpc.RunResponse {
	switch result {
	case outcome{}:
		return &pulumirpc.RunResponse{}
	case outcome{code: constant.ExitStatusLoggedError}:
		// The SDK has told the engine about the error; saying it again would
		// only hide it.
		return &pulumirpc.RunResponse{Bail: true}
	default:
		return &pulumirpc.RunResponse{Error: "program " + result.String()}
	}
}

// failed reports an error that kept the program from running. Told as a log
// message it reads as what it is; the engine calls errors of Run unhandled.
func (h *Host) failed(ctx context.Context, err error) *pulumirpc.RunResponse {
	if ctx.Err() == nil && h.tell(ctx, pulumirpc.LogSeverity_ERROR, err.Error(), false) == nil {
		return &pulumirpc.RunResponse{Bail: true}
	}
	return &pulumirpc.RunResponse{Error: err.Error()}
}

// program returns the executable that Pulumi.yaml asks for.
func (h *Host) program(ctx context.Context, info *pulumirpc.ProgramInfo) (string, error) {
	o, err := parseOptions(info)
	if err != nil {
		return "", err
	}
	if o.binary != "" {
		return findBinary(o.binary, info)
	}
	return h.builder.Build(ctx, info.GetProgramDirectory(), o.target, func(message string) {
		_ = h.tell(ctx, pulumirpc.LogSeverity_INFO, message, true)
	})
}

// programEnv is how the SDK in a program learns what to do.
func programEnv(req *pulumirpc.RunRequest, engine string) ([]string, error) {
	config, err := json.Marshal(req.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("passing on the configuration: %w", err)
	}
	secret := req.GetConfigSecretKeys()
	if secret == nil {
		secret = []string{}
	}
	secretKeys, err := json.Marshal(secret)
	if err != nil {
		return nil, fmt.Errorf("passing on the names of secrets: %w", err)
	}
	env := os.Environ()
	for _, variable := range []struct{ name, value string }{
		{pulumi.EnvOrganization, req.GetOrganization()},
		{pulumi.EnvProject, req.GetProject()},
		{pulumi.EnvPulumiRootDirectory, req.GetInfo().GetRootDirectory()},
		{pulumi.EnvStack, req.GetStack()},
		{pulumi.EnvConfig, string(config)},
		{pulumi.EnvConfigSecretKeys, string(secretKeys)},
		{pulumi.EnvDryRun, strconv.FormatBool(req.GetDryRun())},
		{pulumi.EnvParallel, strconv.Itoa(int(req.GetParallel()))},
		{pulumi.EnvMonitor, req.GetMonitorAddress()},
		{pulumi.EnvEngine, engine},
	} {
		if variable.value != "" {
			env = append(env, variable.name+"="+variable.value)
		}
	}
	return env, nil
}

// RunPlugin compiles and runs a plugin, such as a policy pack, passing its
// output on until it ends.
func (h *Host) RunPlugin(req *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer) error {
	ctx, done := h.operation(stream.Context())
	defer done()
	if req.GetAttachDebugger() {
		return notOffered("attach a debugger")
	}
	program, err := h.program(ctx, req.GetInfo())
	if err != nil {
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(&lockedStream[pulumirpc.RunPluginResponse]{ServerStreamingServer: stream}, false)
	if err != nil {
		return fmt.Errorf("passing on a plugin's output: %w", err)
	}
	cmd := exec.Command(program, req.GetArgs()...)
	cmd.Dir = req.GetPwd()
	cmd.Env = req.GetEnv()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	result, err := runTree(ctx, cmd)
	if err := errors.Join(err, closer.Close()); err != nil {
		return err
	}
	if result == (outcome{}) {
		return nil
	}
	if result.signal != "" {
		return status.Error(codes.Unknown, "the plugin "+result.String())
	}
	return stream.Send(&pulumirpc.RunPluginResponse{
		Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(result.code)}, //nolint:gosec // an exit code
	})
}
