//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// unknownHere are the kinds that the lab's API server does not have, with the
// reason; everything else that dev and prod declare is sent to it.
var unknownHere = map[string]string{
	"snapshot.storage.k8s.io/v1/VolumeSnapshotClass": "the definition comes with EKS's snapshot controller, an add-on; the lab's volumes are directories without snapshots",
}

// notRestricted are the namespaces whose pods are held to less than restricted.
var notRestricted = map[string]string{
	"slipway-logging": "the collector reads what the kubelet writes below the node's /var/log/pods, and only root may",
}

const podSecurity = "pod-security.kubernetes.io/enforce"

// TestCloudObjectsPassTheAPIServer sends what dev and prod put into their
// clusters to the lab's API server, to be judged and not kept. Workloads are
// sent once more as the pods they would make, because only those are held to
// their namespace's pod security.
func TestCloudObjectsPassTheAPIServer(t *testing.T) {
	dir := t.TempDir()
	write := exec.CommandContext(within(t, 10*time.Minute), "go", "test", "-count=1", "./tests/graph", "-run", "^TestManifests$", "-judged", dir)
	write.Dir = live.Checkout
	said, err := write.CombinedOutput()
	require.NoError(t, err, "%s", said)
	for _, stack := range []string{"dev", "prod"} {
		t.Run(stack, func(t *testing.T) {
			raw, err := os.ReadFile(filepath.Join(dir, stack, "manifests.yaml"))
			require.NoError(t, err)
			s := &guestroom{prefix: "e2e-" + stack + "-", namespaces: map[string]map[string]string{}}
			s.read(t, string(raw))
			s.open(t)
			require.Greater(t, len(s.objects), 150)
			require.Greater(t, len(s.pods), 10)
			s.pass(t, s.objects)
			s.pass(t, s.pods)
			s.refuse(t)
		})
	}
}

// guestroom is where objects of another cluster are judged: under names of their
// own, so that they meet nothing of the platform that runs.
type guestroom struct {
	prefix string
	// namespaces are those of the other cluster, with their labels.
	namespaces map[string]map[string]string
	accounts   []*unstructured.Unstructured
	objects    []*unstructured.Unstructured
	pods       []*unstructured.Unstructured
}

func (g *guestroom) read(t *testing.T, manifests string) {
	t.Helper()
	var all []*unstructured.Unstructured
	skipped := map[string]bool{}
	for _, text := range strings.Split("\n"+manifests, "\n---\n") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		object := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte(text), &object.Object))
		if kind := object.GetAPIVersion() + "/" + object.GetKind(); unknownHere[kind] != "" {
			skipped[kind] = true
			continue
		}
		if object.GetKind() == "Namespace" {
			g.namespaces[object.GetName()] = object.GetLabels()
		}
		all = append(all, object)
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(unknownHere)), slices.Collect(maps.Keys(skipped)), "unknownHere names what is not declared")
	lax := []string{}
	for name, labels := range g.namespaces {
		if labels[podSecurity] != "restricted" {
			lax = append(lax, name)
		}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(notRestricted)), lax, "namespaces that are not restricted")
	for _, object := range all {
		g.objects = append(g.objects, g.moved(object))
		if object.GetKind() == "ServiceAccount" {
			g.accounts = append(g.accounts, g.moved(object))
		}
		if pod := podOf(object); pod != nil {
			g.pods = append(g.pods, g.moved(pod))
		}
	}
}

// moved is the object in the namespace that stands for its own, or under another
// name where it has none, without the label by which our policies know it. A
// definition is called what it defines.
func (g *guestroom) moved(object *unstructured.Unstructured) *unstructured.Unstructured {
	object = object.DeepCopy()
	if g.namespaces[object.GetNamespace()] != nil {
		object.SetNamespace(g.prefix + object.GetNamespace())
	} else if object.GetKind() != "CustomResourceDefinition" {
		object.SetName(g.prefix + object.GetName())
	}
	if object.GetNamespace() == "" {
		labels := object.GetLabels()
		delete(labels, partOf)
		object.SetLabels(labels)
	}
	return object
}

