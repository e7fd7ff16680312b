package graph

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"sigs.k8s.io/yaml"
)

// Judges that are not ours read manifests. scripts/kube-judges has this test
// write what each environment puts into its cluster in that form, with -judged.

func TestManifests(t *testing.T) {
	for _, stack := range environments {
		t.Run(stack, func(t *testing.T) {
			var all bytes.Buffer
			count := 0
			for _, node := range engineNamed(t, stack, false).Of("kubernetes:") {
				inputs := node.Inputs
				if with := named(node.TypeToken, node.Name, inputs); with != nil {
					inputs = with
				}
				object, _ := manifest(resource.NewProperty(inputs)).(map[string]any)
				group := strings.Split(node.TypeToken, ":")[1]
				object["apiVersion"], object["kind"] = strings.TrimPrefix(group, "core/"), node.TypeToken[strings.LastIndex(node.TypeToken, ":")+1:]
				text, err := yaml.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				all.WriteString("---\n")
				all.Write(text)
				count++
			}
			if count < 80 {
				t.Errorf("only %d objects are judged", count)
			}
			if *judgedTo == "" {
				return
			}
			dir := filepath.Join(*judgedTo, stack)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "manifests.yaml"), all.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// manifest is a value as one writes it by hand. What is secret becomes a word
// that is base64 as well.
func manifest(v resource.PropertyValue) any {
	switch {
	case v.IsSecret(), v.IsOutput() && v.OutputValue().Secret:
		inner := v
		if v.IsSecret() {
			inner = v.SecretValue().Element
		} else {
			inner = v.OutputValue().Element
		}
		if inner.IsObject() {
			hidden := map[string]any{}
			for key := range inner.ObjectValue() {
				hidden[string(key)] = "c2VjcmV0"
			}
			return hidden
		}
		return "c2VjcmV0"
	case v.IsOutput():
		return manifest(v.OutputValue().Element)
	case v.IsObject():
		tree := map[string]any{}
		for key, inner := range v.ObjectValue() {
			tree[string(key)] = manifest(inner)
		}
		return tree
	case v.IsArray():
		list := []any{}
		for _, inner := range v.ArrayValue() {
			list = append(list, manifest(inner))
		}
		return list
	case v.IsNull():
		return nil
	default:
		return v.V
	}
}
