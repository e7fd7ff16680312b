package storage

import (
	"flag"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func declare(args Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		providers, err := componenttest.Provider(ctx)
		if err != nil {
			return err
		}
		_, err = New(ctx, "storage", args, providers)
		return err
	}
}

func TestNewDeclaresTwoClasses(t *testing.T) {
	args := Args{Provisioner: "rancher.io/local-path"}
	componenttest.Both(t, declare(args), func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "storage")
		got, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		componenttest.Golden(t, "local", got, *update)
	})
}

func TestNewInTheCloud(t *testing.T) {
	args := Args{
		Provisioner: "ebs.csi.aws.com", Parameters: map[string]string{"type": "gp3", "encrypted": "true"},
		Computed: pulumi.StringMap{"kmsKeyId": pulumi.String("arn:aws:kms:k")}, Snapshots: true,
	}
	componenttest.Both(t, declare(args), func(t *testing.T, g *componenttest.Graph) {
		g.RequireOwned(t)
		g.RequireNames(t, "storage")
		got, err := g.Render()
		if err != nil {
			t.Fatal(err)
		}
		componenttest.Golden(t, "cloud", got, *update)
	})
}

func TestExpansionFollowsTheProvisioner(t *testing.T) {
	yes, no := true, false
	for name, test := range map[string]struct {
		args Args
		want bool
	}{
		"local-path cannot":     {Args{Provisioner: "rancher.io/local-path"}, false},
		"EBS can":               {Args{Provisioner: "ebs.csi.aws.com"}, true},
		"unknown ones may not":  {Args{Provisioner: "example.org/disk"}, false},
		"unless told they can":  {Args{Provisioner: "example.org/disk", Expandable: &yes}, true},
		"or that they must not": {Args{Provisioner: "ebs.csi.aws.com", Expandable: &no}, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := &componenttest.Graph{}
			g.Run(t, declare(test.args))
			node := g.One(t, "kubernetes:storage.k8s.io/v1:StorageClass", "storage-retain")
			got, ok := node.Path("allowVolumeExpansion")
			if !ok || !got.IsBool() || got.BoolValue() != test.want {
				t.Errorf("allowVolumeExpansion is %v, want %v", got, test.want)
			}
		})
	}
}

func TestResolveCopiesParameters(t *testing.T) {
	given := map[string]string{"type": "gp3"}
	got, err := resolve(Args{Provisioner: "ebs.csi.aws.com", Parameters: given})
	if err != nil {
		t.Fatal(err)
	}
	given["type"] = "io2"
	if got.parameters["type"] != pulumi.String("gp3") {
		t.Error("the plan changes with the caller's map")
	}
}

func TestResolveReportsEveryFault(t *testing.T) {
	for name, test := range map[string]struct {
		args Args
		want []string
	}{
		"no provisioner": {Args{}, []string{"provisioner: is empty"}},
		"not a name":     {Args{Provisioner: "local path"}, []string{`provisioner: "local path" is not a name`}},
		"in both": {
			Args{Provisioner: "x", Parameters: map[string]string{"a": "1"}, Computed: pulumi.StringMap{"a": pulumi.String("2")}},
			[]string{"computed.a: is in parameters, too"},
		},
		"all at once": {
			Args{Provisioner: "-x", Parameters: map[string]string{"": "a"}},
			[]string{`provisioner: "-x" is not a name`, "parameters: has an empty key"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := &componenttest.Graph{}
			err := g.Try(t, declare(test.args))
			if err == nil {
				t.Fatal("no fault was found")
			}
			for _, want := range append(test.want, `storage "storage": `) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not contain %q", err, want)
				}
			}
			if g.Has(TypeToken, "storage") {
				t.Error("the component was registered in spite of the fault")
			}
		})
	}
}

func TestTypeTokenIsFrozen(t *testing.T) {
	if TypeToken != "slipway:storage:Storage" {
		t.Errorf("type token %q: both storage classes would be replaced", TypeToken)
	}
}
