package toolchain

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/semver"
)

// Group says what a tool is for, and so what `slipway tools` builds when
// it is given no names.
type Group string

const (
	// Pulumi is the CLI, the language host and the resource plugins.
	Pulumi Group = "pulumi"
	// Cluster is what the lab runs on the machine itself.
	Cluster Group = "cluster"
	// Images is what the lab's images are made of.
	Images Group = "images"
	// Lint is only needed by `make check` and `make vulnerabilities`.
	Lint Group = "lint"
	// Test is only needed by `make test`.
	Test Group = "test"
)

// tool is one program and how to come by it.
type tool struct {
	name  string
	group Group
	// module is the directory of the go.mod that pins it, below the checkout.
	module string
	// pkg is its main package: an import path, or ./ and a directory in module.
	pkg string
	// links are further names of the program, which looks at its own name.
	links []string
	// after are tools that this one shares many packages with. Built beside
	// one of them from an empty build cache, it would compile those again.
	after []string
	// sources are the files and directories of the checkout, besides the
	// module's go.mod and go.sum, that the program is compiled from.
	sources []string
	// version is the version the program is of; nil for Slipway's own.
	version func(p pins) string
	// stamps are variables that hold the version, set when linking.
	stamps func(version string) map[string]string
	// plain tools are compiled as `go build` does by default, which is how the
	// program, this CLI and the tests are compiled: then the packages they
	// share are compiled once.
	plain bool
	// embeds maps a file that the main package embeds, relative to it, to a
	// file of a pinned module.
	embeds map[string]moduleFile
	// slim edits modules that compile far more into the program than it uses.
	slim []slim
	// installed says which installed program does as well. Nil means none: what
	// the lab runs and what goes into images has to be what was pinned, or two
	// machines would run different platforms.
	installed *installed
	// cold is about how much disk compiling it takes from an empty build cache
	// when the tools before it in the catalog are compiled, in MiB.
	cold int
	// linkMemory is about what its link needs at its peak, in MiB.
	linkMemory int
}

type moduleFile struct{ module, file string }

const (
	k8sModule      = "k8s.io/kubernetes"
	k8sPlugin      = "github.com/pulumi/pulumi-kubernetes/provider/v4"
	k8sPluginSDK   = "github.com/pulumi/pulumi-kubernetes/sdk/v4"
	randomSDK      = "github.com/pulumi/pulumi-random/sdk/v4"
	pulumiModule   = "github.com/pulumi/pulumi/pkg/v3"
	routerModule   = "github.com/cloudnativelabs/kube-router/v2"
	corednsModule  = "github.com/coredns/coredns"
	metricsModule  = "sigs.k8s.io/metrics-server"
	volumesModule  = "github.com/rancher/local-path-provisioner"
	traefikModule  = "github.com/traefik/traefik/v3"
	legoModule     = "github.com/go-acme/lego/v4"
	certModule     = "github.com/cert-manager/cert-manager"
	golangciModule = "github.com/golangci/golangci-lint/v2"
	lintModule     = "github.com/rhysd/actionlint"
	vulnModule     = "golang.org/x/vuln"
	s3Module       = "github.com/versity/versitygw"
	stateModule    = "k8s.io/kube-state-metrics/v2"
	otelModule     = "go.opentelemetry.io/collector/otelcol"
)

