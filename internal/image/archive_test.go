package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// contents reads an archive into memory and checks that every blob is what its
// name says.
func contents(t *testing.T, path string) map[string][]byte {
	t.Helper()
	source, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close() //nolint:errcheck // only read
	files := map[string][]byte{}
	in := tar.NewReader(source)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[header.Name]; twice {
			t.Errorf("%s is in the archive twice", header.Name)
		}
		files[header.Name] = content
		if want, ok := strings.CutPrefix(header.Name, "blobs/sha256/"); ok {
			if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != want {
				t.Errorf("blob %s has other content than its name says", want)
			}
		}
	}
}

// parsed is an archive as an importer sees it.
type parsed struct {
	index    v1.IndexManifest
	manifest v1.Manifest
	config   v1.ConfigFile
	layers   [][]byte
}

func parse(t *testing.T, path string) parsed {
	t.Helper()
	files := contents(t, path)
	var p parsed
	decode := func(name string, into any) {
		if err := json.Unmarshal(files[name], into); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	decode("index.json", &p.index)
	if len(p.index.Manifests) != 1 {
		t.Fatalf("the index holds %d images, want 1", len(p.index.Manifests))
	}
	decode(blobName(p.index.Manifests[0].Digest), &p.manifest)
	decode(blobName(p.manifest.Config.Digest), &p.config)
	for _, l := range p.manifest.Layers {
		p.layers = append(p.layers, files[blobName(l.Digest)])
	}
	return p
}

// entries lists a layer as path, mode, link.
func entries(t *testing.T, layer []byte) map[string]*tar.Header {
	t.Helper()
	found := map[string]*tar.Header{}
	in := tar.NewReader(bytes.NewReader(layer))
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found["/"+strings.TrimSuffix(header.Name, "/")] = header
	}
}

func TestArchiveIsWhatAnImporterReads(t *testing.T) {
	b := open(t, sample(t), toolbox(t))
	archive := ensure(t, b, metricsServer)[0]
	p := parse(t, archive.Path)
	described := p.index.Manifests[0]
	if described.Digest.String() != archive.Digest {
		t.Errorf("the index names %s, the archive %s", described.Digest, archive.Digest)
	}
	for _, annotation := range []string{containerdName, layoutName} {
		if described.Annotations[annotation] != archive.Ref {
			t.Errorf("%s is %q, want %q", annotation, described.Annotations[annotation], archive.Ref)
		}
	}
	if diff := cmp.Diff(v1.Config{
		User: "65534:65534", Entrypoint: []string{"/metrics-server"}, WorkingDir: "/",
		Env: []string{"PATH=" + searchPath},
	}, p.config.Config); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if len(p.layers) != 2 || len(p.config.RootFS.DiffIDs) != 2 || len(p.config.History) != 2 {
		t.Fatalf("%d layers, %d contents, %d steps of history; want 2 of each",
			len(p.layers), len(p.config.RootFS.DiffIDs), len(p.config.History))
	}
	common := entries(t, p.layers[0])
	if tmp := common["/tmp"]; tmp == nil || tmp.Mode != 0o1777 || tmp.Typeflag != tar.TypeDir {
		t.Errorf("/tmp is %+v, want a directory anyone may write to", tmp)
	}
	if common["/etc"] == nil || common["/etc/passwd"] == nil {
		t.Error("the common layer lacks /etc or /etc/passwd")
	}
	program := entries(t, p.layers[1])["/metrics-server"]
	if program == nil || program.Mode != 0o755 || program.Uid != 0 || !program.ModTime.Equal(epoch) {
		t.Errorf("the program is %+v, want mode 755, root's, from the epoch", program)
	}
}

