package lab

import (
	"fmt"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func testValues() manifestValues {
	return manifestValues{
		AdminGroup: adminGroup,
		Domain:     ClusterDomain, PlatformDomain: PlatformDomain, PlatformDNS: PlatformDNS, ClusterDNS: ClusterDNS,
		DNSImage: DNSImage, MetricsImage: MetricsImage, ProvisionerImage: ProvisionerImage, HelperImage: HelperImage,
		VolumeSetup: volumeSetup(true), VolumeTeardown: volumeTeardown, VolumePaths: `{"nodePathMap":[]}`, VolumeChecksum: "abc",
		Authority: "Y2E=", MetricsCertificate: "Y3J0", MetricsKey: "a2V5",
	}
}

func TestAddonsGolden(t *testing.T) {
	var out strings.Builder
	for _, file := range manifestFiles {
		objects, err := render(file, testValues())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			path, err := o.path()
			if err != nil {
				t.Fatal(err)
			}
			encoded, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "# %s\n%s---\n", path, encoded)
		}
	}
	golden(t, "addons.golden", out.String())
}

// Each workload of the lab is as restricted as its work allows, and never
// asks a registry for its image.
func TestAddonWorkloadsAreModest(t *testing.T) {
	seen := 0
	for _, file := range manifestFiles {
		objects, err := render(file, testValues())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			if o["kind"] != "Deployment" {
				continue
			}
			seen++
			var d struct {
				Spec struct{ Template struct{ Spec podSpec } }
			}
			encoded, err := yaml.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := yaml.Unmarshal(encoded, &d); err != nil {
				t.Fatal(err)
			}
			pod := d.Spec.Template.Spec
			if !pod.SecurityContext.RunAsNonRoot || pod.SecurityContext.SeccompProfile.Type != "RuntimeDefault" {
				t.Errorf("%s may run as root or without seccomp", o)
			}
			for _, c := range pod.Containers {
				if c.ImagePullPolicy != "IfNotPresent" {
					t.Errorf("%s pulls its image: %s", o, c.ImagePullPolicy)
				}
				s := c.SecurityContext
				if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || strings.Join(s.Capabilities.Drop, "") != "ALL" {
					t.Errorf("%s: container %s is not restricted: %+v", o, c.Name, s)
				}
				if c.Resources.Limits["memory"] == "" || c.Resources.Requests["cpu"] == "" {
					t.Errorf("%s: container %s has no bounds", o, c.Name)
				}
			}
		}
	}
	if seen != 3 {
		t.Errorf("judged %d workloads, there are 3", seen)
	}
}

type podSpec struct {
	SecurityContext struct {
		RunAsNonRoot   bool
		SeccompProfile struct{ Type string }
	}
	Containers []struct {
		Name, Image, ImagePullPolicy string
		Resources                    struct{ Limits, Requests map[string]string }
		SecurityContext              struct {
			AllowPrivilegeEscalation *bool
			ReadOnlyRootFilesystem   bool
			Capabilities             struct{ Drop []string }
		}
	}
}

func TestObjectPaths(t *testing.T) {
	made := func(version, kind, ns, name string) object {
		return object{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": name, "namespace": ns}}
	}
	for _, test := range []struct {
		o    object
		want string
	}{
		{made("v1", "ConfigMap", "kube-system", "x"), "/api/v1/namespaces/kube-system/configmaps/x"},
		{made("v1", "Namespace", "", "x"), "/api/v1/namespaces/x"},
		{made("apps/v1", "Deployment", "a", "x"), "/apis/apps/v1/namespaces/a/deployments/x"},
		{made("networking.k8s.io/v1", "NetworkPolicy", "a", "x"), "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies/x"},
		{made("apiregistration.k8s.io/v1", "APIService", "", "v1.x"), "/apis/apiregistration.k8s.io/v1/apiservices/v1.x"},
		{made("v1", "Frob", "a", "x"), ""},
		{made("", "ConfigMap", "a", "x"), ""},
		{made("v1", "ConfigMap", "a", ""), ""},
	} {
		got, err := test.o.path()
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("%v: %q, %v; want %q", test.o, got, err, test.want)
		}
	}
}
