package cost

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/policies/rule"
)

func table(t *testing.T) *Table {
	t.Helper()
	loaded, err := Load("prices.yaml")
	require.NoError(t, err)
	return loaded
}

func resource(t *testing.T, token, name string, properties map[string]any) *rule.Resource {
	t.Helper()
	r, err := rule.New(token, name, properties)
	require.NoError(t, err)
	r.URN = "urn:pulumi:test::slipway::" + token + "::" + name
	return r
}

// months are the costs of one resource among others, by what is paid for.
func months(t *testing.T, resources ...*rule.Resource) (map[string][2]float64, *Estimate) {
	t.Helper()
	e, err := table(t).Estimate(resources)
	require.NoError(t, err)
	found := map[string][2]float64{}
	for _, c := range e.Charges {
		found[c.What] = [2]float64{c.Month, c.Peak}
	}
	return found, e
}

func approximately(t *testing.T, want, got map[string][2]float64) {
	t.Helper()
	require.Len(t, got, len(want), "%v", got)
	for what, pair := range want {
		assert.InDelta(t, pair[0], got[what][0], 0.001, what)
		assert.InDelta(t, pair[1], got[what][1], 0.001, what)
	}
}

func TestNodesAreCountedWithTheirDisksFromFewestToMost(t *testing.T) {
	group := resource(t, "aws:eks/nodeGroup:NodeGroup", "nodes", map[string]any{
		"instanceTypes": []any{"t3.large"}, "capacityType": "SPOT", "scalingConfig": map[string]any{"minSize": 2, "maxSize": 4},
	})
	template := resource(t, "aws:ec2/launchTemplate:LaunchTemplate", "template", map[string]any{"blockDeviceMappings": []any{
		map[string]any{"ebs": map[string]any{"volumeSize": 30, "volumeType": "gp3"}},
	}})
	other := resource(t, "aws:ec2/launchTemplate:LaunchTemplate", "other", map[string]any{})
	group.Dependencies = []string{template.URN}
	got, e := months(t, other, group, template)
	approximately(t, map[string][2]float64{
		"t3.large on spot, at most": {2 * 0.096 * 730, 4 * 0.096 * 730}, "disk, GiB": {60 * 0.0952, 120 * 0.0952},
	}, got)
	assert.Empty(t, e.Unknown)
	assert.InDelta(t, 2*0.096*730+60*0.0952, e.Month(), 0.001)
}

func TestNodesAreCountedForTheHoursInWhichThereAreAny(t *testing.T) {
	group := resource(t, "aws:eks/nodeGroup:NodeGroup", "nodes", map[string]any{
		"instanceTypes": []any{"t3.large"}, "scalingConfig": map[string]any{"minSize": 2, "maxSize": 4},
	})
	template := resource(t, "aws:ec2/launchTemplate:LaunchTemplate", "template", map[string]any{"blockDeviceMappings": []any{
		map[string]any{"ebs": map[string]any{"volumeSize": 30, "volumeType": "gp3"}},
	}})
	action := func(name, recurrence string, wanted any) *rule.Resource {
		return resource(t, "aws:autoscaling/schedule:Schedule", name, map[string]any{"recurrence": recurrence, "desiredCapacity": wanted})
	}
	const share = 5 * 12.5 / 168
	for name, tc := range map[string]struct {
		actions []*rule.Resource
		share   float64
		doubts  int
	}{
		"none":                 {nil, 1, 0},
		"of another group":     {[]*rule.Resource{action("others-open", "0 7 * * MON", 2), action("others-close", "0 8 * * MON", 0)}, 1, 0},
		"working days":         {[]*rule.Resource{action("nodes-open", "30 7 * * MON,TUE,WED,THU,FRI", 2), action("nodes-close", "0 20 * * MON,TUE,WED,THU,FRI", 0)}, share, 0},
		"never closed":         {[]*rule.Resource{action("nodes-open", "30 7 * * MON", 2)}, 1, 1},
		"closed on other days": {[]*rule.Resource{action("nodes-open", "0 7 * * MON", 2), action("nodes-close", "0 8 * * TUE", 0)}, 1, 1},
		"closed before opened": {[]*rule.Resource{action("nodes-open", "0 8 * * MON", 2), action("nodes-close", "0 7 * * MON", 0)}, 1, 1},
		"every other hour":     {[]*rule.Resource{action("nodes-open", "0 */2 * * MON", 2), action("nodes-close", "0 7 * * MON", 0)}, 1, 1},
		"days as a range":      {[]*rule.Resource{action("nodes-open", "0 7 * * MON-FRI", 2), action("nodes-close", "0 8 * * MON-FRI", 0)}, 1, 1},
		"not known yet":        {[]*rule.Resource{action("nodes-open", "0 7 * * MON", rule.Unknown{}), action("nodes-close", "0 8 * * MON", 0)}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, e := months(t, append([]*rule.Resource{group, template}, tc.actions...)...)
			assert.Len(t, e.Unknown, tc.doubts, "%v", e.Unknown)
			assert.InDelta(t, tc.share*(2*0.096*730+60*0.0952), e.Month(), 0.001)
			assert.InDelta(t, tc.share*(4*0.096*730+120*0.0952), e.Peak(), 0.001)
		})
	}
}

