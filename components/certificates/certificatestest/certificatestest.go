// Package certificatestest stands in for what a cluster adds to the resources
// of the certificates component, in tests that run without one.
package certificatestest

import (
	"encoding/base64"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Authority is the certificate of a certificate authority whose key nobody has.
const Authority = `-----BEGIN CERTIFICATE-----
MIIBrjCCAVWgAwIBAgIUN14Ce4Hn5lhXAn8z5mFk3dKPZ4EwCgYIKoZIzj0EAwIw
LDEQMA4GA1UECgwHU2xpcHdheTEYMBYGA1UEAwwPU2xpcHdheSB0ZXN0IENBMCAX
DTI2MTEyMjE4MjIxNVoYDzIxMjYxMDI5MTgyMjE1WjAsMRAwDgYDVQQKDAdTbGlw
d2F5MRgwFgYDVQQDDA9TbGlwd2F5IHRlc3QgQ0EwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASQQ5c6xihUPP5s+bypGGA1wa97rp2lXk48BmF1heRMxuxhE7CvNNC+
jQakKc8HbEQNamyKFviBvhmAW9XaJpTgo1MwUTAdBgNVHQ4EFgQUZKBHH2PurUSB
zpF6Wce/qp9kcvgwHwYDVR0jBBgwFoAUZKBHH2PurUSBzpF6Wce/qp9kcvgwDwYD
VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBZlQF5OL3quRkDUuo1qSJo
i8aBwNpobc12rfaC0YmjKAIgBPbwzyhtSpxBaNHWe7sIxV7Zyax+grIFErRFkh/U
8Uw=
-----END CERTIFICATE-----
`

// Computed returns what the CA injector adds to the webhook configuration on
// which the authority's certificate is published, and nothing for any other
// resource. It suits componenttest.Graph.
func Computed(args pulumi.MockResourceArgs) resource.PropertyMap {
	const token = "kubernetes:admissionregistration.k8s.io/v1:ValidatingWebhookConfiguration"
	if args.TypeToken != token {
		return nil
	}
	webhooks := args.Inputs["webhooks"]
	if !webhooks.IsArray() {
		return nil
	}
	bundle := resource.NewProperty(base64.StdEncoding.EncodeToString([]byte(Authority)))
	injected := make([]resource.PropertyValue, 0, len(webhooks.ArrayValue()))
	for _, webhook := range webhooks.ArrayValue() {
		// The inputs are the caller's recording; copy what is changed.
		fields := webhook.ObjectValue().Copy()
		client := fields["clientConfig"].ObjectValue().Copy()
		client["caBundle"] = bundle
		fields["clientConfig"] = resource.NewProperty(client)
		injected = append(injected, resource.NewProperty(fields))
	}
	return resource.PropertyMap{"webhooks": resource.NewProperty(injected)}
}
