package languagehost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// goModule is a required module, as go list describes it.
type goModule struct {
	Path, Version string
	// Dir is where its files are, or those of its replacement; empty when they
	// were not downloaded.
	Dir string
}

// GetRequiredPackages reports the plugins that the SDKs in the program's go.mod
// stand for. Nothing is downloaded to find out.
func (h *Host) GetRequiredPackages(call context.Context, req *pulumirpc.GetRequiredPackagesRequest) (*pulumirpc.GetRequiredPackagesResponse, error) {
	ctx, done := h.operation(call)
	defer done()
	dir := req.GetInfo().GetProgramDirectory()
	mod, err := loadModFile(dir)
	if errors.Is(err, errNoModule) {
		// A prebuilt program may come without its sources.
		return &pulumirpc.GetRequiredPackagesResponse{}, nil
	}
	if err != nil {
		return nil, err
	}
	modules, err := listModules(ctx, mod)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetRequiredPackagesResponse{}
	for _, m := range modules {
		pkg, err := m.plugin()
		if err != nil {
			return nil, err
		}
		if pkg != nil {
			response.Packages = append(response.Packages, pkg)
		}
	}
	return response, nil
}

// GetRequiredPlugins is how engines asked before GetRequiredPackages.
func (h *Host) GetRequiredPlugins(ctx context.Context, req *pulumirpc.GetRequiredPluginsRequest) (*pulumirpc.GetRequiredPluginsResponse, error) {
	packages, err := h.GetRequiredPackages(ctx, &pulumirpc.GetRequiredPackagesRequest{Info: req.GetInfo()})
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetRequiredPluginsResponse{}
	for _, p := range packages.GetPackages() {
		response.Plugins = append(response.Plugins, &pulumirpc.PluginDependency{
			Name: p.GetName(), Kind: p.GetKind(), Version: p.GetVersion(), Server: p.GetServer(),
		})
	}
	return response, nil
}

// GetProgramDependencies reports what go.mod requires; a replaced module has
// no version.
func (h *Host) GetProgramDependencies(_ context.Context, req *pulumirpc.GetProgramDependenciesRequest) (*pulumirpc.GetProgramDependenciesResponse, error) {
	mod, err := loadModFile(req.GetInfo().GetProgramDirectory())
	if err != nil {
		return nil, err
	}
	replaced := map[string]bool{}
	for _, r := range mod.Replace {
		replaced[r.Old.Path] = true
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, required := range mod.Require {
		if required.Indirect && !req.GetTransitiveDependencies() {
			continue
		}
		dependency := &pulumirpc.DependencyInfo{Name: required.Mod.Path, Version: required.Mod.Version}
		if replaced[required.Mod.Path] {
			dependency.Version = ""
		}
		response.Dependencies = append(response.Dependencies, dependency)
	}
	return response, nil
}

var errNoModule = errors.New("there is no go.mod in it or above it")

// loadModFile reads the go.mod that governs dir.
func loadModFile(dir string) (*modfile.File, error) {
	for at := dir; ; at = filepath.Dir(at) {
		path := filepath.Join(at, "go.mod")
		content, err := os.ReadFile(path)
		switch {
		case err == nil:
			mod, err := modfile.ParseLax(path, content, nil)
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", path, err)
			}
			// ParseLax leaves out what only the main module may say.
			if strict, err := modfile.Parse(path, content, nil); err == nil {
				mod = strict
			}
			return mod, nil
		case !errors.Is(err, os.ErrNotExist):
			return nil, fmt.Errorf("reading the program's module: %w", err)
		case filepath.Dir(at) == at:
			return nil, fmt.Errorf("reading the module of %s: %w", dir, errNoModule)
		}
	}
}