func TestVolumesOfMembersAreCountedByTheirClass(t *testing.T) {
	claims := map[string]any{"spec": map[string]any{"replicas": 3, "volumeClaimTemplates": []any{map[string]any{"spec": map[string]any{
		"storageClassName": "retain", "resources": map[string]any{"requests": map[string]any{"storage": "100Gi"}},
	}}}}}
	class := map[string]any{"metadata": map[string]any{"name": "retain"}, "provisioner": "ebs.csi.aws.com", "parameters": map[string]any{
		"type": "gp3", "iops": "6000", "throughput": "250",
	}}
	got, _ := months(t, resource(t, rule.StatefulSet, "db", claims), resource(t, rule.StorageClass, "retain", class))
	approximately(t, map[string][2]float64{
		"volume, GiB": {300 * 0.0952, 300 * 0.0952}, "volume, IOPS above 3000": {9000 * 0.006, 9000 * 0.006},
		"volume, MiB/s above 125": {375 * 0.0476, 375 * 0.0476},
	}, got)
	request := claims["spec"].(map[string]any)["volumeClaimTemplates"].([]any)[0].(map[string]any)["spec"].(map[string]any)["resources"].(map[string]any)["requests"].(map[string]any)
	request["storage"] = "102400Mi"
	inMebi, _ := months(t, resource(t, rule.StatefulSet, "db", claims), resource(t, rule.StorageClass, "retain", class))
	assert.Equal(t, got, inMebi)
	request["storage"] = "much"
	_, unread := months(t, resource(t, rule.StatefulSet, "db", claims), resource(t, rule.StorageClass, "retain", class))
	assert.Equal(t, []string{`StatefulSet db: the size of its volumes is "much", no quantity`}, unread.Unknown)
	class["provisioner"] = "rancher.io/local-path"
	got, e := months(t, resource(t, rule.StatefulSet, "db", claims), resource(t, rule.StorageClass, "retain", class))
	assert.Empty(t, got)
	assert.True(t, e.Idle())
	_, e = months(t, resource(t, rule.StatefulSet, "db", claims))
	assert.Equal(t, []string{`StatefulSet db: the stack does not declare its storage class "retain"`}, e.Unknown)
}

