package stacks

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/bucket"
	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/delivery"
	keys "slipway.dev/slipway/components/key"
	"slipway.dev/slipway/components/registry"
)

// Bootstrap is what an account needs once, before the first environment.
type Bootstrap struct{ outputs pulumi.Map }

// Export publishes what environments and CI are told.
func (b Bootstrap) Export(ctx *pulumi.Context) {
	for name, value := range b.outputs {
		ctx.Export(name, value)
	}
}

// stateBucket is where Pulumi's own state is.
func (a AWS) stateBucket() string { return component.Platform + "-state-" + a.Account }

// stateArgs are that bucket as far as settings decide it.
func (s Settings) stateArgs(keyARN pulumi.StringInput) bucket.Args {
	return bucket.Args{
		Bucket: s.AWS.stateBucket(), Account: s.AWS.Account, KeyARN: keyARN,
		OldVersionDays: s.Account.StateDays, Unprotected: s.AWS.Unprotected,
	}
}

// registryArgs are the repositories as far as settings decide them. What they
// hold is what the checkout builds.
func (s Settings) registryArgs(keyARN pulumi.StringInput) registry.Args {
	var images []string
	for _, repository := range append([]string{
		apiRepository, benchmarkRepository, collectorRepository, discoveryRepository, migratorRepository, monitoringRepository, poolerRepository, postgresRepository,
		proxyRepository, stateMetricsRepository,
	}, certManagerRepositories...) {
		images = append(images, repository[1:])
	}
	return registry.Args{
		Prefix: component.Platform, Images: images, KeyARN: keyARN, Keep: s.Account.KeepImages, Unprotected: s.AWS.Unprotected,
	}
}

// deliveryArgs are the roles of CI as far as settings decide them.
func (s Settings) deliveryArgs(state, secrets pulumi.StringInput) delivery.Args {
	return delivery.Args{
		Account: s.AWS.Account, Region: s.AWS.Region, Repository: s.Account.Repository, Environments: s.Account.Environments, People: s.Account.People,
		Prefix: component.Platform, StateBucket: s.AWS.stateBucket(), StateKeyARN: state, SecretsKeyARN: secrets,
	}
}

// bootstrap makes the state's bucket and keys, the registry, and the roles of
// CI.
func bootstrap(ctx *pulumi.Context, settings Settings) (Declared, error) {
	g := &ground{ctx: ctx, settings: settings, AWS: settings.AWS, name: component.Platform}
	var err error
	if g.cloud, err = g.provider("aws", g.Region); err != nil {
		return nil, err
	}
	if _, err := g.checkPlace(); err != nil {
		return nil, err
	}
	g.near = pulumi.Providers(g.cloud)
	made := map[string]*keys.Key{}
	for _, one := range []struct{ role, description string }{
		{"state", "Pulumi's state, and images"}, {"config", "Secrets in Pulumi's state and configuration"},
	} {
		made[one.role], err = keys.New(ctx, "key-"+one.role, keys.Args{
			Alias: g.name + "/" + one.role, Description: one.description, Account: g.Account, Region: g.Region, Unprotected: g.Unprotected,
		}, g.near)
		if err != nil {
			return nil, err
		}
	}
	state, err := bucket.New(ctx, "state", settings.stateArgs(made["state"].ARN), g.near)
	if err != nil {
		return nil, err
	}
	images, err := registry.New(ctx, "registry", settings.registryArgs(made["state"].ARN), g.near)
	if err != nil {
		return nil, err
	}
	roles, err := delivery.New(ctx, "delivery", settings.deliveryArgs(made["state"].ARN, made["config"].ARN), g.near)
	if err != nil {
		return nil, err
	}
	return Bootstrap{pulumi.Map{
		"backendUrl":      pulumi.Sprintf("s3://%s?region=%s&awssdk=v2", state.Name, g.Region),
		"secretsProvider": pulumi.Sprintf("awskms:///%s?region=%s", made["config"].ARN, g.Region),
		"repositories":    images.URLs, "roles": roles.Roles,
	}}, nil
}

// checkBootstrap holds the settings of an account against the rules of the
// components they go to.
func (s Settings) checkBootstrap(f *faults) {
	s.AWS.checkPlace(f)
	f.take("account.", s.stateArgs(later).Check(), "bucket", "account", "oldVersionDays")
	f.take("account.", s.registryArgs(later).Check(), "prefix", "keep")
	f.take("account.", s.deliveryArgs(later, later).Check(), "account", "region")
}
