package componenttest

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// ServiceAddress is the cluster address ServiceAddresses gives.
const ServiceAddress = "10.96.200.1"

// ServiceAddresses is what a cluster adds to a Service that fixes no address,
// and nothing for any other resource. It suits Graph.Computed.
func ServiceAddresses(args pulumi.MockResourceArgs) resource.PropertyMap {
	if args.TypeToken != "kubernetes:core/v1:Service" {
		return nil
	}
	spec := args.Inputs["spec"].ObjectValue().Copy()
	if _, given := spec["clusterIP"]; !given {
		spec["clusterIP"] = resource.NewProperty(ServiceAddress)
	}
	return resource.PropertyMap{"spec": resource.NewProperty(spec)}
}