// The same inputs give the same bytes: in another cache, from a checkout and a
// tool directory elsewhere, at another time.
func TestImagesAreReproducible(t *testing.T) {
	var all [][]byte
	var digests []string
	for range 2 {
		tools := toolbox(t)
		path := filepath.Join(string(tools), "metrics-server")
		past := time.Now().Add(-time.Duration(len(all)+1) * time.Hour)
		if err := os.Chtimes(path, past, past); err != nil {
			t.Fatal(err)
		}
		b := open(t, sample(t), tools)
		for _, archive := range ensure(t, b, metricsServer, "registry.k8s.io/pause") {
			raw, err := os.ReadFile(archive.Path)
			if err != nil {
				t.Fatal(err)
			}
			all, digests = append(all, raw), append(digests, archive.Digest)
		}
	}
	for i := range 2 {
		if digests[i] != digests[i+2] || !bytes.Equal(all[i], all[i+2]) {
			t.Errorf("image %d: %s the first time, %s the second", i, digests[i], digests[i+2])
		}
	}
}

// Images around one program share its layer, so a node stores it once.
func TestOneProgramIsOneLayer(t *testing.T) {
	b := open(t, sample(t), toolbox(t))
	plant(t, b)
	archives := ensure(t, b, "quay.io/jetstack/cert-manager-controller", "quay.io/jetstack/cert-manager-webhook")
	one, two := parse(t, archives[0].Path), parse(t, archives[1].Path)
	if one.manifest.Layers[1].Digest != two.manifest.Layers[1].Digest {
		t.Error("the program's layer differs between controller and webhook")
	}
	link := entries(t, two.layers[2])["/app/cmd/webhook/webhook"]
	if link == nil || link.Linkname != "/app/cert-manager" || link.Mode != 0o777 {
		t.Errorf("the webhook's name is %+v, want a link to the program", link)
	}
	if got := two.config.Config.Entrypoint; len(got) != 1 || got[0] != "/app/cmd/webhook/webhook" {
		t.Errorf("the webhook starts as %v", got)
	}
}

// CoreDNS may open port 53 as a user; nothing else carries a privilege.
func TestOnlyCoreDNSMayBindLowPorts(t *testing.T) {
	b := open(t, sample(t), toolbox(t))
	plant(t, b)
	const attribute = "SCHILY.xattr.security.capability"
	for _, archive := range ensure(t, b, "registry.k8s.io/coredns/coredns", metricsServer, "docker.io/library/traefik") {
		for _, layer := range parse(t, archive.Path).layers {
			for path, header := range entries(t, layer) {
				want := ""
				if path == "/coredns" {
					want = string(bindService)
				}
				if got := header.PAXRecords[attribute]; got != want {
					t.Errorf("%s: %s has capabilities %q, want %q", archive.Ref, path, got, want)
				}
			}
		}
	}
}

// A program that changes between being measured and being packed must not end
// up in an archive under a wrong digest.
func TestChangeWhilePacking(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	for _, later := range []string{"other", "longer than before", "x"} {
		if err := os.WriteFile(path, []byte("first"), 0o755); err != nil {
			t.Fatal(err)
		}
		l, err := newLayer([]file{{Path: "/program", Mode: 0o755, From: path}})
		if err != nil {
			t.Fatal(err)
		}
		image, err := compose(v1.ConfigFile{OS: "linux"}, l)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(later), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := writeArchive(filepath.Join(t.TempDir(), "a.tar"), "x:1", image); err == nil {
			t.Errorf("a program that became %q was packed without an error", later)
		}
	}
}

// An image has no loader and no libraries, so a program that needs them is
// refused here and not by a pod that cannot start.
func TestDynamicProgramIsRefused(t *testing.T) {
	// The shell of every Debian is linked dynamically.
	shell, err := os.ReadFile("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	tools := toolbox(t)
	write(t, string(tools), map[string]string{"metrics-server": string(shell)})
	b := open(t, sample(t), tools)
	if _, err := b.Ensure(t.Context(), io.Discard, metricsServer); !errors.Is(err, ErrDynamic) {
		t.Errorf("error is %v, want ErrDynamic", err)
	}
	write(t, string(tools), map[string]string{"metrics-server": "#!/bin/sh\n"})
	if _, err := b.Ensure(t.Context(), io.Discard, metricsServer); err == nil {
		t.Error("a script was taken for a program")
	}
}
