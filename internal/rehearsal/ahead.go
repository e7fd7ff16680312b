package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"slipway.dev/slipway/internal/simcloud"
)

// ahead is the configuration with the next minor version of Kubernetes, and the
// one add-on that carries its number; nil where there is no cluster.
func (c stackConfig) ahead() ([][2]string, error) {
	if c.AWS.Cluster.Version == "" {
		return nil, nil
	}
	major, minor, _ := strings.Cut(c.AWS.Cluster.Version, ".")
	n, err := strconv.Atoi(minor)
	if err != nil {
		return nil, fmt.Errorf("aws.cluster.version: %q is not a version such as 1.34", c.AWS.Cluster.Version)
	}
	next := major + "." + strconv.Itoa(n+1)
	return [][2]string{{versionPath, next}, {"slipway:aws.cluster.addOns.kube-proxy", "v" + next + ".0-eksbuild.1"}}, nil
}

const versionPath = "slipway:aws.cluster.version"

// nextVersion raises Kubernetes. Everything is updated where it is, and control
// plane and nodes have the version in the end; that nodes never have a newer one
// than their control plane is what the simulated cloud sees to.
func nextVersion(ctx context.Context, a *act) (string, error) {
	if len(a.Ahead) == 0 {
		return "not rehearsed: no version is given", nil
	}
	if err := a.set(ctx, a.Ahead); err != nil {
		return "", err
	}
	did, err := a.moved(ctx)
	if err != nil {
		return "", err
	}
	changes, err := a.changes(ctx)
	if err != nil {
		return "", err
	}
	for operation, n := range changes {
		if operation != "same" && operation != "update" && n > 0 {
			return "", fmt.Errorf("raising the version should only update, and did %s", did)
		}
	}
	raised, err := a.versions()
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(a.Ahead, func(c [2]string) bool { return c[0] == versionPath }); i >= 0 {
		for what, version := range raised {
			if version != a.Ahead[i][1] {
				return "", fmt.Errorf("%s has version %s after the update to %s", what, version, a.Ahead[i][1])
			}
		}
	}
	if len(raised) < 2 {
		return "", errors.New("the cloud has no cluster with nodes whose version could be looked at")
	}
	return did, a.unchanged(ctx)
}

// versions are those of the control planes and node groups in the scene's cloud.
func (s *scene) versions() (map[string]string, error) {
	world, err := s.cloud()
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	return found, world.Do(func(tx *simcloud.Tx) error {
		for _, thing := range tx.All("") {
			if thing.Token == "aws:eks/cluster:Cluster" || thing.Token == "aws:eks/nodeGroup:NodeGroup" {
				found[thing.Token+" "+thing.ID] = thing.Properties.Text("version")
			}
		}
		return nil
	})
}
