// Command pulumi-resource-kubernetes is the official Kubernetes provider built
// from its module, for machines where the released plugin cannot be had.
//
// The provider's schema lies in the module as plain files, out of reach of
// go:embed. The build maps them into this directory with -overlay (see
// internal/toolchain), so a plain `go build` here reports them as missing.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version"
)

//go:embed schema.json
var schema []byte

//go:embed terraform-mapping.json
var terraformMapping []byte

func main() {
	provider.Serve("kubernetes", version.Version, schema, terraformMapping)
}
