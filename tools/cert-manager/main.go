// Command cert-manager holds cert-manager's three long-running programs in one
// binary: controller, webhook and cainjector. The name it is called by, or else
// its first argument, decides which one runs.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	cainjector "github.com/cert-manager/cert-manager/cmd/cainjector/app"
	controller "github.com/cert-manager/cert-manager/cmd/controller/app"
	"github.com/cert-manager/cert-manager/cmd/util"
	webhook "github.com/cert-manager/cert-manager/cmd/webhook/app"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/spf13/cobra"
	ctrl "sigs.k8s.io/controller-runtime"
)

// programs builds the command of each program. Each registers flags in
// process-wide places, so only the one asked for may be built.
var programs = map[string]func(stop <-chan struct{}) *cobra.Command{
	"controller": controller.NewCommandStartCertManagerController,
	"webhook":    webhook.NewServerCommand,
	"cainjector": func(stop <-chan struct{}) *cobra.Command {
		ctrl.SetLogger(logf.Log)
		return cainjector.NewCommandStartInjectorController(
			util.ContextWithStopCh(context.Background(), stop), os.Stdout, os.Stderr)
	},
}

// choose returns the program to run and the arguments that are its own.
func choose(args []string) (program string, rest []string, ok bool) {
	name := strings.TrimPrefix(filepath.Base(args[0]), "cert-manager-")
	if _, ok := programs[name]; ok {
		return name, args[1:], true
	}
	if len(args) > 1 {
		name = strings.TrimPrefix(args[1], "cert-manager-")
		if _, ok := programs[name]; ok {
			return name, args[2:], true
		}
	}
	return "", nil, false
}

func main() {
	program, args, ok := choose(os.Args)
	if !ok {
		fmt.Fprintln(os.Stderr, "cert-manager: name a program first: controller, webhook or cainjector")
		os.Exit(2)
	}
	stop, exit := util.SetupExitHandler(util.GracefulShutdown)
	defer exit() // May call os.Exit, so it is deferred first and runs last.

	logf.InitLogs(flag.CommandLine)
	defer logf.FlushLogs()

	cmd := programs[program](stop)
	cmd.Flags().AddGoFlagSet(flag.CommandLine)
	cmd.SetArgs(args)
	// The flags belong to cmd; parsing nothing marks the Go set as parsed,
	// without which glog-style libraries complain on every line.
	_ = flag.CommandLine.Parse(nil)
	if err := cmd.Execute(); err != nil {
		logf.Log.Error(err, "error while executing", "program", program)
		util.SetExitCode(err)
	}
}
