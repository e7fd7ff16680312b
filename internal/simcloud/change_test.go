package simcloud

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func built(t *testing.T) (*cloud, program) {
	t.Helper()
	c, p := newCloud(t), sound()
	name, err := c.run(p)
	require.NoError(t, err, name)
	return c, p
}

func TestChangesThatAWSCannotMakeInPlaceReplace(t *testing.T) {
	c, p := built(t)
	tests := []struct {
		name, path string
		value      any
		replaces   bool
	}{
		{"vpc", "cidrBlock", "10.1.0.0/16", true},
		{"vpc", "tags", map[string]any{"Name": "other"}, false},
		{"vpc", "enableDnsHostnames", false, false},
		{"public", "availabilityZone", "eu-central-1c", true},
		{"public", "mapPublicIpOnLaunch", true, false},
		{"nat", "allocationId", "eipalloc-00000000000000000", true},
		{"out-private", "natGatewayId", "nat-00000000000000000", false},
		{"out-private", "destinationCidrBlock", "10.9.0.0/16", true},
		{"endpoints", "description", "Other", true},
		{"https", "cidrIpv4", "10.0.0.0/17", false},
		{"flow", "trafficType", "REJECT", true},
		{"cluster", "version", "1.34", false},
		{"cluster", "name", "other", true},
		{"cluster", "vpcConfig.publicAccessCidrs", []any{"203.0.113.0/24"}, false},
		{"cluster", "encryptionConfig.provider.keyArn", "${sign.arn}", true},
		{"cluster", "accessConfig.authenticationMode", "API_AND_CONFIG_MAP", false},
		{"nodes", "scalingConfig.maxSize", 5, false},
		{"nodes", "instanceTypes", []any{"m7i.xlarge"}, true},
		{"nodes", "launchTemplate.version", "2", false},
		{"nodes", "launchTemplate.id", "lt-00000000000000000", true},
		{"coredns", "addonVersion", "v1.11.4-eksbuild.2", false},
		{"node-role", "path", "/nodes/", true},
		{"node-pull", "policyArn", awsPolicy + "AmazonEC2ContainerRegistryReadOnly", true},
		{"key", "rotationPeriodInDays", 180, false},
		{"key", "multiRegion", true, true},
		{"zone", "comment", "other", false},
		{"zone", "name", "example.com", true},
		{"www", "ttl", 300, false},
		{"www", "name", "web.example.org", true},
		{"ksk", "status", "INACTIVE", false},
		{"archive", "bucket", "another-bucket", true},
		{"archive", "forceDestroy", true, false},
		{"logs", "retentionInDays", 60, false},
		{"logs", "name", "/other", true},
		{"images", "imageTagMutability", "MUTABLE", false},
		{"images", "name", "slipway/web", true},
		{"budget", "limitAmount", "600", false},
		{"grant", "accessScope", map[string]any{"type": "namespace", "namespaces": []any{"api"}}, true},
	}
	for _, test := range tests {
		t.Run(test.name+"."+test.path, func(t *testing.T) {
			d := c.diff(p.with(test.name, test.path, test.value).get(test.name))
			assert.Equal(t, pulumirpc.DiffResponse_DIFF_SOME, d.GetChanges())
			input, _, _ := strings.Cut(test.path, ".")
			assert.Equal(t, []string{input}, d.GetDiffs())
			if test.replaces {
				assert.Equal(t, []string{input}, d.GetReplaces())
			} else {
				assert.Empty(t, d.GetReplaces())
			}
		})
	}
	// The program insists on the name, so the old one must make room first.
	assert.True(t, c.diff(p.with("cluster", "encryptionConfig.provider.keyArn", "${sign.arn}").get("cluster")).GetDeleteBeforeReplace())
	assert.False(t, c.diff(p.with("cluster-role", "path", "/x/").get("cluster-role")).GetDeleteBeforeReplace())
}

func TestUpdatesThatAWSRefuses(t *testing.T) {
	tests := []struct {
		title, name, path string
		value             any
		want              string
	}{
		{"a version back", "cluster", "version", "1.32", "unsupported Kubernetes minor version update from 1.33 to 1.32"},
		{"access entries no more", "cluster", "accessConfig.authenticationMode", "API_AND_CONFIG_MAP", "cannot go back from API"},
		{"encryption off", "cluster", "encryptionConfig", nil, "cannot be switched off"},
		{"one zone left", "cluster", "vpcConfig.subnetIds", []any{"${private-a.id}", "${public.id}"}, "at least two different availability zones"},
		{"versions of locked objects", "versions", "versioningConfiguration.status", "Suspended", "an object lock configuration is present"},
		{"address of another gateway", "out-private", "natGatewayId", "nat-00000000000000000", "NatGatewayNotFound"},
	}
	c, p := built(t)
	for _, test := range tests {
		t.Run(test.title, func(t *testing.T) {
			assert.ErrorContains(t, c.change(p.with(test.name, test.path, test.value).get(test.name)), test.want)
		})
	}
	two := p.with("cluster", "version", "1.34")
	require.NoError(t, c.change(two.get("cluster")))
	assert.Equal(t, "1.34", c.output("cluster", "version"))
	assert.NotEmpty(t, c.output("cluster", "vpcConfig.clusterSecurityGroupId"))
	assert.Empty(t, c.diff(two.get("cluster")).GetDiffs())
}

