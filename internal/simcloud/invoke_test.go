package simcloud

import (
	"context"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (c *cloud) invoke(token string, in Props) (Props, error) {
	response, err := c.provider("").Invoke(context.Background(), &pulumirpc.InvokeRequest{Tok: token, Args: wire(c.t, Wrap(in, nil))})
	if err != nil {
		return nil, err
	}
	if failures := response.GetFailures(); len(failures) > 0 {
		return Props{"failure": failures[0].GetReason()}, nil
	}
	return Plain(unwire(c.t, response.GetReturn())), nil
}

func TestInvokes(t *testing.T) {
	c, _ := built(t)
	tests := []struct {
		token string
		in    Props
		path  string
		want  any
	}{
		{"aws:index/getCallerIdentity:getCallerIdentity", Props{}, "accountId", "123456789012"},
		{"aws:index/getRegion:getRegion", Props{}, "name", "eu-central-1"},
		{"aws:index/getPartition:getPartition", Props{}, "partition", "aws"},
		{"aws:index/getAvailabilityZones:getAvailabilityZones", Props{"state": "available"}, "names", []any{"eu-central-1a", "eu-central-1b", "eu-central-1c"}},
		{"aws:index/getAvailabilityZones:getAvailabilityZones", Props{"excludeNames": []any{"eu-central-1a"}}, "zoneIds", []any{"euc1-az2", "euc1-az3"}},
		{"aws:eks/getCluster:getCluster", Props{"name": "main"}, "version", "1.33"},
		{"aws:route53/getZone:getZone", Props{"name": "example.org"}, "name", "example.org"},
		{"aws:kms/getKey:getKey", Props{"keyId": "alias/main"}, "enableKeyRotation", nil},
		{"aws:iam/getPolicyDocument:getPolicyDocument", Props{"statements": []any{map[string]any{
			"actions": []any{"s3:PutObject", "s3:GetObject"}, "resources": []any{"*"}, "principals": []any{map[string]any{"type": "Service", "identifiers": []any{"ec2.amazonaws.com"}}},
			"conditions": []any{map[string]any{"test": "Bool", "variable": "aws:SecureTransport", "values": []any{"true"}}},
		}}}, "minifiedJson", `{"Statement":[{"Action":["s3:GetObject","s3:PutObject"],"Condition":{"Bool":{"aws:SecureTransport":"true"}},"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Resource":"*"}],"Version":"2012-10-17"}`},
		{"aws:iam/getPolicyDocument:getPolicyDocument", Props{"statement": []any{}}, "failure", "SIMULATED aws: statement is not a property of aws:iam/getPolicyDocument:getPolicyDocument, which takes overrideJson, overridePolicyDocuments, policyId, sourceJson, sourcePolicyDocuments, statements, version"},
	}
	for _, test := range tests {
		t.Run(test.token, func(t *testing.T) {
			out, err := c.invoke(test.token, test.in)
			require.NoError(t, err)
			if test.want != nil {
				assert.Equal(t, test.want, out.At(test.path))
			}
		})
	}
	for token, in := range map[string]Props{
		"aws:eks/getCluster:getCluster": {"name": "nobody"}, "aws:ssm/getParameter:getParameter": {"name": "/nobody"},
		"aws:iam/getRole:getRole": {"name": "nobody"}, "aws:s3/getBucket:getBucket": {"bucket": "nobody"}, "aws:sky/getCloud:getCloud": {},
	} {
		_, err := c.invoke(token, in)
		assert.ErrorContains(t, err, "SIMULATED", token)
	}
}
