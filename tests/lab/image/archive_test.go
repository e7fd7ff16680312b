//go:build lab

package image_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// archive is one read into memory.
type archive struct {
	manifest v1.Manifest
	config   v1.ConfigFile
	files    map[string][]byte
}

func read(t *testing.T, path string) archive {
	t.Helper()
	source, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close() //nolint:errcheck // only read
	a := archive{files: map[string][]byte{}}
	in := tar.NewReader(source)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if a.files[header.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
	decode := func(name string, into any) {
		if err := json.Unmarshal(a.files[name], into); err != nil {
			t.Fatalf("%s: %s: %v", path, name, err)
		}
	}
	var index v1.IndexManifest
	decode("index.json", &index)
	decode(blob(index.Manifests[0].Digest), &a.manifest)
	decode(blob(a.manifest.Config.Digest), &a.config)
	return a
}

func blob(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

// layers lists the digests of an archive's layers, the base first.
func layers(t *testing.T, path string) []string {
	t.Helper()
	var digests []string
	for _, layer := range read(t, path).manifest.Layers {
		digests = append(digests, layer.Digest.String())
	}
	return digests
}

// names lists what a layer holds, without a leading ./
func names(t *testing.T, layer []byte) []string {
	t.Helper()
	var found []string
	in := tar.NewReader(bytes.NewReader(layer))
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, strings.TrimPrefix(header.Name, "./"))
	}
}
