package simcluster

import (
	"context"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/simcloud"
)

func TestVolumesOutliveTheirNamespaceOnlyIfTheirClassSaysSo(t *testing.T) {
	for policy, left := range map[string]int{"Retain": 2, "Delete": 0, "": 0} {
		t.Run("policy "+policy, func(t *testing.T) {
			y := newYard(t)
			class := map[string]any{"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": meta("data", ""), "provisioner": "ebs.csi.aws.com"}
			if policy != "" {
				class["reclaimPolicy"] = policy
			}
			_, err := y.make("kubernetes:storage.k8s.io/v1:StorageClass", "data", class)
			require.NoError(t, err)
			_, err = y.make("kubernetes:core/v1:Namespace", "space", object("v1", "Namespace", "db", "", nil))
			require.NoError(t, err)
			claim := map[string]any{"metadata": meta("data", ""), "spec": map[string]any{
				"storageClassName": "data", "resources": map[string]any{"requests": map[string]any{"storage": "10Gi"}},
			}}
			_, err = y.make("kubernetes:apps/v1:StatefulSet", "db", object("apps/v1", "StatefulSet", "db", "db",
				workload(map[string]any{}, "serviceName", "db", "replicas", 2.0, "volumeClaimTemplates", []any{claim})))
			require.NoError(t, err)
			count := func(token string) (n int) {
				require.NoError(t, y.p.host.World.Do(func(tx *simcloud.Tx) error { n = len(tx.All(token)); return nil }))
				return n
			}
			assert.Equal(t, []int{2, 2}, []int{count(claims), count(volumes)})
			for _, gone := range []struct{ token, id string }{{"kubernetes:apps/v1:StatefulSet", "db/db"}, {"kubernetes:core/v1:Namespace", "db"}} {
				_, err = y.p.Delete(context.Background(), &pulumirpc.DeleteRequest{Urn: urnOf(gone.token, "x"), Id: gone.id})
				require.NoError(t, err)
				if gone.id == "db/db" {
					assert.Equal(t, 2, count(claims), "claims stay when their set goes")
				}
			}
			assert.Equal(t, []int{0, left}, []int{count(claims), count(volumes)})
		})
	}
}