func TestWhatIsInEveryZoneIsCountedInEveryZone(t *testing.T) {
	zones := []any{"a", "b", "c"}
	got, e := months(t,
		resource(t, "aws:ec2/vpcEndpoint:VpcEndpoint", "sts", map[string]any{"vpcEndpointType": "Interface", "subnetIds": zones}),
		resource(t, "aws:ec2/vpcEndpoint:VpcEndpoint", "s3", map[string]any{"vpcEndpointType": "Gateway"}),
		resource(t, "aws:lb/loadBalancer:LoadBalancer", "nlb", map[string]any{"subnets": zones}),
		resource(t, "aws:budgets/budget:Budget", "budget", map[string]any{"limitAmount": "300"}),
	)
	approximately(t, map[string][2]float64{
		"interface in a zone": {3 * 0.012 * 730, 3 * 0.012 * 730}, "balancer": {0.027 * 730, 0.027 * 730}, "public address": {3 * 0.005 * 730, 3 * 0.005 * 730},
	}, got)
	assert.Equal(t, 300.0, e.Budget)
}

func TestNothingIsSilentlyFree(t *testing.T) {
	got, e := months(t,
		resource(t, "aws:rds/instance:Instance", "db", nil), resource(t, "aws:rds/instance:Instance", "db2", nil),
		resource(t, "aws:eks/nodeGroup:NodeGroup", "big", map[string]any{"instanceTypes": []any{"z9.large"}, "scalingConfig": map[string]any{"minSize": 1, "maxSize": 1}}),
		resource(t, "aws:eks/nodeGroup:NodeGroup", "vague", map[string]any{"scalingConfig": rule.Unknown{}}),
		resource(t, "aws:lb/loadBalancer:LoadBalancer", "nlb", map[string]any{"subnets": rule.Unknown{}}),
		resource(t, "aws:s3/bucketV2:BucketV2", "logs", nil), resource(t, "aws:iam/role:Role", "role", nil),
	)
	assert.Len(t, got, 1)
	said := strings.Join(e.Unknown, "\n")
	for _, want := range []string{
		"aws:rds/instance:Instance (2): the table of prices does not know the type", `NodeGroup big: the table of prices does not know the machine "z9.large"`,
		"NodeGroup big: which launch template", "NodeGroup vague: how many machines", "LoadBalancer nlb: subnets is not known yet",
	} {
		assert.Contains(t, said, want)
	}
	var page strings.Builder
	require.NoError(t, e.Write(&page, "test"))
	for _, want := range []string{"NOT PRICED, so the total is too low", "z9.large", "aws:s3/bucketV2:BucketV2 (1): storage, 0.0245 a GB a month ["} {
		assert.Contains(t, page.String(), want)
	}
	assert.Contains(t, Delta(&Estimate{table: table(t)}, e), "NOT PRICED")
}

func TestAnotherRegionIsRefused(t *testing.T) {
	elsewhere := resource(t, "pulumi:providers:aws", "aws", map[string]any{"region": "eu-west-1"})
	_, err := table(t).Estimate([]*rule.Resource{elsewhere})
	require.ErrorIs(t, err, ErrRegion)
	assert.ErrorContains(t, err, "it is in eu-west-1, the prices are of eu-central-1")
	here := resource(t, "pulumi:providers:aws", "near", map[string]any{"region": "eu-central-1"})
	_, err = table(t).Estimate([]*rule.Resource{elsewhere, here})
	require.NoError(t, err)
}

func TestTheDeltaOfAChange(t *testing.T) {
	key := resource(t, "aws:kms/key:Key", "a", nil)
	before, err := table(t).Estimate([]*rule.Resource{key})
	require.NoError(t, err)
	after, err := table(t).Estimate([]*rule.Resource{key, resource(t, "aws:ec2/natGateway:NatGateway", "nat", nil)})
	require.NoError(t, err)
	assert.Equal(t, "+37.96 USD a month, 38.96 in all without what is paid by use", Delta(before, after))
	assert.Equal(t, "-37.96 USD a month, 1.00 in all without what is paid by use", Delta(after, before))
	assert.Equal(t, "costs as before, 1.00 in all without what is paid by use", Delta(before, before))
}