// catalog lists every tool. The order is the order of building: the cluster
// first, since images and the program can be built while it starts.
var catalog = []tool{
	{
		name: "kube", group: Cluster, module: "tools", pkg: "./kube", sources: []string{"tools/kube"},
		links: []string{
			"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl",
		},
		version: pinned(k8sModule), stamps: stampKubernetes, cold: 2900, linkMemory: 1900,
	},
	{
		name: "kube-router", group: Cluster, module: "tools", pkg: routerModule + "/cmd/kube-router",
		version: pinned(routerModule), after: []string{"kube"}, cold: 160, linkMemory: 900,
	},
	{
		name: "coredns", group: Images, module: "tools", pkg: corednsModule,
		version: pinned(corednsModule), after: []string{"kube"}, cold: 250, linkMemory: 900,
	},
	{
		name: "metrics-server", group: Images, module: "tools", pkg: metricsModule + "/cmd/metrics-server",
		version: pinned(metricsModule), after: []string{"kube"}, cold: 30, linkMemory: 1000,
	},
	{
		name: "local-path-provisioner", group: Images, module: "tools", pkg: volumesModule,
		version: pinned(volumesModule), after: []string{"kube"}, cold: 20, linkMemory: 600,
	},
	{
		name: "kube-state-metrics", group: Images, module: "tools/kube-state-metrics", pkg: stateModule,
		version: pinned(stateModule), after: []string{"kube"}, cold: 120, linkMemory: 600,
	},
	{
		name: "cert-manager", group: Images, module: "tools/cert-manager", pkg: ".", sources: []string{"tools/cert-manager"},
		version: pinned(certModule), stamps: stamp(certModule + "/pkg/util.AppVersion"),
		cold: 900, linkMemory: 900,
	},
	{
		name: "traefik", group: Images, module: "tools", pkg: traefikModule + "/cmd/traefik",
		slim: []slim{{
			File: moduleFile{legoModule, "providers/dns/zz_gen_dns_providers.go"},
			Edit: "no DNS providers", edit: withoutProviders,
		}, {
			File: moduleFile{traefikModule, "pkg/provider/ecs/ecs.go"},
			Edit: "no ECS", edit: withoutECS, Drop: []string{"pkg/provider/ecs/config.go", "pkg/provider/ecs/label.go"},
		}},
		version: pinned(traefikModule), stamps: stampBare(traefikModule + "/pkg/version.Version"),
		after: []string{"kube"}, cold: 1000, linkMemory: 2600,
	},
	{
		name: "collector", group: Images, module: "images/collector", pkg: ".", sources: []string{"images/collector"},
		version: pinned(otelModule), stamps: stamp("main.version"), cold: 700, linkMemory: 700,
	},
	{
		// State and keys are in files or at Amazon. The drivers of other clouds, and
		// what reads their logs, are two fifths of what is compiled for it alone.
		name: "pulumi", group: Pulumi, module: "tools", pkg: pulumiModule + "/cmd/pulumi",
		slim: []slim{{
			File: moduleFile{pulumiModule, "backend/diy/backend.go"}, Edit: "no state at Azure or Google",
			edit: withoutUses([]string{
				"gocloud.dev/blob/azureblob", "gocloud.dev/blob/gcsblob", "github.com/pulumi/pulumi/pkg/v3/authhelpers",
			}, []string{"gcsblob", "authhelpers"}),
		}, {
			File: moduleFile{pulumiModule, "secrets/cloud/manager.go"}, Edit: "no keys at Azure, Google or Vault",
			edit: withoutUses([]string{
				"gocloud.dev/secrets/azurekeyvault", "gocloud.dev/secrets/gcpkms", "gocloud.dev/secrets/hashivault",
				"google.golang.org/api/cloudkms/v1", "github.com/pulumi/pulumi/pkg/v3/authhelpers",
			}, []string{"gcpkms", "cloudkms", "authhelpers"}),
		}, {
			File: moduleFile{pulumiModule, "operations/resources.go"}, Edit: "no logs of clouds",
			edit: withoutUses(nil, []string{"CloudOperationsProvider", "AWSOperationsProvider", "GCPOperationsProvider"}),
			Drop: []string{"operations/operations_aws.go", "operations/operations_cloud_aws.go", "operations/operations_gcp.go"},
		}},
		version: pinned(pulumiModule), stamps: stamp("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"),
		installed: &installedPulumi, cold: 600, linkMemory: 1000,
	},
	{
		name: "pulumi-resource-kubernetes", group: Pulumi, module: "tools", pkg: "./pulumi-resource-kubernetes",
		sources: []string{"tools/pulumi-resource-kubernetes"},
		embeds: map[string]moduleFile{
			"schema.json":            {k8sPlugin, "cmd/pulumi-resource-kubernetes/schema.json"},
			"terraform-mapping.json": {k8sPlugin, "cmd/pulumi-resource-kubernetes/terraform-mapping.json"},
		},
		slim: []slim{{
			File: moduleFile{k8sPluginSDK, "go/kubernetes/yaml/v2/kinds.go"},
			Edit: "untyped registration", edit: registerUntyped,
		}},
		// The module has no release tags. The engine compares this with the
		// version the program's SDK asks for.
		version: asked(k8sPluginSDK), stamps: stampBare(k8sPlugin + "/pkg/version.Version"),
		installed: plugin("kubernetes", k8sPluginSDK), after: []string{"kube", "pulumi"}, cold: 600, linkMemory: 1400,
	},
	{
		name: "pulumi-language-go", group: Pulumi, module: ".", plain: true, pkg: "./cmd/pulumi-language-go",
		sources:   []string{"cmd/pulumi-language-go", "internal/gobuild", "internal/languagehost", "internal/paths"},
		installed: &installedLanguageHost, cold: 500, linkMemory: 500,
	},
	{
		name: "pulumi-resource-random", group: Pulumi, module: ".", plain: true, pkg: "./cmd/pulumi-resource-random",
		sources:   []string{"cmd/pulumi-resource-random", "internal/plugin", "internal/randomprovider", "internal/official"},
		installed: plugin("random", randomSDK), after: []string{"pulumi-language-go"}, cold: 100, linkMemory: 500,
	},
	{
		name: "golangci-lint", group: Lint, module: "tools/golangci-lint", pkg: golangciModule + "/cmd/golangci-lint",
		version: pinned(golangciModule), stamps: stampBare("main.version"),
		installed: &installedGolangci, cold: 1200, linkMemory: 1500,
	},
	{
		name: "actionlint", group: Lint, module: "tools/actionlint", pkg: lintModule + "/cmd/actionlint",
		version: pinned(lintModule), stamps: stampBare(lintModule + ".version"),
		installed: &installedActionlint, cold: 200, linkMemory: 300,
	},
	{
		name: "govulncheck", group: Lint, module: "tools/govulncheck", pkg: vulnModule + "/cmd/govulncheck",
		version: pinned(vulnModule), cold: 200, linkMemory: 300,
	},
	{
		name: "versitygw", group: Test, module: "tools/versitygw", pkg: s3Module + "/cmd/versitygw",
		version: pinned(s3Module), cold: 900, linkMemory: 900,
	},
}

