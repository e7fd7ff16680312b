package postgres

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
)

// passwordLength gives 190 bits. Letters and digits only: the password is part
// of files with their own ideas of quoting.
const passwordLength = 32

// passwords of the cluster. There is none of the superuser.
type passwords struct{ owner, replication, rewind, rest pulumi.StringOutput }

func (b *builder) makePasswords() error {
	for _, one := range []struct {
		role string
		into *pulumi.StringOutput
	}{
		{"owner", &b.passwords.owner}, {"replication", &b.passwords.replication},
		{"rewind", &b.passwords.rewind}, {"restapi", &b.passwords.rest},
	} {
		made, err := random.NewRandomPassword(b.ctx, b.plan.name+"-"+one.role+"-password", &random.RandomPasswordArgs{
			Length: pulumi.Int(passwordLength), Special: pulumi.Bool(false),
		}, b.under(b.stance().Options()...)...)
		if err != nil {
			return fmt.Errorf("making the password of %s: %w", one.role, err)
		}
		// The provider says so too; a plugin that forgets must not matter.
		*one.into = pulumi.ToSecret(made.Result).(pulumi.StringOutput)
	}
	return nil
}

// configure declares the files that members and poolers mount. They keep their
// names when their content changes: pods see it within a minute and reload.
func (b *builder) configure() error {
	p := b.plan
	var err error
	b.credentials, err = corev1.NewSecret(b.ctx, p.name+"-credentials", &corev1.SecretArgs{
		Metadata: b.meta(p.name+"-credentials", memberPart),
		StringData: pulumi.StringMap{
			"owner": b.passwords.owner, "replication": b.passwords.replication,
			"rewind": b.passwords.rewind, "restapi": b.passwords.rest,
		},
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("storing the passwords: %w", err)
	}
	files, err := p.settings()
	if err != nil {
		return err
	}
	b.settings, err = corev1.NewConfigMap(b.ctx, p.name+"-settings", &corev1.ConfigMapArgs{
		Metadata: b.meta(p.name+"-settings", memberPart),
		Data:     component.StringMap(files),
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("storing the settings: %w", err)
	}
	return nil
}

// certificate is a cert-manager Certificate, as far as it is used here.
type certificate struct {
	role, part string
	// names are services, hosts other names.
	names, hosts []string
	// commonName, when set, is by which its owner is known as a client.
	commonName string
}

// certify asks for one certificate for the members, one for the poolers, and one
// for the repository.
func (b *builder) certify() error {
	p := b.plan
	if p.TLS == nil {
		return nil
	}
	var poolers []string
	for _, one := range p.poolers() {
		poolers = append(poolers, one.name)
	}
	members := certificate{
		role: p.name, part: memberPart, names: []string{p.name + "-" + primary, p.name + "-" + replica, p.name + "-members"},
	}
	wanted := []certificate{{role: p.name + "-pooler", part: "pooler", names: poolers}}
	if p.Backups != nil {
		members.commonName = p.commonName(memberPart)
		for number := range p.Members {
			members.hosts = append(members.hosts, p.memberHost(number))
		}
		wanted = append(wanted, certificate{
			role: p.repositoryName(), part: repositoryPart, names: []string{p.repositoryName()}, commonName: p.commonName(repositoryPart),
		})
	}
	for _, one := range append(wanted, members) {
		names := map[string]bool{}
		for _, host := range one.hosts {
			names[host] = true
		}
		for _, service := range one.names {
			names[service+"."+p.Namespace+".svc"] = true
			names[p.host(service)] = true
		}
		metadata := b.meta(one.role+"-tls", one.part)
		// Pods mount what comes out of this, and a mount that fails is retried
		// at ever longer intervals.
		metadata.Annotations = pulumi.StringMap{"pulumi.com/waitFor": pulumi.String("condition=Ready")}
		usages := []string{"server auth", "digital signature", "key encipherment"}
		spec := pulumi.Map{
			"secretName":  pulumi.String(one.role + "-tls"),
			"dnsNames":    pulumi.ToStringArray(slices.Sorted(maps.Keys(names))),
			"duration":    pulumi.String("2160h0m0s"),
			"renewBefore": pulumi.String("720h0m0s"),
			"privateKey": pulumi.Map{
				"algorithm": pulumi.String("ECDSA"), "size": pulumi.Int(256),
				"rotationPolicy": pulumi.String("Always"),
			},
			"issuerRef": pulumi.Map{
				"name": p.TLS.IssuerName, "kind": p.TLS.IssuerKind, "group": pulumi.String("cert-manager.io"),
			},
		}
		if one.commonName != "" {
			usages = append(usages, "client auth")
			spec["commonName"] = pulumi.String(one.commonName)
		}
		spec["usages"] = pulumi.ToStringArray(usages)
		made, err := apiextensions.NewCustomResource(b.ctx, one.role+"-certificate", &apiextensions.CustomResourceArgs{
			ApiVersion:  pulumi.String("cert-manager.io/v1"),
			Kind:        pulumi.String("Certificate"),
			Metadata:    metadata,
			OtherFields: kubernetes.UntypedArgs{"spec": spec},
		}, b.under(pulumi.DependsOn(p.TLS.Ready))...)
		if err != nil {
			return fmt.Errorf("asking for the certificate of the %ss: %w", one.part, err)
		}
		b.prepared = append(b.prepared, made)
	}
	return nil
}