func TestWhatIsInUseIsNotDeleted(t *testing.T) {
	c, p := built(t)
	for name, want := range map[string]string{
		"vpc": "DependencyViolation", "public": "NAT gateway nat-", "address": "NAT gateway nat-", "gateway": "has some mapped public address",
		"endpoints": "VPC endpoint vpce-", "cluster-role": "has dependencies", "cluster": "EKS node group main:", "template": "EKS node group main:",
		"node-role": "has dependencies", "zone": "HostedZoneNotEmpty", "ksk": "KeySigningKeyInUse", "versions": "an object lock configuration is present",
		"monitor": "cost anomaly subscription", "delegation": "Route 53 zone Z", "table-private": "route table association",
	} {
		t.Run(name, func(t *testing.T) { assert.ErrorContains(t, c.drop(p.get(name)), want) })
	}
	c.edit(p.get("archive"), func(r *Record) { r.Properties["simulatedObjects"] = 3.0 })
	for _, name := range []string{"tls-only", "flow"} {
		require.NoError(t, c.drop(p.get(name)))
	}
	assert.ErrorContains(t, c.drop(p.get("archive")), "BucketNotEmpty")
	// What is gone already need not be deleted again.
	require.NoError(t, c.drop(p.get("cost-tag")))
	require.NoError(t, c.drop(p.get("cost-tag")))
}

func TestDriftIsSeenAndUndone(t *testing.T) {
	c, p := built(t)
	logs := p.get("logs")
	c.edit(logs, func(r *Record) { r.Properties["retentionInDays"] = 1.0 })
	assert.Empty(t, c.diff(logs).GetDiffs(), "nobody has looked yet")
	c.read(logs)
	assert.Equal(t, []string{"retentionInDays"}, c.diff(logs).GetDiffs())
	require.NoError(t, c.change(logs))
	c.read(logs)
	assert.Empty(t, c.diff(logs).GetDiffs())

	// A tag that somebody added is drift although the program sets none.
	nat := p.get("nat")
	c.edit(nat, func(r *Record) { r.Properties["tags"] = map[string]any{"who": "me"} })
	c.read(nat)
	assert.Contains(t, c.diff(nat).GetDiffs(), "tags")

	// What somebody deleted is gone after a refresh.
	c.edit(p.get("www"), func(r *Record) { r.Status = deleting })
	assert.Empty(t, c.read(p.get("www")).GetId())
}

func TestImport(t *testing.T) {
	c, p := built(t)
	p0 := c.provider("")
	response, err := p0.Read(context.Background(), &pulumirpc.ReadRequest{Id: c.ids["cluster"], Urn: urnOf(p.get("cluster"))})
	require.NoError(t, err)
	assert.Equal(t, "main", response.GetId())
	c.inputs["cluster"], c.made["cluster"] = unwire(t, response.GetInputs()), unwire(t, response.GetProperties())
	assert.Empty(t, c.diff(p.get("cluster")).GetReplaces())
}

func TestFailureLeavesWhatWasThere(t *testing.T) {
	p := sound()
	for _, halfway := range []bool{false, true} {
		c := newCloud(t)
		c.settings.FailAt, c.settings.FailHalfway = 9, halfway
		name, err := c.run(p)
		require.ErrorContains(t, err, "SLIPWAY_SIMULATION_FAIL_AT")
		assert.Equal(t, p[8].name, name)
		detail := assert.NotContains
		if halfway {
			detail = assert.Contains
		}
		var names []string
		require.NoError(t, c.provider("").World.Do(func(tx *Tx) error {
			for _, r := range tx.All("") {
				names = append(names, r.URN)
			}
			return nil
		}))
		assert.Contains(t, names, urnOf(p[7]))
		detail(t, names, urnOf(p[8]))
	}
}

func TestTheNamedResourceFails(t *testing.T) {
	c := newCloud(t)
	c.settings.FailResource = "cluster"
	name, err := c.run(sound())
	assert.Equal(t, "cluster", name)
	assert.ErrorContains(t, err, "SLIPWAY_SIMULATION_FAIL_RESOURCE")
}

func TestThrottledCallsAreTriedAgain(t *testing.T) {
	c := newCloud(t)
	c.settings.Throttle = 2
	_, err := c.run(sound())
	require.NoError(t, err)
	c = newCloud(t)
	c.settings.Throttle = 1
	name, err := c.run(sound())
	assert.Equal(t, "vpc", name)
	assert.ErrorContains(t, err, "exceeded the maximum of 25 attempts: api error Throttling")
}

