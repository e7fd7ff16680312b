package storage

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// Names of the classes, which claims refer to.
const (
	Standard = "standard"
	Retain   = "retain"
)

// Args describes who provisions volumes.
type Args struct {
	// Provisioner is the name under which the cluster's volume driver registers,
	// such as "rancher.io/local-path" or "ebs.csi.aws.com". Required. A class
	// cannot change its provisioner, so a change replaces both classes; volumes
	// that exist are not touched.
	Provisioner string
	// Parameters are handed to the provisioner with every volume, such as
	// {"type": "gp3", "encrypted": "true"}. Default: none. A change replaces
	// both classes and holds for volumes created from then on.
	Parameters map[string]string
	// Computed are parameters that other resources know, such as the ARN of the
	// key that encrypts volumes. No key may be in both. Default: none.
	Computed pulumi.StringMap
	// Snapshots also declares a class of snapshots, which the cluster's snapshot
	// controller makes with the same driver. Default: no, because a cluster
	// without that controller does not know the kind.
	Snapshots bool
	// Expandable says whether a claim may grow. Default: true for provisioners
	// known to resize volumes, otherwise false. Where the driver cannot do it,
	// true would let a claim grow that its volume never follows.
	Expandable *bool
}

// resizers are provisioners whose volumes can grow.
var resizers = []string{
	"ebs.csi.aws.com", "efs.csi.aws.com", "pd.csi.storage.gke.io", "disk.csi.azure.com",
	"csi.hetzner.cloud", "rbd.csi.ceph.com", "driver.longhorn.io", "topolvm.io",
}

// qualified matches what Kubernetes accepts as the name of a provisioner: a
// DNS name, with an optional path segment.
var qualified = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$`)

// plan is what the two classes share.
type plan struct {
	provisioner string
	parameters  pulumi.StringMap
	snapshots   bool
	expandable  bool
}

func resolve(args Args) (plan, error) {
	var faults []error
	switch {
	case args.Provisioner == "":
		faults = append(faults, errors.New("provisioner: is empty, must name the cluster's volume driver"))
	case !qualified.MatchString(strings.ToLower(args.Provisioner)) || len(args.Provisioner) > 253:
		faults = append(faults, fmt.Errorf("provisioner: %q is not a name such as ebs.csi.aws.com or rancher.io/local-path",
			args.Provisioner))
	}
	for _, key := range slices.Sorted(maps.Keys(args.Parameters)) {
		if key == "" {
			faults = append(faults, errors.New("parameters: has an empty key"))
		}
	}
	resolved := plan{
		provisioner: args.Provisioner,
		parameters:  component.StringMap(args.Parameters),
		snapshots:   args.Snapshots,
		expandable:  slices.Contains(resizers, args.Provisioner),
	}
	for _, key := range slices.Sorted(maps.Keys(args.Computed)) {
		if _, given := args.Parameters[key]; given {
			faults = append(faults, fmt.Errorf("computed.%s: is in parameters, too", key))
		}
	}
	maps.Copy(resolved.parameters, args.Computed)
	if args.Expandable != nil {
		resolved.expandable = *args.Expandable
	}
	return resolved, errors.Join(faults...)
}
