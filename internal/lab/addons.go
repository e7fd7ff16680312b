package lab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/template"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"
)

// Images of the add-ons.
const (
	DNSImage         = "registry.k8s.io/coredns/coredns:v1.14.0"
	MetricsImage     = "registry.k8s.io/metrics-server/metrics-server:v0.8.0"
	ProvisionerImage = "docker.io/rancher/local-path-provisioner:v0.0.30"
	HelperImage      = "docker.io/library/busybox:1.35"
)

// Images lists what the lab itself runs; load them, or its add-ons stay
// pending. The first two are enough for DNS to answer.
func Images() []string {
	return []string{PauseImage, DNSImage, MetricsImage, ProvisionerImage, HelperImage}
}

//go:embed manifests/*.yaml
var manifests embed.FS

// manifestFiles in the order they are applied; the first grants access.
var manifestFiles = []string{"access.yaml", "dns.yaml", "storage.yaml", "metrics.yaml"}

// manifestValues fill the templates.
type manifestValues struct {
	AdminGroup                                               string
	Domain, PlatformDomain, PlatformDNS, ClusterDNS          string
	DNSImage, MetricsImage, ProvisionerImage, HelperImage    string
	VolumePaths, VolumeSetup, VolumeTeardown, VolumeChecksum string
	// Base64 of PEM.
	Authority, MetricsCertificate, MetricsKey string
}

// applyAddons makes the cluster's add-ons what the manifests say. Without
// their images only the workloads that exist already are applied: pods that
// wait for an image are asked about again so rarely that they would delay a
// new lab by a quarter of a minute. Load declares the rest.
func (l *Lab) applyAddons(ctx context.Context, imagesLoaded bool) error {
	values, err := l.manifestValues()
	if err != nil {
		return err
	}
	client, err := l.api()
	if err != nil {
		return err
	}
	for _, file := range manifestFiles {
		objects, err := render(file, values)
		if err != nil {
			return err
		}
		// A namespace comes first in its file, the rest has no order.
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(8)
		for _, o := range objects {
			if o["kind"] == "Namespace" {
				if err := client.apply(ctx, o); err != nil {
					return err
				}
				continue
			}
			group.Go(func() error {
				if o["kind"] == "Deployment" && !imagesLoaded {
					if exists, err := client.exists(ctx, o); err != nil || !exists {
						return err
					}
				}
				return client.apply(ctx, o)
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) manifestValues() (manifestValues, error) {
	v := manifestValues{
		AdminGroup: adminGroup,
		Domain:     ClusterDomain, PlatformDomain: PlatformDomain, PlatformDNS: PlatformDNS, ClusterDNS: ClusterDNS,
		DNSImage: DNSImage, MetricsImage: MetricsImage, ProvisionerImage: ProvisionerImage, HelperImage: HelperImage,
		VolumeSetup: volumeSetup(canBoundVolumes()), VolumeTeardown: volumeTeardown,
	}
	type nodePath struct {
		Node  string   `json:"node"`
		Paths []string `json:"paths"`
	}
	var paths []nodePath
	for i := MinNodes; i <= MaxNodes; i++ {
		name := place(i).Name
		paths = append(paths, nodePath{name, []string{l.volumes(name)}})
	}
	encoded, err := json.Marshal(map[string]any{"nodePathMap": paths})
	if err != nil {
		return v, fmt.Errorf("encoding the volume directories: %w", err)
	}
	v.VolumePaths = string(encoded)
	sum := sha256.Sum256([]byte(v.VolumePaths + v.VolumeSetup + v.VolumeTeardown))
	v.VolumeChecksum = hex.EncodeToString(sum[:6])
	for file, into := range map[string]*string{
		"ca.crt": &v.Authority, "metrics-server.crt": &v.MetricsCertificate, "metrics-server.key": &v.MetricsKey,
	} {
		content, err := os.ReadFile(l.pki(file))
		if err != nil {
			return v, fmt.Errorf("reading the certificate of an add-on: %w", err)
		}
		*into = base64.StdEncoding.EncodeToString(content)
	}
	return v, nil
}

// render fills one manifest file and splits it into objects.
func render(file string, values manifestValues) ([]object, error) {
	source, err := manifests.ReadFile("manifests/" + file)
	if err != nil {
		return nil, fmt.Errorf("reading manifest %s: %w", file, err)
	}
	functions := template.FuncMap{"indent": func(n int, text string) string {
		pad := strings.Repeat(" ", n)
		return pad + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+pad)
	}}
	parsed, err := template.New(file).Funcs(functions).Option("missingkey=error").Parse(string(source))
	if err != nil {
		return nil, fmt.Errorf("parsing manifest %s: %w", file, err)
	}
	var filled bytes.Buffer
	if err := parsed.Execute(&filled, values); err != nil {
		return nil, fmt.Errorf("filling manifest %s: %w", file, err)
	}
	var objects []object
	for i, document := range strings.Split(filled.String(), "\n---\n") {
		var o object
		if err := yaml.UnmarshalStrict([]byte(document), &o); err != nil {
			return nil, fmt.Errorf("parsing document %d of manifest %s: %w", i+1, file, err)
		}
		if _, err := o.path(); err != nil {
			return nil, fmt.Errorf("document %d of manifest %s: %w", i+1, file, err)
		}
		objects = append(objects, o)
	}
	return objects, nil
}
