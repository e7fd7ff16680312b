package stacks

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway.dev/slipway/components/component"
)

// machine is what an instance type offers.
type machine struct {
	cores  float64
	memory float64 // GiB
}

// machines are the instance types the settings may name, with figures from
// AWS's public tables. They are all of the x86-64 kind that the images are
// built for.
var machines = map[string]machine{
	"t3.medium": {2, 4}, "t3.large": {2, 8}, "t3.xlarge": {4, 16},
	"t3a.medium": {2, 4}, "t3a.large": {2, 8}, "t3a.xlarge": {4, 16},
	"m6i.large": {2, 8}, "m6i.xlarge": {4, 16}, "m6i.2xlarge": {8, 32}, "m6i.4xlarge": {16, 64},
	"m7i.large": {2, 8}, "m7i.xlarge": {4, 16}, "m7i.2xlarge": {8, 32}, "m7i.4xlarge": {16, 64},
	"m7a.large": {2, 8}, "m7a.xlarge": {4, 16}, "m7a.2xlarge": {8, 32}, "m7a.4xlarge": {16, 64},
	"m7i-flex.large": {2, 8}, "m7i-flex.xlarge": {4, 16}, "m7i-flex.2xlarge": {8, 32},
	"r7i.large": {2, 16}, "r7i.xlarge": {4, 32}, "r7i.2xlarge": {8, 64}, "r7i.4xlarge": {16, 128},
	"c7i.large": {2, 4}, "c7i.xlarge": {4, 8}, "c7i.2xlarge": {8, 16}, "c7i.4xlarge": {16, 32},
}

// Parts of a machine that pods of the platform can have. The rest is for the
// kubelet, the add-ons and the system.
const (
	usableCores  = 0.85
	usableMemory = 0.75
)

// Requests of a proxy, which components/traefik decides.
const (
	proxyCores  = 0.1
	proxyMemory = 0.0625
)

const gib = 1 << 30

// checkRoom finds out whether what the platform asks for at its largest fits
// into the nodes at their largest. Groups with taints do not count: nothing of
// the platform goes there.
func (a AWS) checkRoom(s Settings, f *faults) {
	var nodes int
	var room, largest machine
	unknown := false
	for _, name := range slices.Sorted(maps.Keys(a.Cluster.NodeGroups)) {
		group := a.Cluster.NodeGroups[name]
		least := machine{1e9, 1e9} // the smallest that will do is what one may get
		for i, kind := range group.InstanceTypes {
			known, ok := machines[kind]
			if !ok {
				at := fmt.Sprintf("aws.cluster.nodeGroups.%s.instanceTypes[%d]", name, i)
				if !f.has(at) {
					f.add(at, "%q is not known here, so nobody can say what fits; known are %s",
						kind, strings.Join(slices.Sorted(maps.Keys(machines)), ", "))
				}
				unknown = true
				continue
			}
			least = machine{min(least.cores, known.cores), min(least.memory, known.memory)}
		}
		if len(group.Taints) > 0 || len(group.InstanceTypes) == 0 || unknown {
			continue
		}
		nodes += group.Max
		room.cores += float64(group.Max) * least.cores * usableCores
		room.memory += float64(group.Max) * least.memory * usableMemory
		largest = machine{max(largest.cores, least.cores), max(largest.memory, least.memory)}
	}
	if unknown || len(a.Cluster.NodeGroups) == 0 {
		return
	}
	if !s.Database.ShareNodes && nodes < s.Database.Members {
		f.add("database.members", "is %d, but there are %d nodes at most and members do not share one; "+
			"raise aws.cluster.nodeGroups, or set database.shareNodes", s.Database.Members, nodes)
	}
	member, known := amounts(s.Database.CPU, s.Database.Memory)
	pod, knownToo := amounts(s.API.Resources.CPU, s.API.Resources.Memory)
	if !known || !knownToo {
		return // reported where it stands
	}
	if member.cores > largest.cores*usableCores || member.memory > largest.memory*usableMemory {
		f.add("database.memory", "and cpu are %s and %s, more than any node can give to one pod: %.1f cores and %.1f GiB",
			s.Database.Memory, s.Database.CPU, largest.cores*usableCores, largest.memory*usableMemory)
	}
	releases := 1
	if s.API.Strategy == "blueGreen" {
		releases = 2
	}
	pods, members, proxies := float64(s.API.Scaling.Max*releases), float64(s.Database.Members), float64(s.Ingress.MaxReplicas)
	watching, measuring := s.Monitoring.requests(nodes), s.Benchmark.requests()
	cores := pods*pod.cores + members*member.cores + proxies*proxyCores + watching.cores + measuring.cores
	memory := pods*pod.memory + members*member.memory + proxies*proxyMemory + watching.memory + measuring.memory
	if cores > room.cores || memory > room.memory {
		f.add("aws.cluster.nodeGroups", "have room for %.1f cores and %.1f GiB at their largest, but api.scaling.max, "+
			"database.members, ingress.maxReplicas, monitoring and benchmark together ask for %.1f and %.1f", room.cores, room.memory, cores, memory)
	}
}

// amounts reads what one pod asks for.
func amounts(cpu, memory string) (machine, bool) {
	cores, err := component.Quantity(cpu)
	bytes, other := component.Quantity(memory)
	return machine{cores, bytes / gib}, err == nil && other == nil
}
