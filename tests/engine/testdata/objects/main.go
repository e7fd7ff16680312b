// Command objects declares the resources that a file lists, against a provider
// that writes Kubernetes objects to files instead of sending them to a cluster.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

type object struct{ pulumi.CustomResourceState }

type provider struct{ pulumi.ProviderResourceState }

// resource is one line of the list. In its properties the text @pet stands for
// a word that is drawn when the stack is updated and not known before, and a
// text that begins with @hidden is secret.
type resource struct {
	Type   string         `json:"type"`
	Name   string         `json:"name"`
	Inputs map[string]any `json:"inputs"`
}

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		cfg := config.New(ctx, "")
		raw, err := os.ReadFile(cfg.Require("resources"))
		if err != nil {
			return err
		}
		var resources []resource
		if err := json.Unmarshal(raw, &resources); err != nil {
			return err
		}
		cluster := &provider{}
		if err := ctx.RegisterResource("pulumi:providers:kubernetes", "files",
			pulumi.Map{"renderYamlToDirectory": pulumi.String(cfg.Require("directory"))}, cluster); err != nil {
			return err
		}
		drawn := &random.Provider{}
		if err := ctx.RegisterResource("pulumi:providers:random", "drawn", pulumi.Map{}, drawn); err != nil {
			return err
		}
		pet, err := random.NewRandomPet(ctx, "pet", nil, pulumi.Provider(drawn))
		if err != nil {
			return err
		}
		for _, r := range resources {
			inputs, ok := input(r.Inputs, pet).(pulumi.Map)
			if !ok {
				return fmt.Errorf("%s has no inputs", r.Name)
			}
			if err := ctx.RegisterResource(r.Type, r.Name, inputs, &object{}, pulumi.Provider(cluster)); err != nil {
				return err
			}
		}
		return nil
	})
}

func input(value any, pet *random.RandomPet) pulumi.Input {
	switch v := value.(type) {
	case map[string]any:
		m := pulumi.Map{}
		for key, inner := range v {
			if made := input(inner, pet); made != nil {
				m[key] = made
			}
		}
		return m
	case []any:
		a := pulumi.Array{}
		for _, inner := range v {
			a = append(a, input(inner, pet))
		}
		return a
	case string:
		if hidden, found := strings.CutPrefix(v, "@hidden "); found {
			return pulumi.ToSecret(pulumi.String(hidden))
		}
		if before, after, found := strings.Cut(v, "@pet"); found {
			return pulumi.Sprintf("%s%s%s", before, pet.ID(), after)
		}
		return pulumi.String(v)
	case float64:
		return pulumi.Float64(v)
	case bool:
		return pulumi.Bool(v)
	default:
		return nil
	}
}
