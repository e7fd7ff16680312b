package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// TypeToken is stored in the state of every stack. Change it only together
// with an alias carrying the old type.
const TypeToken = "slipway:registry:Registry"

// Args describes the repositories of one account.
type Args struct {
	// Prefix is what repositories are called before a slash. Required.
	Prefix string
	// Images are the repositories below it. At least one.
	Images []string
	// KeyARN encrypts the images. Required. A change replaces the repositories.
	KeyARN pulumi.StringInput
	// Keep is how many images each repository holds; the oldest goes. Required,
	// and more than anybody rolls back.
	Keep int
	// Unprotected lets a destroy delete repositories, provided they are empty.
	// Default: guarded.
	Unprotected bool
}

// Registry is a set of repositories.
type Registry struct {
	pulumi.ResourceState

	// URLs are where images are pushed and pulled, by image.
	URLs pulumi.StringMapOutput `pulumi:"urls"`
}

var repository = regexp.MustCompile(`^[a-z0-9]+([._/-][a-z0-9]+)*$`)

// Check reports every fault of the arguments, each with its path.
func (args Args) Check() error {
	var faults []error
	fault := func(path, format string, values ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
	}
	if !repository.MatchString(args.Prefix) {
		fault("prefix", "%q is not a repository name", args.Prefix)
	}
	if len(args.Images) == 0 {
		fault("images", "is empty, there must be at least one")
	}
	for i, image := range args.Images {
		at := fmt.Sprintf("images[%d]", i)
		if !repository.MatchString(image) {
			fault(at, "%q is not a repository name", image)
		} else if slices.Index(args.Images, image) < i {
			fault(at, "%s is there twice", image)
		}
	}
	if args.KeyARN == nil {
		fault("keyARN", "is not set")
	}
	if args.Keep < 2 {
		fault("keep", "is %d, must be at least 2: the one that runs and the one before", args.Keep)
	}
	return errors.Join(faults...)
}

// New declares repositories.
func New(ctx *pulumi.Context, name string, args Args, opts ...pulumi.ResourceOption) (*Registry, error) {
	if err := args.Check(); err != nil {
		return nil, fmt.Errorf("registry %q: %w", name, err)
	}
	args.Images = slices.Clone(args.Images)
	registry := &Registry{}
	if err := ctx.RegisterComponentResource(TypeToken, name, registry, opts...); err != nil {
		return nil, fmt.Errorf("registering registry %q: %w", name, err)
	}
	if err := registry.build(ctx, name, args); err != nil {
		return nil, fmt.Errorf("building registry %q: %w", name, err)
	}
	if err := ctx.RegisterResourceOutputs(registry, pulumi.Map{"urls": registry.URLs}); err != nil {
		return nil, fmt.Errorf("publishing registry %q: %w", name, err)
	}
	return registry, nil
}

func (r *Registry) build(ctx *pulumi.Context, name string, args Args) error {
	policy, err := lifecycle(args.Keep)
	if err != nil {
		return err
	}
	urls := pulumi.StringMap{}
	for _, image := range args.Images {
		made, err := ecr.NewRepository(ctx, name+"-"+image, &ecr.RepositoryArgs{
			Name: pulumi.String(args.Prefix + "/" + image), ImageTagMutability: pulumi.String("IMMUTABLE"),
			ImageScanningConfiguration: ecr.RepositoryImageScanningConfigurationArgs{ScanOnPush: pulumi.Bool(true)},
			EncryptionConfigurations: ecr.RepositoryEncryptionConfigurationArray{ecr.RepositoryEncryptionConfigurationArgs{
				EncryptionType: pulumi.String("KMS"), KmsKey: args.KeyARN.ToStringOutput(),
			}},
		}, component.Under(r, component.Guard(args.Unprotected).Options()...)...)
		if err != nil {
			return fmt.Errorf("creating repository %s: %w", image, err)
		}
		// A repository has one policy, and a changed one is another: the old one
		// deleted last would leave none.
		if _, err := ecr.NewLifecyclePolicy(ctx, name+"-"+image+"-ageing", &ecr.LifecyclePolicyArgs{
			Repository: made.Name, Policy: pulumi.String(policy),
		}, component.Under(r, pulumi.DeleteBeforeReplace(true))...); err != nil {
			return fmt.Errorf("deciding what repository %s keeps: %w", image, err)
		}
		urls[image] = made.RepositoryUrl
	}
	r.URLs = urls.ToStringMapOutput()
	return nil
}

// lifecycle keeps the newest images, and what has no tag for a week.
func lifecycle(keep int) (string, error) {
	rule := func(priority int, description string, selection map[string]any) map[string]any {
		return map[string]any{
			"rulePriority": priority, "description": description, "selection": selection, "action": map[string]string{"type": "expire"},
		}
	}
	raw, err := json.Marshal(map[string]any{"rules": []any{
		rule(1, "Without a tag", map[string]any{
			"tagStatus": "untagged", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 7,
		}),
		rule(2, "The oldest", map[string]any{"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": keep}),
	}})
	if err != nil {
		return "", fmt.Errorf("writing the lifecycle: %w", err)
	}
	return string(raw), nil
}
