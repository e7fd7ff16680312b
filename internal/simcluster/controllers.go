package simcluster

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/simcloud"
)

// What controllers in the cluster write on objects, as far as programs wait for
// it. Which ones there are, a program says itself: those whose image it runs.

// waitFor is the annotation that names what the official plugin waits for.
const waitFor = "pulumi.com/waitFor"

// authority is the certificate of an authority whose key nobody has: every
// simulated authority.
//
//go:embed authority.pem
var authority []byte

const (
	certificate  = "cert-manager.io/v1/Certificate"
	certificates = "kubernetes:cert-manager.io/v1:Certificate"
	zones        = "aws:route53/zone:Zone"
)

// unmet says what keeps a condition from being met, or "". A condition of which
// the simulation cannot tell is an error.
func (p *Provider) unmet(tx *simcloud.Tx, kind string, record *simcloud.Record, condition string) (string, error) {
	switch {
	case kind == "apiextensions.k8s.io/v1/CustomResourceDefinition" && condition == "condition=Established":
		return "", nil
	case strings.HasSuffix(kind, "WebhookConfiguration") && condition == "jsonpath={.webhooks[0].clientConfig.caBundle}":
		return p.inject(tx, record), nil
	case strings.HasPrefix(kind, "cert-manager.io/v1/") && condition == "condition=Ready":
		return p.issue(tx, kind, record), nil
	}
	return "", fmt.Errorf("the simulation does not know when %q holds for a %s and so cannot vouch for it", condition, kind)
}

// runs says that no deployment in the cluster runs the program, or "".
func runs(tx *simcloud.Tx, region, program string) string {
	for _, d := range tx.All("kubernetes:apps/v1:Deployment") {
		for _, c := range d.Properties.Objects("spec.template.spec.containers") {
			image, _, _ := strings.Cut(path.Base(c.Text("image")), ":")
			if d.Region == region && image == program {
				return ""
			}
		}
	}
	return "nothing in the cluster runs " + program
}

// inject writes an authority into every webhook of a configuration, as
// cert-manager's injector does.
func (p *Provider) inject(tx *simcloud.Tx, record *simcloud.Record) string {
	if missing := runs(tx, record.Region, "cert-manager-cainjector"); missing != "" {
		return missing
	}
	annotations, _ := record.Properties.At("metadata.annotations").(map[string]any)
	from, _ := annotations["cert-manager.io/inject-ca-from"].(string)
	secret, _ := annotations["cert-manager.io/inject-ca-from-secret"].(string)
	switch {
	case from != "" && tx.Get(certificates, from, record.Region) == nil:
		return fmt.Sprintf("certificate %q to inject from not found", from)
	case secret != "" && !serves(tx, record.Region, secret):
		return fmt.Sprintf("secret %q to inject from not found", secret)
	case from == "" && secret == "":
		return "nothing is injected into a configuration without cert-manager.io/inject-ca-from"
	}
	hooks := record.Properties.Objects("webhooks")
	injected := make([]any, 0, len(hooks))
	for _, hook := range hooks {
		hook = maps.Clone(hook)
		hook.Set("clientConfig.caBundle", base64.StdEncoding.EncodeToString(authority))
		injected = append(injected, map[string]any(hook))
	}
	record.Properties["webhooks"] = injected
	tx.Put(record)
	return ""
}

// serves tells whether a webhook in the cluster makes the secret namespace/name
// for its own certificate.
func serves(tx *simcloud.Tx, region, secret string) bool {
	namespace, name, _ := strings.Cut(secret, "/")
	return slices.ContainsFunc(tx.All("kubernetes:apps/v1:Deployment"), func(d *simcloud.Record) bool {
		return d.Region == region && slices.ContainsFunc(d.Properties.Objects("spec.template.spec.containers"), func(c simcloud.Props) bool {
			args := c.Texts("args")
			return slices.Contains(args, "--dynamic-serving-ca-secret-namespace="+namespace) && slices.Contains(args, "--dynamic-serving-ca-secret-name="+name)
		})
	})
}

// issue makes an object of cert-manager ready, once what it refers to is there.
func (p *Provider) issue(tx *simcloud.Tx, kind string, record *simcloud.Record) string {
	if missing := runs(tx, record.Region, "cert-manager-controller"); missing != "" {
		return missing
	}
	spec := record.Properties.Object("spec")
	if kind == certificate {
		issuer := spec.Text("issuerRef.name")
		id := issuer
		if spec.Text("issuerRef.kind") == "Issuer" {
			id = record.Properties.Text("metadata.namespace") + "/" + issuer
		}
		if tx.Get("kubernetes:cert-manager.io/v1:"+spec.Text("issuerRef.kind"), id, record.Region) == nil {
			return fmt.Sprintf("referenced %s %q not found", spec.Text("issuerRef.kind"), issuer)
		}
	}
	if name := spec.Text("ca.secretName"); name != "" && !slices.ContainsFunc(tx.All(certificates), func(c *simcloud.Record) bool {
		return c.Region == record.Region && c.Properties.Text("spec.secretName") == name
	}) {
		return fmt.Sprintf("secret %q not found", name)
	}
	for _, f := range simcloud.Walk(map[string]any(spec), "acme.solvers[].dns01.route53.hostedZoneID") {
		if id, _ := f.Value.(string); tx.Get(zones, id, "global") == nil {
			return fmt.Sprintf("%s: NoSuchHostedZone: no hosted zone found with ID %s", f.Path, id)
		}
	}
	record.Properties.Set("status", map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "True"}}})
	tx.Put(record)
	return ""
}