func TestQuota(t *testing.T) {
	c := newCloud(t)
	c.settings.Quotas["addresses"] = 0
	name, err := c.run(sound())
	assert.Equal(t, "address", name)
	assert.ErrorContains(t, err, "EipLimitExceeded")
}

func TestCredentialsThatAreNoGood(t *testing.T) {
	configure := func(change func(s *Settings), in Props) error {
		c := newCloud(t)
		change(&c.settings)
		p, err := New(c.settings, nil)
		require.NoError(t, err)
		in["region"] = "eu-central-1"
		_, err = p.Configure(context.Background(), &pulumirpc.ConfigureRequest{Args: wire(t, Wrap(in, nil))})
		return err
	}
	ok := func(*Settings) {}
	require.NoError(t, configure(ok, Props{"allowedAccountIds": []any{"123456789012"}}))
	assert.ErrorContains(t, configure(ok, Props{"allowedAccountIds": []any{"999999999999"}}), "AWS account ID not allowed: 123456789012")
	assert.ErrorContains(t, configure(ok, Props{"allowedAccountIds": `["999999999999"]`}), "AWS account ID not allowed: 123456789012")
	assert.ErrorContains(t, configure(ok, Props{"forbiddenAccountIds": []any{"123456789012"}}), "AWS account ID not allowed: 123456789012")
	assert.ErrorContains(t, configure(func(s *Settings) { s.Credentials = "expired" }, Props{}), "ExpiredToken")
	assert.ErrorContains(t, configure(func(s *Settings) { s.Credentials = "missing" }, Props{}), "no valid credential sources")
	c := newCloud(t)
	c.settings.Credentials = "denied"
	_, err := c.run(sound())
	assert.ErrorContains(t, err, "AccessDenied: the credentials of account 123456789012 are not authorized to perform: ec2:CreateVpc")
}

func TestProviderConfigurationIsChecked(t *testing.T) {
	c := newCloud(t)
	failures := func(in Props) string {
		response, err := c.provider("").CheckConfig(context.Background(), &pulumirpc.CheckRequest{
			Urn: "urn:pulumi:test::tests::pulumi:providers:aws::aws", News: wire(t, Wrap(in, nil)),
		})
		require.NoError(t, err)
		var reasons []string
		for _, f := range response.GetFailures() {
			reasons = append(reasons, f.GetReason())
		}
		return strings.Join(reasons, "\n")
	}
	assert.Empty(t, failures(Props{"region": "eu-central-1", "defaultTags": `{"tags":{"a":"b"}}`, "skipCredentialsValidation": "false"}))
	assert.Contains(t, failures(Props{}), "region is required")
	assert.Contains(t, failures(Props{"region": "mars-north-1"}), `region is "mars-north-1", which is not a region`)
	assert.Contains(t, failures(Props{"region": "eu-central-1", "defaultTag": "{}"}), "defaultTag is not a property of the aws provider")
}

// A thing that takes time is there before it is ready, and a plugin that is
// stopped meanwhile leaves it behind.
func TestHalfMadeThings(t *testing.T) {
	c := newCloud(t)
	c.settings.Scale = 1
	p := sound()
	provider := c.provider("")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in, err := c.check(p.get("vpc"))
	require.NoError(t, err)
	_, err = provider.Create(ctx, &pulumirpc.CreateRequest{Urn: urnOf(p.get("vpc")), Properties: wire(t, in)})
	require.ErrorContains(t, err, "cancelled while waiting")
	require.NoError(t, provider.World.Do(func(tx *Tx) error {
		things := tx.All(vpc)
		require.Len(t, things, 1)
		assert.Equal(t, creating, things[0].Status)
		c.ids["vpc"] = things[0].ID
		return nil
	}))
	assert.ErrorContains(t, c.make(p.get("public")), "is still being created")
}

func TestWorldIsSharedAndSurvives(t *testing.T) {
	c, p := built(t)
	made := len(p)
	before := made + 1 // the cluster's own security group
	again, err := OpenWorld(c.settings.Dir)
	require.NoError(t, err)
	count := func(w *World) (n int) {
		require.NoError(t, w.Do(func(tx *Tx) error { n = len(tx.All("")); return nil }))
		return n
	}
	assert.Equal(t, before, count(again))
	require.NoError(t, c.drop(p.get("cost-tag")))
	assert.Equal(t, before-1, count(again), "a change of another process is not seen")
	operations, err := again.Operations()
	require.NoError(t, err)
	assert.Len(t, operations, made+1)
	assert.Equal(t, "delete", operations[made].Verb)
	total := time.Duration(0)
	for _, op := range operations {
		total += time.Duration(op.Seconds * float64(time.Second))
	}
	assert.Greater(t, total, 20*time.Minute, "AWS takes its time, and the list of operations says so")
	// A file that a person broke is named.
	require.NoError(t, os.WriteFile(c.settings.Dir+"/things/broken.json", []byte("{"), 0o600))
	assert.ErrorContains(t, again.Do(func(*Tx) error { return nil }), "broken.json")
}
