package languagehost

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// options are what Pulumi.yaml says under runtime.options.
type options struct {
	// binary is a program that is already compiled: a path, relative to the
	// program's or the project's directory, or a name on PATH.
	binary string
	// target is where to compile to, relative to the program's directory.
	target string
}

func parseOptions(info *pulumirpc.ProgramInfo) (options, error) {
	var o options
	fields := info.GetOptions().AsMap()
	for name, into := range map[string]*string{"binary": &o.binary, "buildTarget": &o.target} {
		value, ok := fields[name]
		if !ok {
			continue
		}
		text, ok := value.(string)
		if !ok {
			return options{}, fmt.Errorf("runtime.options.%s in Pulumi.yaml is %v, must be a string", name, value)
		}
		*into = text
	}
	if o.binary != "" && o.target != "" {
		return options{}, errors.New("runtime.options in Pulumi.yaml has both binary and buildTarget; the first says there is nothing to build, so remove one")
	}
	return o, nil
}

// findBinary returns the absolute path of a program that needs no compiling.
func findBinary(name string, info *pulumirpc.ProgramInfo) (string, error) {
	if filepath.IsAbs(name) {
		return runnable(name)
	}
	var tried []string
	for _, dir := range []string{info.GetProgramDirectory(), info.GetRootDirectory()} {
		if dir == "" {
			continue
		}
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return runnable(path)
		}
		tried = append(tried, path)
	}
	if path, err := exec.LookPath(name); err == nil {
		return filepath.Abs(path)
	}
	return "", fmt.Errorf("runtime.options.binary in Pulumi.yaml names %q, which is not on PATH and not at %q; build it first or remove the option", name, tried)
}

func runnable(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("runtime.options.binary in Pulumi.yaml: %w; build it first or remove the option", err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return "", fmt.Errorf("runtime.options.binary in Pulumi.yaml names %s, which is not an executable file", path)
	}
	return path, nil
}
