package languagehost

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func required(t *testing.T, dir string) []string {
	t.Helper()
	_, client, _, _ := newHost(t)
	response, err := client.GetRequiredPackages(context.Background(), &pulumirpc.GetRequiredPackagesRequest{Info: info(t, dir, nil)})
	require.NoError(t, err)
	var packages []string
	for _, p := range response.GetPackages() {
		line := strings.TrimSpace(strings.Join([]string{p.GetKind(), p.GetName(), p.GetVersion(), p.GetServer()}, " "))
		if param := p.GetParameterization(); param != nil {
			line += " as " + param.GetName() + " " + param.GetVersion() + " " + string(param.GetValue())
		}
		packages = append(packages, line)
	}
	return packages
}

func TestThisRepositoryNeedsItsPlugins(t *testing.T) {
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"resource aws v6.83.2", "resource kubernetes v4.30.0", "resource random v4.21.2"}, required(t, checkout))
}

func TestPluginsAreFoundWhereverAnSDKDescribesThem(t *testing.T) {
	dir := write(t, map[string]string{
		"go.mod": `module example.test/program

go 1.24

require (
	example.test/atroot v1.2.3
	example.test/ingo v1.2.3
	example.test/below v1.2.3
	example.test/side v1.2.3
	example.test/none v1.2.3
	example.test/isno v1.2.3
	github.com/pulumi/pulumi-absent/sdk/v5 v5.1.1-0.20200403140640-efb5e2a48a86
	github.com/pulumi/pulumi-absent/tools v1.0.0
)

replace (
	example.test/atroot => ./sdks/atroot
	example.test/ingo => ./sdks/ingo
	example.test/below => ./sdks/below
	example.test/side => ./sdks/side
	example.test/none => ./sdks/none
	example.test/isno => ./sdks/isno
)
`,
		"sdks/atroot/pulumi-plugin.json":     `{"resource": true, "name": "atroot", "version": "2.0.0", "server": "https://example.test"}`,
		"sdks/ingo/go/pulumi-plugin.json":    `{"resource": true, "name": "ingo"}`,
		"sdks/ingo/aside/pulumi-plugin.json": `{"resource": true, "name": "aside"}`,
		"sdks/below/go/x/pulumi-plugin.json": `{"resource": true, "name": "base", "version": "1.0.0", "parameterization": {"name": "below", "version": "3.0.0", "value": "aGk="}}`,
		"sdks/side/x/pulumi-plugin.json":     `{"resource": true, "name": "side"}`,
		"sdks/isno/pulumi-plugin.json":       `{"resource": false, "name": "isno"}`,
		"sdks/none/README.md":                "",
		"program/main.go":                    "package main\n",
	})
	for _, name := range []string{"atroot", "ingo", "below", "side", "none", "isno"} {
		add(t, dir, map[string]string{"sdks/" + name + "/go.mod": "module example.test/" + name + "\n\ngo 1.24\n"})
	}
	want := []string{
		"resource atroot v2.0.0 https://example.test", "resource ingo v1.2.3", "resource base v1.0.0 as below 3.0.0 hi",
		"resource side v1.2.3", "resource absent v5.1.0",
	}
	assert.ElementsMatch(t, want, required(t, dir))
	assert.ElementsMatch(t, want, required(t, filepath.Join(dir, "program")))
}

func TestVendoredPlugins(t *testing.T) {
	dir := write(t, map[string]string{
		"go.mod": "module example.test/program\n\ngo 1.24\n\nrequire example.test/sdk v1.2.3\n",
		"vendor/example.test/sdk/pulumi-plugin.json": `{"resource": true, "name": "vendored"}`,
	})
	assert.Equal(t, []string{"resource vendored v1.2.3"}, required(t, dir))
}

func TestProgramWithoutAModuleNeedsNothing(t *testing.T) {
	assert.Empty(t, required(t, t.TempDir()))
}

func TestBrokenDescriptionsAreFaults(t *testing.T) {
	_, client, _, _ := newHost(t)
	for _, files := range []map[string]string{
		{"go.mod": "module ("},
		{
			"go.mod":     "module example.test/program\n\ngo 1.24\n\nrequire example.test/sdk v1.2.3\n\nreplace example.test/sdk => ./sdk\n",
			"sdk/go.mod": "module example.test/sdk\n\ngo 1.24\n", "sdk/pulumi-plugin.json": "{",
		},
	} {
		dir := write(t, files)
		_, err := client.GetRequiredPackages(context.Background(), &pulumirpc.GetRequiredPackagesRequest{Info: info(t, dir, nil)})
		require.Error(t, err)
		assert.Contains(t, err.Error(), dir)
	}
}

func TestOlderEnginesGetPlugins(t *testing.T) {
	_, client, _, _ := newHost(t)
	checkout, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	response, err := client.GetRequiredPlugins(context.Background(), //nolint:staticcheck // what older engines call
		&pulumirpc.GetRequiredPluginsRequest{Info: info(t, checkout, nil)})
	require.NoError(t, err)
	var names []string
	for _, p := range response.GetPlugins() {
		names = append(names, p.GetName()+p.GetVersion())
	}
	assert.ElementsMatch(t, []string{"awsv6.83.2", "kubernetesv4.30.0", "randomv4.21.2"}, names)
}

func TestProgramDependencies(t *testing.T) {
	_, client, _, _ := newHost(t)
	dir := write(t, map[string]string{
		"go.mod": "module example.test/program\n\ngo 1.24\n\nrequire (\n\texample.test/a v1.0.0\n\texample.test/b v1.1.0 // indirect\n\texample.test/c v1.2.0\n)\n\nreplace example.test/c => ./c\n",
	})
	for transitive, want := range map[bool][]string{
		false: {"example.test/a v1.0.0", "example.test/c "},
		true:  {"example.test/a v1.0.0", "example.test/b v1.1.0", "example.test/c "},
	} {
		response, err := client.GetProgramDependencies(context.Background(), &pulumirpc.GetProgramDependenciesRequest{
			Info: info(t, dir, nil), TransitiveDependencies: transitive,
		})
		require.NoError(t, err)
		var got []string
		for _, d := range response.GetDependencies() {
			got = append(got, d.GetName()+" "+d.GetVersion())
		}
		assert.Equal(t, want, got)
	}
}

func TestReleaseOfAPseudoVersion(t *testing.T) {
	for version, want := range map[string]string{
		"4.21.2": "v4.21.2", "v4.21.2": "v4.21.2", "v1.0.0-alpha.1": "v1.0.0-alpha.1",
		"v1.29.1-0.20200403140640-efb5e2a48a86": "v1.29.0", "v0.0.0-20200403140640-efb5e2a48a86": "", "latest": "",
	} {
		got, err := release(version)
		assert.Equal(t, want, got, version)
		assert.Equal(t, want == "", err != nil, version)
	}
}
