package toolchain

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// environment is what Pulumi returns, taken apart.
func environment(t *testing.T, c *Chain) (cli string, path []string, vars map[string]string) {
	t.Helper()
	cli, env, err := c.Pulumi()
	require.NoError(t, err)
	vars = map[string]string{}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		vars[name] = value
	}
	return cli, filepath.SplitList(vars["PATH"]), vars
}

func TestEngineFindsBuiltToolsWhereItExpectsOfficialOnes(t *testing.T) {
	t.Setenv("PULUMI_HOME", "/home/user/.pulumi")
	c := fakeChain(t, program)
	require.NoError(t, c.Ensure(t.Context(), Names(Pulumi)...))
	cli, path, vars := environment(t, c)
	home := vars["PULUMI_HOME"]

	// The engine takes the language host beside the file that runs, links
	// resolved, for bundled, and does not warn when PATH leads to the same.
	require.Equal(t, filepath.Join(home, "bin", "pulumi"), cli)
	require.Equal(t, cli, resolved(cli))
	host := firstOn(path, "pulumi-language-go")
	require.Equal(t, filepath.Join(filepath.Dir(cli), "pulumi-language-go"), host)
	require.Equal(t, host, resolved(host))

	for file, version := range map[string]string{"random": "v4.21.2", "kubernetes": "v4.30.0"} {
		name := "pulumi-resource-" + file
		require.Empty(t, firstOn(path, name), "the engine warns of a plugin on PATH")
		dir := filepath.Join(home, "plugins", "resource-"+file+"-"+version)
		info, err := os.Lstat(dir)
		require.NoError(t, err)
		require.True(t, info.IsDir(), "the engine skips links")
		want, err := c.Path(name)
		require.NoError(t, err)
		require.Equal(t, want, resolved(filepath.Join(dir, name)))
	}
	require.Equal(t, "/home/user/.pulumi", vars["PULUMI_CREDENTIALS_PATH"], "logins stay the user's")
	require.Equal(t, "true", vars["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"])

	before, err := os.Stat(cli)
	require.NoError(t, err)
	again, _, _ := environment(t, c)
	after, err := os.Stat(again)
	require.NoError(t, err)
	require.Equal(t, cli, again)
	require.True(t, os.SameFile(before, after), "what is arranged stays")
	entries, err := os.ReadDir(c.homes())
	require.NoError(t, err)
	require.Len(t, entries, 1)
}

func TestInstalledPluginsWinInTheHomeToo(t *testing.T) {
	bin := t.TempDir()
	script(t, filepath.Join(bin, "pulumi"), "v3.240.0")
	script(t, filepath.Join(bin, "pulumi-language-go"), "")
	c := fakeChain(t, program, bin)
	script(t, filepath.Join(c.plugins, "resource-random-v4.22.0", "pulumi-resource-random"), "")
	script(t, filepath.Join(c.plugins, "resource-aws-v6.83.2", "pulumi-resource-aws"), "")
	write(t, filepath.Join(c.plugins, "resource-aws-v6.83.2", "PulumiPlugin.yaml"), "")
	script(t, filepath.Join(c.plugins, "resource-gcp-v7.0.0", "pulumi-resource-gcp"), "")
	write(t, filepath.Join(c.plugins, "resource-gcp-v7.0.0.partial"), "")
	require.NoError(t, c.Ensure(t.Context(), Names(Pulumi)...))
	cli, path, vars := environment(t, c)
	require.Equal(t, filepath.Join(bin, "pulumi"), cli)
	require.Equal(t, cli, firstOn(path, "pulumi"))
	require.Equal(t, filepath.Join(bin, "pulumi-language-go"), firstOn(path, "pulumi-language-go"))
	plugins := filepath.Join(vars["PULUMI_HOME"], "plugins")
	entries, err := os.ReadDir(plugins)
	require.NoError(t, err)
	var names []string
	for _, entry := range entries {
		require.True(t, entry.IsDir(), entry.Name())
		names = append(names, entry.Name())
	}
	require.Equal(t, []string{"resource-aws-v6.83.2", "resource-kubernetes-v4.30.0", "resource-random-v4.22.0"}, names)
	require.FileExists(t, filepath.Join(plugins, "resource-aws-v6.83.2", "PulumiPlugin.yaml"))

	// Installing one more makes another home.
	script(t, filepath.Join(c.plugins, "resource-tls-v5.0.0", "pulumi-resource-tls"), "")
	_, _, vars = environment(t, c)
	require.FileExists(t, filepath.Join(vars["PULUMI_HOME"], "plugins", "resource-tls-v5.0.0", "pulumi-resource-tls"))
}

// An old plugin on PATH, which the engine would take before any other, is
// hidden behind the one that was taken.
func TestPassedOverPluginOnPathIsHidden(t *testing.T) {
	bin := t.TempDir()
	script(t, filepath.Join(bin, "pulumi-resource-random"), "v4.1.0")
	c := fakeChain(t, program, bin)
	require.NoError(t, c.Ensure(t.Context(), Names(Pulumi)...))
	_, path, _ := environment(t, c)
	want, err := c.Path("pulumi-resource-random")
	require.NoError(t, err)
	require.Equal(t, want, firstOn(path, "pulumi-resource-random"))
}

func TestEnvWorksBeforePulumiIsThere(t *testing.T) {
	c := fakeChain(t, program)
	_, _, err := c.Pulumi()
	require.ErrorIs(t, err, ErrMissing)
	env, err := c.Env()
	require.NoError(t, err)
	require.Contains(t, strings.Join(env, "\n"), "PATH=")
}

// A shell that exported the environment does not make our plugins official, nor
// our home the user's.
func TestExportedHomeIsNotTheUsers(t *testing.T) {
	cache := t.TempDir()
	for name, test := range map[string]struct{ home, credentials, want string }{
		"the user's own":  {"/home/user/.pulumi", "", "/home/user/.pulumi"},
		"ours, exported":  {filepath.Join(cache, "pulumi", "0123456789ab"), "/home/user/.pulumi", "/home/user/.pulumi"},
		"nothing is said": {"", "", filepath.Join(os.Getenv("HOME"), ".pulumi")},
		"own credentials": {"", "/secrets", filepath.Join(os.Getenv("HOME"), ".pulumi")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PULUMI_HOME", test.home)
			t.Setenv("PULUMI_CREDENTIALS_PATH", test.credentials)
			require.Equal(t, test.want, userHome(cache))
		})
	}
	c := &Chain{cache: cache}
	require.True(t, c.owns(filepath.Join(cache, "pulumi", "0123456789ab", "bin")))
	require.False(t, c.owns("/usr/bin"))
}

func TestCredentialsOfTheUsersChoiceStay(t *testing.T) {
	t.Setenv("PULUMI_HOME", "/home/user/.pulumi")
	t.Setenv("PULUMI_CREDENTIALS_PATH", "/secrets")
	c := fakeChain(t, program)
	require.NoError(t, c.Ensure(t.Context(), Names(Pulumi)...))
	_, _, vars := environment(t, c)
	require.NotContains(t, vars, "PULUMI_CREDENTIALS_PATH")
}