// stamp sets one variable to the version.
func stamp(variable string) func(string) map[string]string {
	return func(version string) map[string]string { return map[string]string{variable: version} }
}

// stampBare is stamp without the v in front.
func stampBare(variable string) func(string) map[string]string {
	return func(version string) map[string]string {
		return map[string]string{variable: strings.TrimPrefix(version, "v")}
	}
}

// stampKubernetes gives the binaries the version they are: without it they
// say v0.0.0, which the Kubernetes plugin takes for a very old cluster.
func stampKubernetes(version string) map[string]string {
	major, minor, _ := strings.Cut(strings.TrimPrefix(semver.MajorMinor(version), "v"), ".")
	stamps := map[string]string{}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		stamps[pkg+".gitVersion"] = version
		stamps[pkg+".gitMajor"] = major
		stamps[pkg+".gitMinor"] = minor
		stamps[pkg+".gitTreeState"] = "archive"
	}
	return stamps
}

// lookup finds the tool that provides name, which may be one of its links.
func lookup(name string) (tool, error) {
	for _, t := range catalog {
		if t.name == name || slices.Contains(t.links, name) {
			return t, nil
		}
	}
	return tool{}, fmt.Errorf("%w: %q; there are: %s", ErrUnknown, name, strings.Join(Names(), ", "))
}

// Names lists the tools of the given groups, or all, in building order.
func Names(groups ...Group) []string {
	var names []string
	for _, t := range catalog {
		if len(groups) == 0 || slices.Contains(groups, t.group) {
			names = append(names, t.name)
		}
	}
	return names
}
