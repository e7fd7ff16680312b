package grant

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
)

func TestDocument(t *testing.T) {
	for name, test := range map[string]struct {
		statement Statement
		want      string
	}{
		"of an identity": {
			Statement{Sid: "Read", Actions: []string{"s3:GetObject"}, Resources: []string{"arn:aws:s3:::b/*"}},
			`{"Sid":"Read","Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::b/*"]}`,
		},
		"of trust": {
			Statement{Principals: Services("eks.amazonaws.com"), Actions: []string{"sts:AssumeRole"}},
			`{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"},"Action":["sts:AssumeRole"]}`,
		},
		"all but what is named": {
			Statement{Deny: true, Actions: []string{"kms:Decrypt"}, NotResources: []string{"arn:a", "arn:b"}},
			`{"Effect":"Deny","Action":["kms:Decrypt"],"NotResource":["arn:a","arn:b"]}`,
		},
		"denied to everyone": {
			Statement{Deny: true, Principals: Everyone(), Actions: []string{"s3:*"}, When: map[string]Conditions{"Bool": {"aws:SecureTransport": {"false"}}}},
			`{"Effect":"Deny","Principal":"*","Action":["s3:*"],"Condition":{"Bool":{"aws:SecureTransport":"false"}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Document(test.statement)
			if err != nil {
				t.Fatal(err)
			}
			if want := `{"Version":"2012-10-17","Statement":[` + test.want + `]}`; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// A document over unknown values must not stop a preview.
func TestLater(t *testing.T) {
	componenttest.Both(t, func(ctx *pulumi.Context) error {
		ctx.Export("policy", Later(func(known []string) []Statement {
			return []Statement{{Actions: []string{"kms:Decrypt"}, Resources: known}}
		}, pulumi.String("a"), pulumi.String("b")))
		return nil
	}, func(*testing.T, *componenttest.Graph) {})
}
