// Command shop declares what shop.json lists, so that a commit decides what
// exists without being another program to compile.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() { pulumi.Run(run) }

type item struct {
	Kind, Name, Keeper, Alias string
	Protect                   bool
	// In is the type token of a component to put it into.
	In string
	// Type and Inputs are those of an object in a cluster.
	Type   string
	Inputs map[string]any
}

type (
	box      struct{ pulumi.ResourceState }
	object   struct{ pulumi.CustomResourceState }
	provider struct{ pulumi.ProviderResourceState }
)

// kubeconfig leads to the simulated cluster of the tests.
const kubeconfig = `{"current-context":"c","contexts":[{"name":"c","context":{"cluster":"d"}}],"clusters":[{"name":"d","cluster":{"server":"https://yard.example.test"}}]}`

func run(ctx *pulumi.Context) error {
	raw, err := os.ReadFile("shop.json")
	if err != nil {
		return err
	}
	var items []item
	if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	drawn, err := random.NewProvider(ctx, "random", nil)
	if err != nil {
		return err
	}
	cluster, identifier := &provider{}, "yard"
	if i := slices.IndexFunc(items, func(it item) bool { return it.Kind == "cluster" }); i >= 0 {
		identifier = items[i].Name
		items = slices.Delete(items, i, i+1)
	}
	if slices.ContainsFunc(items, func(it item) bool { return it.Kind == "object" }) {
		if err := ctx.RegisterResource("pulumi:providers:kubernetes", "cluster",
			pulumi.Map{"kubeconfig": pulumi.String(kubeconfig), "clusterIdentifier": pulumi.String(identifier)}, cluster); err != nil {
			return err
		}
	}
	boxes := map[string]*box{}
	var namespaces []pulumi.Resource
	for _, it := range items {
		opts := []pulumi.ResourceOption{pulumi.Provider(drawn), pulumi.Protect(it.Protect)}
		if it.Kind == "object" {
			opts[0] = pulumi.Provider(cluster)
			opts = append(opts, pulumi.DependsOn(namespaces))
		}
		if it.In != "" {
			if boxes[it.In] == nil {
				boxes[it.In] = &box{}
				if err := ctx.RegisterComponentResource(it.In, "box", boxes[it.In]); err != nil {
					return err
				}
			}
			opts = append(opts, pulumi.Parent(boxes[it.In]))
		}
		if it.Alias != "" {
			opts = append(opts, pulumi.Aliases([]pulumi.Alias{{Name: pulumi.String(it.Alias)}}))
		}
		made, err := declare(ctx, it, opts)
		if err != nil {
			return err
		}
		if it.Type == "kubernetes:core/v1:Namespace" {
			namespaces = append(namespaces, made)
		}
	}
	ctx.Export("greeting", pulumi.String(config.Get(ctx, "greeting")))
	return nil
}

func declare(ctx *pulumi.Context, it item, opts []pulumi.ResourceOption) (pulumi.Resource, error) {
	keepers := pulumi.StringMap{"keeper": pulumi.String(it.Keeper)}
	switch it.Kind {
	case "pet":
		pet, err := random.NewRandomPet(ctx, it.Name, &random.RandomPetArgs{Keepers: keepers}, opts...)
		if err == nil {
			ctx.Export(it.Name, pet.ID())
		}
		return pet, err
	case "password":
		password, err := random.NewRandomPassword(ctx, it.Name, &random.RandomPasswordArgs{Length: pulumi.Int(12), Keepers: keepers}, opts...)
		if err == nil {
			ctx.Export(it.Name, password.Result)
		}
		return password, err
	case "output":
		ctx.Export(it.Name, input(it.Inputs["value"]))
		return nil, nil
	case "object":
		inputs, ok := input(it.Inputs).(pulumi.Map)
		if !ok {
			return nil, fmt.Errorf("%s has no inputs", it.Name)
		}
		made := &object{}
		return made, ctx.RegisterResource(it.Type, it.Name, inputs, made, opts...)
	}
	return nil, fmt.Errorf("there is no kind %q", it.Kind)
}

func input(value any) pulumi.Input {
	switch v := value.(type) {
	case map[string]any:
		m := pulumi.Map{}
		for key, inner := range v {
			m[key] = input(inner)
		}
		return m
	case []any:
		a := pulumi.Array{}
		for _, inner := range v {
			a = append(a, input(inner))
		}
		return a
	case string:
		return pulumi.String(v)
	case float64:
		return pulumi.Float64(v)
	case bool:
		return pulumi.Bool(v)
	}
	return nil
}
