package stacks

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/certificates"
	"slipway.dev/slipway/components/traefik"
)

// What every namespace of a guest says: whose guest it is, by which the host's
// proxies may reach it, and from when on it may be removed, which the policy
// ephemeral-expiry asks for.
const (
	hostLabel        = "slipway.dev/guest-of"
	expiryAnnotation = "slipway.dev/expires"
)

// longestGuest keeps the names that are made of a guest's below 63 characters,
// those of pods and Services in its namespaces included.
const longestGuest = 40

var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// ErrGuestName is returned for a stack that could not name what a guest has.
var ErrGuestName = errors.New("not a name for a branch preview")

// layGuest uses a cluster, and what another stack has in it, and declares
// nothing that is not in namespaces of its own.
func layGuest(ctx *pulumi.Context, settings Settings) (Foundation, error) {
	name, guest := ctx.Stack(), settings.Guest
	if len(name) > longestGuest || !dnsLabel.MatchString(name) {
		return Foundation{}, fmt.Errorf("stack %q: %w: its namespaces and host are called by it, so use at most %d lower-case letters, digits and '-'",
			name, ErrGuestName, longestGuest)
	}
	// For all namespaces there are, whichever component declares them.
	if err := ctx.RegisterStackTransformation(guest.mark); err != nil {
		return Foundation{}, fmt.Errorf("marking the guest's namespaces: %w", err)
	}
	existing, err := settings.Cluster.open(ctx)
	if err != nil {
		return Foundation{}, err
	}
	class := pulumi.String(guest.VolumeClass).ToStringOutput()
	issuer := pulumi.String(guest.Issuer).ToStringOutput()
	return Foundation{
		Cluster: pulumi.Providers(existing.Provider), Kubeconfig: existing.Kubeconfig,
		Namespaces:  Namespaces{API: name + "-api", Database: name + "-database", Ingress: guest.IngressNamespace},
		APINetworks: settings.Cluster.APINetworks,
		Images:      localImages,
		Migrator:    localImages + migratorRepository,
		Way:         Way{Pin: settings.Ingress.Addresses[0]},
		// What a guest remembers goes with it.
		RetainClass: class, StandardClass: class,
		Shared: &Shared{
			Authority: &certificates.Certificates{
				IssuerName: issuer, PublicIssuerName: issuer,
				// The only kind that signs for other namespaces than its own.
				IssuerKind:    pulumi.String("ClusterIssuer").ToStringOutput(),
				CACertificate: pulumi.String(guest.CACertificate).ToStringOutput(),
			},
			// There already, with its kinds.
			Ingress: &traefik.Traefik{},
		},
	}, nil
}

// mark adds to each namespace what it says of the guest.
func (g Guest) mark(args *pulumi.ResourceTransformationArgs) *pulumi.ResourceTransformationResult {
	namespace, ok := args.Props.(*corev1.NamespaceArgs)
	if !ok {
		return nil
	}
	metadata, ok := namespace.Metadata.(metav1.ObjectMetaArgs)
	if !ok {
		return nil
	}
	metadata.Labels = extended(metadata.Labels, hostLabel, g.Host)
	metadata.Annotations = extended(metadata.Annotations, expiryAnnotation, g.Expires)
	marked := *namespace
	marked.Metadata = metadata
	return &pulumi.ResourceTransformationResult{Props: &marked, Opts: args.Opts}
}

// extended is a copy with one more entry.
func extended(given pulumi.StringMapInput, key, value string) pulumi.StringMapInput {
	if given == nil {
		return pulumi.StringMap{key: pulumi.String(value)}
	}
	if plain, ok := given.(pulumi.StringMap); ok {
		more := maps.Clone(plain)
		more[key] = pulumi.String(value)
		return more
	}
	return given.ToStringMapOutput().ApplyT(func(known map[string]string) map[string]string {
		more := map[string]string{key: value}
		maps.Copy(more, known)
		return more
	}).(pulumi.StringMapOutput)
}

// ForGuests is the output guests: what `slipway env create` writes into a guest's settings.
func (p Platform) ForGuests() pulumi.Map {
	return pulumi.Map{
		"zone":             pulumi.String(p.Settings.Ingress.Guests + "." + p.Settings.DNS.PublicZone),
		"ingressNamespace": pulumi.String(p.Foundation.Namespaces.Ingress),
		"issuer":           p.Authority.PublicIssuerName,
		"volumeClass":      p.Foundation.StandardClass,
	}
}

// guestsOwn are the defaults with all that a guest looks at as it is set.
func (s Settings) guestsOwn(standard Settings) Settings {
	standard.Foundation, standard.Cluster, standard.Database, standard.API, standard.Guest = s.Foundation, s.Cluster, s.Database, s.API, s.Guest
	standard.DNS.PublicZone = s.DNS.PublicZone
	standard.Ingress.HTTPSPort, standard.Ingress.Addresses = s.Ingress.HTTPSPort, s.Ingress.Addresses
	standard.Certificates.ValidHours, standard.Certificates.RenewHours = s.Certificates.ValidHours, s.Certificates.RenewHours
	return standard
}

func (s Settings) checkGuest(f *faults) {
	for _, one := range []struct{ path, value string }{
		{"guest.host", s.Guest.Host}, {"guest.ingressNamespace", s.Guest.IngressNamespace},
		{"guest.issuer", s.Guest.Issuer}, {"guest.volumeClass", s.Guest.VolumeClass},
	} {
		if one.value == "" {
			f.add(one.path, "is missing; `slipway env create` writes it")
		}
	}
	if _, err := time.Parse(time.RFC3339, s.Guest.Expires); err != nil {
		f.add("guest.expires", "%q is not a moment such as 2026-12-01T12:00:00Z", s.Guest.Expires)
	}
	if !strings.HasPrefix(s.Guest.CACertificate, "-----BEGIN CERTIFICATE-----") {
		f.add("guest.caCertificate", "is not a certificate in PEM; `slipway env create` writes it")
	}
	if !s.Database.Unprotected {
		f.add("database.unprotected", "is false; what a guest remembers goes with it, and cannot be kept from that")
	}
}
