package component_test

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/component/componenttest"
)

func bounded(loads ...component.Load) pulumi.RunFunc {
	return inside(func(ctx *pulumi.Context, parent pulumi.Resource) error {
		_, err := component.Bound(ctx, parent, "thing", pulumi.String("slipway-thing"), loads...)
		return err
	})
}

func TestRoomFollowsFromTheLoads(t *testing.T) {
	web := component.Load{Pods: 6, Rolls: true, CPU: "100m", Memory: "128Mi", MemoryLimit: "256Mi"}
	member := component.Load{Pods: 3, CPU: "0.5", Memory: "1Gi", MemoryLimit: "1Gi", Storage: "10Gi"}
	proxy := component.Load{EachNode: true, CPU: "10m", Memory: "24Mi", MemoryLimit: "96Mi"}
	for name, test := range map[string]struct {
		loads                                          []component.Load
		pods, cpu, memory, limit, claims, disk, larger string
	}{
		"nothing but what people look with": {nil, "4", "200m", "256Mi", "512Mi", "0", "0", "128Mi"},
		// 3 x 6 + 1 pods, and the four.
		"a rollout":        {[]component.Load{web}, "23", "2100m", "2688Mi", "5376Mi", "0", "0", "256Mi"},
		"in place":         {[]component.Load{member}, "7", "1700m", "3328Mi", "3584Mi", "3", "30Gi", "1Gi"},
		"one on each node": {[]component.Load{proxy}, "104", "1200m", "2656Mi", "10112Mi", "0", "0", "128Mi"},
		"together":         {[]component.Load{web, member}, "26", "3600m", "5760Mi", "8448Mi", "3", "30Gi", "1Gi"},
	} {
		t.Run(name, func(t *testing.T) {
			componenttest.Both(t, bounded(test.loads...), func(t *testing.T, g *componenttest.Graph) {
				g.RequireOwned(t)
				g.RequireNames(t, "thing")
				quota := g.One(t, "kubernetes:core/v1:ResourceQuota", "thing-quota")
				for key, want := range map[string]string{
					"pods": test.pods, "requests.cpu": test.cpu, "requests.memory": test.memory, "limits.memory": test.limit,
					"persistentvolumeclaims": test.claims, "requests.storage": test.disk,
				} {
					if got := quota.Text(`spec.hard["` + key + `"]`); got != want {
						t.Errorf("%s is %s, want %s", key, got, want)
					}
				}
				limits := g.One(t, "kubernetes:core/v1:LimitRange", "thing-limits")
				if got := limits.Text("spec.limits[0].max.memory"); got != test.larger {
					t.Errorf("a container may use %s, want %s", got, test.larger)
				}
				if _, bounded := limits.Path("spec.limits[0].max.cpu"); bounded {
					t.Error("a bound on CPU would throttle every container that has none")
				}
			})
		})
	}
}

func TestRoomForWhatIsNoAmount(t *testing.T) {
	err := (&componenttest.Graph{}).Try(t, bounded(component.Load{Pods: 1, CPU: "much", Memory: "1Mi", MemoryLimit: "1Mi"}))
	if err == nil || !strings.Contains(err.Error(), `bounding thing: load 0: cpu: "much": quantities must match`) {
		t.Errorf("got %v", err)
	}
}
