// Command program makes one resource of each kind of the random package, or
// fails in the way that the configuration key scenario asks for.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() { pulumi.Run(run) }

func run(ctx *pulumi.Context) error {
	fmt.Println("this is standard output")
	fmt.Fprintln(os.Stderr, "this is standard error")
	cfg := config.New(ctx, "")
	switch scenario := cfg.Require("scenario"); scenario {
	case "good":
		return declare(ctx, cfg)
	case "error":
		return errors.New("the moon is in the wrong house")
	case "panic":
		panic("the moon fell down")
	case "exit":
		os.Exit(3)
	case "hang":
		return hang(cfg.Require("pids"))
	default:
		return fmt.Errorf("there is no scenario %q", scenario)
	}
	return nil
}

// hang waits for ever with a child, whose and its own process IDs it writes to
// a file.
func hang(path string) error {
	child := exec.Command("sleep", "3600")
	if err := child.Start(); err != nil {
		return err
	}
	if err := os.WriteFile(path+".partial", fmt.Appendf(nil, "%d %d", os.Getpid(), child.Process.Pid), 0o600); err != nil {
		return err
	}
	if err := os.Rename(path+".partial", path); err != nil {
		return err
	}
	time.Sleep(time.Hour)
	return nil
}

func declare(ctx *pulumi.Context, cfg *config.Config) error {
	provider, err := random.NewProvider(ctx, "random", nil)
	if err != nil {
		return err
	}
	with := pulumi.Provider(provider)
	keepers := pulumi.StringMap{"keeper": pulumi.String(cfg.Require("keeper"))}

	password, err := random.NewRandomPassword(ctx, "password", &random.RandomPasswordArgs{
		Length: pulumi.Int(cfg.RequireInt("length")), Keepers: keepers,
	}, with)
	if err != nil {
		return err
	}
	text, err := random.NewRandomString(ctx, "string", &random.RandomStringArgs{Length: pulumi.Int(9), Special: pulumi.Bool(false)}, with)
	if err != nil {
		return err
	}
	secret, err := random.NewRandomBytes(ctx, "bytes", &random.RandomBytesArgs{Length: pulumi.Int(24)}, with)
	if err != nil {
		return err
	}
	id, err := random.NewRandomId(ctx, "id", &random.RandomIdArgs{ByteLength: pulumi.Int(8), Prefix: pulumi.String("web-")}, with)
	if err != nil {
		return err
	}
	// What depends on a random value is unknown until that value exists.
	number, err := random.NewRandomInteger(ctx, "integer", &random.RandomIntegerArgs{
		Min: pulumi.Int(1), Max: pulumi.Int(3), Seed: text.Result,
	}, with)
	if err != nil {
		return err
	}
	pet, err := random.NewRandomPet(ctx, "pet", &random.RandomPetArgs{Prefix: id.Hex}, with)
	if err != nil {
		return err
	}
	shuffle, err := random.NewRandomShuffle(ctx, "shuffle", &random.RandomShuffleArgs{
		Inputs: pulumi.ToStringArray([]string{"a", "b", "c"}), Seed: pulumi.String("seed"),
	}, with)
	if err != nil {
		return err
	}
	uuid, err := random.NewRandomUuid(ctx, "uuid", nil, with)
	if err != nil {
		return err
	}
	ctx.Export("password", password.Result)
	ctx.Export("hash", password.BcryptHash)
	ctx.Export("bytes", secret.Base64)
	ctx.Export("hex", secret.Hex)
	ctx.Export("string", text.Result)
	ctx.Export("number", number.Result)
	ctx.Export("pet", pet.ID())
	ctx.Export("shuffle", shuffle.Results)
	ctx.Export("uuid", uuid.Result)
	return nil
}
