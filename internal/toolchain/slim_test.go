package toolchain

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/modfile"
)

// kindsSource is shaped like the file of the SDK.
const kindsSource = `// Copyright.

package v2

import (
	"fmt"

	appsv1 "example.org/sdk/apps/v1"
	"example.org/sdk/apiextensions"
	corev1 "example.org/sdk/core/v1"
	"example.org/pulumi"
)

func IsListKind(apiVersion, kind string) bool { return fmt.Sprintf("%s/%s", apiVersion, kind) == "v1/List" }

func RegisterResource(ctx *pulumi.Context, apiVersion, kind, name string, props pulumi.Input,
	opts ...pulumi.ResourceOption) (pulumi.CustomResource, error) {
	fullKind := fmt.Sprintf("%s/%s", apiVersion, kind)
	switch fullKind {
	case "apps/v1/Deployment":
		var res appsv1.Deployment
		err := ctx.RegisterResource("kubernetes:apps/v1:Deployment", name, props, &res, opts...)
		if err != nil {
			return nil, err
		}
		return &res, nil
	case "v1/Pod":
		var res corev1.Pod
		err := ctx.RegisterResource("kubernetes:core/v1:Pod", name, props, &res, opts...)
		if err != nil {
			return nil, err
		}
		return &res, nil
	default:
		var res apiextensions.CustomResource
		err := ctx.RegisterResource(fmt.Sprintf("kubernetes:%s:%s", apiVersion, kind), name, props, &res, opts...)
		if err != nil {
			return nil, err
		}
		return &res, nil
	}
}
`

func TestRegisteringUntypedKeepsTheRule(t *testing.T) {
	out, err := registerUntyped([]byte(kindsSource))
	require.NoError(t, err)
	text := string(out)
	for _, gone := range []string{"appsv1", "corev1", "switch", "fullKind"} {
		require.NotContains(t, text, gone)
	}
	for _, kept := range []string{
		`"fmt"`, `"strings"`, `"example.org/sdk/apiextensions"`, `"example.org/pulumi"`, `== "v1/List"`,
		`fmt.Sprintf("kubernetes:%s:%s", apiVersion, kind)`,
	} {
		require.Contains(t, text, kept)
	}
	// Statements from elsewhere keep the lines they had there.
	require.Contains(t, strings.Join(strings.Fields(text), ""), `if!strings.Contains(apiVersion,"/",){apiVersion="core/"+apiVersion}`)
	again, err := registerUntyped([]byte(kindsSource))
	require.NoError(t, err)
	require.Equal(t, text, string(again))
}

func TestRegisteringUntypedRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, change := range map[string][2]string{
		"a type of another name":  {`"kubernetes:core/v1:Pod"`, `"kubernetes:core/v1:Pods"`},
		"a group renamed":         {`"kubernetes:apps/v1:Deployment"`, `"kubernetes:apps/v2:Deployment"`},
		"a type made at run time": {`"kubernetes:core/v1:Pod"`, `token("Pod")`},
		"a further step":          {"var res corev1.Pod", "var res corev1.Pod\n\t\topts = nil"},
		"an option added":         {`"kubernetes:core/v1:Pod", name, props, &res, opts...`, `"kubernetes:core/v1:Pod", name, props, &res, more(opts)...`},
		"one case for two":        {`case "v1/Pod":`, `case "v1/Pod", "v1/Pods":`},
		"no default":              {kindsSource[strings.Index(kindsSource, "\tdefault:") : len(kindsSource)-len("\t}\n}\n")], ""},
		"a step after":            {"\t}\n}\n", "\t}\n\treturn nil, nil\n}\n"},
		"no switch":               {"switch fullKind {", "switch fullKind := fullKind.(type) {"},
		"no function":             {"func RegisterResource(", "func Register("},
		"no Go":                   {"package v2", "package"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, kindsSource, change[0])
			_, err := registerUntyped([]byte(strings.Replace(kindsSource, change[0], change[1], 1)))
			require.Error(t, err)
		})
	}
}

func TestSlimBuildTakesTheEditedModule(t *testing.T) {
	seen := false
	c := fakeChain(t, func(ctx context.Context, log io.Writer, b build) error {
		seen = true
		raw, err := os.ReadFile(filepath.Join(b.temp, "go.mod"))
		require.NoError(t, err)
		mod, err := modfile.Parse("go.mod", raw, nil)
		require.NoError(t, err)
		require.FileExists(t, filepath.Join(b.temp, "go.sum"))
		dir := mod.Replace[len(mod.Replace)-1].New.Path
		require.Equal(t, k8sPluginSDK, mod.Replace[len(mod.Replace)-1].Old.Path)
		edited, err := os.ReadFile(filepath.Join(dir, "go/kubernetes/yaml/v2/kinds.go"))
		require.NoError(t, err)
		require.NotContains(t, string(edited), "corev1")
		return program(ctx, log, b)
	})
	require.NoError(t, c.Ensure(t.Context(), "pulumi-resource-kubernetes"))
	require.True(t, seen)
	// The sources that other builds use are as they were.
	g, err := c.golang(t.Context())
	require.NoError(t, err)
	original, err := os.ReadFile(filepath.Join(g.Modules, k8sPluginSDK+"@"+c.pins.version(k8sPluginSDK), "go/kubernetes/yaml/v2/kinds.go"))
	require.NoError(t, err)
	require.Equal(t, kindsSource, string(original))
}

func TestSlimEditDecidesTheKey(t *testing.T) {
	c := fakeChain(t, program)
	key := func(edit string) string {
		tool, err := lookup("pulumi-resource-kubernetes")
		require.NoError(t, err)
		tool.slim = []slim{tool.slim[0]}
		tool.slim[0].Edit = edit
		r, err := tool.recipe(c.checkout, c.pins, testGo)
		require.NoError(t, err)
		key, err := r.key()
		require.NoError(t, err)
		return key
	}
	require.NotEqual(t, key("one"), key("another"))
	require.Equal(t, key("one"), key("one"))
}