// podOf is the pod that a workload would make, or nil.
func podOf(object *unstructured.Unstructured) *unstructured.Unstructured {
	path := []string{"spec", "template"}
	if object.GetKind() == "CronJob" {
		path = []string{"spec", "jobTemplate", "spec", "template"}
	}
	template, found, _ := unstructured.NestedMap(object.Object, path...)
	if _, runs := template["spec"].(map[string]any); !found || !runs {
		return nil
	}
	pod := &unstructured.Unstructured{Object: template}
	pod.SetAPIVersion("v1")
	pod.SetKind("Pod")
	pod.SetNamespace(object.GetNamespace())
	pod.SetName(strings.ToLower(object.GetKind()) + "-" + object.GetName())
	// The controller of a StatefulSet adds what it claims.
	claims, _, _ := unstructured.NestedSlice(object.Object, "spec", "volumeClaimTemplates")
	volumes, _, _ := unstructured.NestedSlice(pod.Object, "spec", "volumes")
	for _, claim := range claims {
		name, _, _ := unstructured.NestedString(claim.(map[string]any), "metadata", "name")
		volumes = append(volumes, map[string]any{"name": name, "persistentVolumeClaim": map[string]any{"claimName": name}})
	}
	if len(volumes) > 0 {
		_ = unstructured.SetNestedSlice(pod.Object, volumes, "spec", "volumes")
	}
	return pod
}

// open makes the namespaces, held to the pod security of the other cluster's, and
// the accounts without which no pod is admitted. Our own policies are left out:
// both stacks are held to those without a cluster.
func (g *guestroom) open(t *testing.T) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
		defer cancel()
		args := []string{"delete", "namespace", "--ignore-not-found", "--wait=true"}
		for name := range g.namespaces {
			args = append(args, g.prefix+name)
		}
		_, err := live.Kubectl(ctx, args...)
		require.NoError(t, err)
	})
	var made []*unstructured.Unstructured
	for name, labels := range g.namespaces {
		namespace := &unstructured.Unstructured{}
		namespace.SetAPIVersion("v1")
		namespace.SetKind("Namespace")
		namespace.SetName(g.prefix + name)
		namespace.SetLabels(map[string]string{podSecurity: labels[podSecurity]})
		made = append(made, namespace)
	}
	ctx := within(t, 3*time.Minute)
	_, err := live.KubectlInput(ctx, list(t, made), "create", "-f", "-")
	require.NoError(t, err)
	_, err = live.KubectlInput(ctx, list(t, g.accounts), "create", "-f", "-")
	require.NoError(t, err)
	for name := range g.namespaces {
		require.NoError(t, eventually(ctx, func() error {
			_, err := live.Kubectl(ctx, "get", "serviceaccount", "default", "--namespace", g.prefix+name)
			return err
		}), "namespace %s has no account", name)
	}
}

func list(t *testing.T, objects []*unstructured.Unstructured) string {
	t.Helper()
	items := make([]any, 0, len(objects))
	for _, object := range objects {
		items = append(items, object.Object)
	}
	raw, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	require.NoError(t, err)
	return string(raw)
}

// judge has the API server judge the objects; it names each that it would take.
func judge(t *testing.T, objects []*unstructured.Unstructured) (string, error) {
	t.Helper()
	return live.KubectlInput(within(t, 5*time.Minute), list(t, objects),
		"apply", "--server-side", "--force-conflicts", "--field-manager=e2e", "--dry-run=server", "-f", "-")
}

func (g *guestroom) pass(t *testing.T, objects []*unstructured.Unstructured) {
	t.Helper()
	said, err := judge(t, objects)
	require.NoError(t, err)
	require.Equal(t, len(objects), strings.Count(said, "serverside-applied (server dry run)"), said)
}

// refuse is the control: the same server refuses the same pods and objects once
// something about them is wrong.
func (g *guestroom) refuse(t *testing.T) {
	t.Helper()
	tried := 0
	for _, pod := range g.pods {
		name := strings.TrimPrefix(pod.GetNamespace(), g.prefix)
		if notRestricted[name] != "" {
			continue
		}
		tried++
		bad := pod.DeepCopy()
		require.NoError(t, unstructured.SetNestedField(bad.Object, true, "spec", "hostNetwork"))
		_, err := judge(t, []*unstructured.Unstructured{bad})
		require.ErrorContains(t, err, fmt.Sprintf("violates PodSecurity %q", "restricted:latest"), pod.GetName())
	}
	require.NotZero(t, tried)
	misspelt := g.objects[0].DeepCopy()
	for _, object := range g.objects {
		if object.GetKind() == "Deployment" {
			misspelt = object.DeepCopy()
		}
	}
	require.NoError(t, unstructured.SetNestedField(misspelt.Object, int64(3), "spec", "replicsa"))
	_, err := judge(t, []*unstructured.Unstructured{misspelt})
	require.ErrorContains(t, err, "replicsa")
}
