package simcluster

import (
	"fmt"
	"hash/fnv"

	"slipway.dev/slipway/internal/simcloud"
)

const (
	claims  = "kubernetes:core/v1:PersistentVolumeClaim"
	volumes = "aws:ebs/volume:Volume"
)

// provision makes claim and volume of every member of a stateful set, as
// controllers do. They are not the program's: claims end with their namespace,
// and volumes with their claim only if their class says so.
func (p *Provider) provision(tx *simcloud.Tx, set *simcloud.Record) error {
	cluster, err := p.cluster(tx)
	if err != nil {
		return err
	}
	namespace := set.Properties.Text("metadata.namespace")
	for _, template := range set.Properties.Objects("spec.volumeClaimTemplates") {
		class := tx.Get("kubernetes:storage.k8s.io/v1:StorageClass", template.Text("spec.storageClassName"), set.Region)
		if class == nil || class.Properties.Text("provisioner") != "ebs.csi.aws.com" {
			continue
		}
		for i := range int(set.Properties.Number("spec.replicas")) {
			name := fmt.Sprintf("%s-%s-%d", template.Text("metadata.name"), set.Properties.Text("metadata.name"), i)
			id := namespace + "/" + name
			if tx.Get(claims, id, set.Region) != nil {
				continue
			}
			sum := fnv.New64a()
			_, _ = fmt.Fprint(sum, set.Region, id, tx.Operations)
			volume := fmt.Sprintf("vol-0%016x", sum.Sum64())
			reclaim := class.Properties.Text("reclaimPolicy")
			if reclaim == "" {
				reclaim = "Delete"
			}
			tx.Put(&simcloud.Record{Token: claims, ID: id, Account: set.Account, Region: set.Region, Status: "active", Inputs: simcloud.Props{}, Properties: simcloud.Props{
				"metadata": map[string]any{"name": name, "namespace": namespace}, "spec": map[string]any{"volumeName": volume},
			}})
			tx.Put(&simcloud.Record{Token: volumes, ID: volume, Account: set.Account, Region: cluster.Region, Status: "active", Inputs: simcloud.Props{}, Properties: simcloud.Props{
				"size": template.At("spec.resources.requests.storage"), "kmsKeyId": class.Properties.At("parameters.kmsKeyId"), simcloud.ReclaimPolicy: reclaim,
			}})
		}
	}
	return nil
}

// release removes the claims of a namespace that goes, and their volumes where
// nothing retains them.
func release(tx *simcloud.Tx, namespace *simcloud.Record) {
	for _, claim := range tx.All(claims) {
		if claim.Region != namespace.Region || claim.Properties.Text("metadata.namespace") != namespace.ID {
			continue
		}
		tx.Remove(claim)
		for _, volume := range tx.All(volumes) {
			if volume.ID == claim.Properties.Text("spec.volumeName") && volume.Properties[simcloud.ReclaimPolicy] == "Delete" {
				tx.Remove(volume)
			}
		}
	}
}
