package toolchain

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// driversSource is shaped like Pulumi's files.
const driversSource = `package diy

import (
	"fmt"

	"example.org/blob"
	_ "example.org/blob/azureblob"
	_ "example.org/blob/fileblob"
	"example.org/blob/gcsblob"
	"example.org/credentials"
)

func open(scheme string) (any, error) {
	mux := blob.DefaultURLMux()
	if scheme == gcsblob.Scheme {
		mux = credentials.Mux()
	}
	switch scheme {
	case "logs":
		return credentials.Logs()
	case "file":
		return mux, nil
	default:
		return nil, fmt.Errorf("unknown scheme %s", scheme)
	}
}
`

var withoutDrivers = withoutUses(
	[]string{"example.org/blob/azureblob", "example.org/blob/gcsblob", "example.org/credentials"}, []string{"gcsblob", "credentials"})

func TestWithoutUsesTheRestStays(t *testing.T) {
	out, err := withoutDrivers([]byte(driversSource))
	require.NoError(t, err)
	for _, gone := range []string{"azureblob", "gcsblob", "credentials", `"logs"`, "if "} {
		require.NotContains(t, string(out), gone)
	}
	for _, kept := range []string{`_ "example.org/blob/fileblob"`, "mux := blob.DefaultURLMux()", `case "file":`, "default:"} {
		require.Contains(t, string(out), kept)
	}
}

func TestWithoutUsesRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, test := range map[string]struct{ from, to, want string }{
		"an import that went":   {`_ "example.org/blob/azureblob"`, "", "azureblob is not imported"},
		"a name that went":      {"scheme == gcsblob.Scheme", `scheme == "gs"`, "gcsblob is not mentioned"},
		"a use in the way":      {"blob.DefaultURLMux()", "credentials.All()", "credentials is used elsewhere too"},
		"a use in the default":  {`fmt.Errorf("unknown`, `credentials.Errorf("unknown`, "credentials is used elsewhere too"},
		"an alternative":        {"mux = credentials.Mux()\n\t}", "mux = credentials.Mux()\n\t} else { mux = nil }", "has an else"},
		"what cannot be parsed": {"package diy", "package", "expected"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, driversSource, test.from)
			_, err := withoutDrivers([]byte(strings.Replace(driversSource, test.from, test.to, 1)))
			require.ErrorContains(t, err, test.want)
		})
	}
}

// pulumiSources are shaped like the files that are edited for the Pulumi CLI.
var pulumiSources = map[string]string{
	"backend/diy/backend.go": `package diy

import (
	_ "gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/gcsblob"
	_ "gocloud.dev/blob/s3blob"

	"github.com/pulumi/pulumi/pkg/v3/authhelpers"
)

func open(scheme string) any {
	if scheme == gcsblob.Scheme {
		return authhelpers.GoogleCredentialsMux()
	}
	return nil
}
`,
	"secrets/cloud/manager.go": `package cloud

import (
	_ "gocloud.dev/secrets/awskms"
	_ "gocloud.dev/secrets/azurekeyvault"
	"gocloud.dev/secrets/gcpkms"
	_ "gocloud.dev/secrets/hashivault"
	"google.golang.org/api/cloudkms/v1"

	"github.com/pulumi/pulumi/pkg/v3/authhelpers"
)

func open(scheme string) any {
	switch scheme {
	case gcpkms.Scheme:
		return authhelpers.ResolveGoogleCredentials(cloudkms.CloudkmsScope)
	default:
		return nil
	}
}
`,
	"operations/resources.go": `package operations

func provider(pkg string) any {
	switch pkg {
	case "cloud":
		return CloudOperationsProvider()
	case "aws":
		return AWSOperationsProvider()
	case "gcp":
		return GCPOperationsProvider()
	default:
		return nil
	}
}
`,
	"operations/operations_aws.go":       "package operations\n",
	"operations/operations_cloud_aws.go": "package operations\n",
	"operations/operations_gcp.go":       "package operations\n",
}

func TestEditsOfOneModuleShareItsCopy(t *testing.T) {
	seen := false
	c := fakeChain(t, func(ctx context.Context, log io.Writer, b build) error {
		seen = true
		dir := filepath.Join(b.temp, "module-0")
		for file, gone := range map[string]string{
			"backend/diy/backend.go": "gcsblob", "secrets/cloud/manager.go": "gcpkms", "operations/resources.go": "AWSOperationsProvider",
		} {
			edited, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			require.NotContains(t, string(edited), gone)
		}
		require.NoFileExists(t, filepath.Join(dir, "operations/operations_aws.go"))
		require.NoDirExists(t, filepath.Join(b.temp, "module-1"))
		return program(ctx, log, b)
	})
	require.NoError(t, c.Ensure(t.Context(), "pulumi"))
	require.True(t, seen)
}