// listModules finds the files of the modules that mod requires. Those that are
// not on this machine have no Dir.
func listModules(ctx context.Context, mod *modfile.File) ([]goModule, error) {
	if len(mod.Require) == 0 {
		return nil, nil
	}
	goTool, err := findGo()
	if err != nil {
		return nil, err
	}
	root := filepath.Dir(mod.Syntax.Name)
	args := []string{"list", "-mod=readonly", "-m", "-e", "-json=Path,Version,Dir"}
	for _, required := range mod.Require {
		args = append(args, required.Mod.Path)
	}
	cmd := exec.CommandContext(ctx, goTool, args...)
	cmd.Dir = root
	// A workspace would widen the list; without a proxy nothing is fetched.
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off")
	out, err := cmd.Output()
	if err != nil {
		// No module graph: fall back to what go.mod says by itself.
		out = nil
	}
	found := map[string]goModule{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var m goModule
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading the output of go list: %w", err)
		}
		found[m.Path] = m
	}
	modules := make([]goModule, 0, len(mod.Require))
	for _, required := range mod.Require {
		m, ok := found[required.Mod.Path]
		if !ok {
			m = goModule{Path: required.Mod.Path, Version: required.Mod.Version}
		}
		if vendored := filepath.Join(root, "vendor", m.Path); m.Dir == "" && isDir(vendored) {
			m.Dir = vendored
		}
		modules = append(modules, m)
	}
	return modules, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// official SDKs without a pulumi-plugin.json are known by this path.
const sdkPrefix = "github.com/pulumi/pulumi-"

// plugin returns the plugin that the module needs, or nil if it needs none.
func (m goModule) plugin() (*pulumirpc.PackageDependency, error) {
	described, err := m.describedPlugin()
	if err != nil {
		return nil, err
	}
	if described == nil && !m.sdk() || described != nil && !described.Resource {
		return nil, nil
	}
	p := &pulumirpc.PackageDependency{Kind: "resource", Version: m.Version}
	if rest, ok := strings.CutPrefix(m.Path, sdkPrefix); ok {
		p.Name, _, _ = strings.Cut(rest, "/")
	}
	if described != nil {
		p.Server = described.Server
		if described.Name != "" {
			p.Name = described.Name
		}
		if described.Version != "" {
			p.Version = described.Version
		}
		p.Parameterization = parameterization(described.Parameterization)
		p.Extension = parameterization(described.ExtensionParameterization)
	}
	if p.Version, err = release(p.Version); err != nil || p.Name == "" {
		// Nothing that the engine could look for; it will say what is missing
		// when the program asks for a resource of it.
		return nil, nil //nolint:nilerr // see above
	}
	return p, nil
}

// sdk tells by its path whether the module is one of Pulumi's own SDKs. Their
// repositories hold other modules too, so the path must lead to sdk.
func (m goModule) sdk() bool {
	rest, ok := strings.CutPrefix(m.Path, sdkPrefix)
	return ok && strings.Contains(rest, "/sdk")
}

func parameterization(p *plugin.PulumiParameterizationJSON) *pulumirpc.PackageParameterization {
	if p == nil {
		return nil
	}
	return &pulumirpc.PackageParameterization{Name: p.Name, Version: p.Version, Value: p.Value}
}

// describedPlugin reads the module's pulumi-plugin.json from the first of the
// places where SDKs keep it; nil if there is none.
func (m goModule) describedPlugin() (*plugin.PulumiPluginJSON, error) {
	if m.Dir == "" {
		return nil, nil
	}
	const file = "pulumi-plugin.json"
	paths := []string{filepath.Join(m.Dir, file), filepath.Join(m.Dir, "go", file)}
	for _, pattern := range []string{filepath.Join("go", "*", file), filepath.Join("*", file)} {
		matches, err := filepath.Glob(filepath.Join(escapeGlob(m.Dir), pattern))
		if err == nil {
			paths = append(paths, matches...)
		}
	}
	for _, path := range paths {
		described, err := plugin.LoadPulumiPluginJSON(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s of module %s: %w", path, m.Path, err)
		}
		return described, nil
	}
	return nil, nil
}

// escapeGlob makes a pattern that matches exactly path.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// release is the version to look for: a pseudo-version stands for the release
// before it.
func release(version string) (string, error) {
	if !strings.HasPrefix(version, "v") {
		version = "v" + version
	}
	if !semver.IsValid(version) {
		return "", fmt.Errorf("%q is not a semantic version", version)
	}
	if !module.IsPseudoVersion(version) {
		return version, nil
	}
	base, err := module.PseudoVersionBase(version)
	if err != nil || base == "" {
		return "", fmt.Errorf("%s stands for no release", version)
	}
	return base, nil
}
