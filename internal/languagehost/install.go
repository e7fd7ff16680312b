package languagehost

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// InstallDependencies fetches what the program needs by compiling it into the
// cache. It does not touch go.mod: which versions a program uses is decided by
// whoever commits that file.
func (h *Host) InstallDependencies(req *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer) error {
	ctx, done := h.operation(stream.Context())
	defer done()
	closer, stdout, _, err := rpcutil.MakeInstallDependenciesStreams(
		&lockedStream[pulumirpc.InstallDependenciesResponse]{ServerStreamingServer: stream}, false)
	if err != nil {
		return fmt.Errorf("passing on output: %w", err)
	}
	o, err := parseOptions(req.GetInfo())
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	if o.binary != "" {
		return closer.Close()
	}
	say := func(message string) { _, _ = fmt.Fprintln(stdout, message) }
	say("Compiling the program and what it depends on ...")
	_, err = h.builder.Build(ctx, req.GetInfo().GetProgramDirectory(), o.target, say)
	if err != nil {
		return status.Error(codes.FailedPrecondition, errors.Join(err, closer.Close()).Error())
	}
	say("Dependencies are installed.")
	return closer.Close()
}
