package graph

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"slipway.dev/slipway/components/component/componenttest"
)

// TestDiagrams keeps a drawing of each AWS stack equal to what it declares: the
// text for graphviz here, and the picture by the digest that scripts/diagrams
// left when it was rendered.
func TestDiagrams(t *testing.T) {
	images := filepath.Join(checkout, "docs", "images")
	rendered, err := os.ReadFile(filepath.Join(images, "rendered.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, stack := range []string{"account", "dev", "prod"} {
		t.Run(stack, func(t *testing.T) {
			got := draw(stack, declared(t, stack, false))
			current(t, "images/"+stack+".dot", "stack", got)
			shown(t, stack, got, string(rendered))
		})
	}
	t.Run("platform", func(t *testing.T) {
		drawn, err := os.ReadFile(filepath.Join(images, "platform.dot"))
		if err != nil {
			t.Fatal(err)
		}
		shown(t, "platform", string(drawn), string(rendered))
		found := 0
		for _, node := range declared(t, "local", false).Nodes() {
			if node.TypeToken != "kubernetes:core/v1:Namespace" {
				continue
			}
			found++
			name := node.Inputs["metadata"].ObjectValue()["name"].StringValue()
			if !strings.Contains(string(drawn), fmt.Sprintf("label=%q", name)) {
				t.Errorf("docs/images/platform.dot, drawn by hand, lacks the namespace %s", name)
			}
		}
		if found == 0 {
			t.Error("the local stack declares no namespace")
		}
	})
}

// shown compares a drawing with the digest of the one that was rendered.
func shown(t *testing.T, name, drawing, rendered string) {
	t.Helper()
	sum := sha256.Sum256([]byte(drawing))
	if line := hex.EncodeToString(sum[:]) + "  " + name + ".dot"; !strings.Contains(rendered, line) && !*update {
		t.Errorf("docs/images/%s.png shows something else; run: scripts/diagrams", name)
	}
}

// box is a component at the top of the stack with all that is in it.
type box struct {
	name  string
	kinds map[string]int
	facts []string
	// inside says that it is in the cluster.
	inside bool
	after  map[string]bool
}

// draw writes the stack's components and what comes before what.
func draw(stack string, g *componenttest.Graph) string {
	parents := map[string]string{}
	for _, node := range g.Nodes() {
		parents[node.TypeToken+" "+node.Name] = key(node.RegisterRPC.GetParent())
	}
	// top is the outermost component around a resource.
	top := func(at string) string {
		for strings.HasPrefix(parents[at], "slipway:") {
			at = parents[at]
		}
		_, name, _ := strings.Cut(at, " ")
		if !strings.HasPrefix(at, "slipway:") {
			return ""
		}
		return name
	}
	boxes := map[string]*box{}
	for _, node := range g.Nodes() {
		name := top(node.TypeToken + " " + node.Name)
		if name == "" || strings.HasPrefix(node.TypeToken, "slipway:") || strings.HasPrefix(node.TypeToken, "pulumi:") {
			continue
		}
		if boxes[name] == nil {
			boxes[name] = &box{name: name, kinds: map[string]int{}, after: map[string]bool{}}
		}
		b := boxes[name]
		b.kinds[node.TypeToken[strings.LastIndex(node.TypeToken, ":")+1:]]++
		b.inside = b.inside || strings.HasPrefix(node.TypeToken, "kubernetes:")
		if fact := fact(node); fact != "" {
			b.facts = append(b.facts, fact)
		}
		needs := node.RegisterRPC.GetDependencies()
		if provider := node.RegisterRPC.GetProvider(); provider != "" {
			needs = append(needs, provider[:strings.LastIndex(provider, "::")])
		}
		for _, urn := range needs {
			if other := top(key(urn)); other != "" && other != name {
				b.after[other] = true
			}
		}
	}
	var out strings.Builder
	fmt.Fprintf(&out, `// What stack %s declares. Written by TestDiagrams, rendered by scripts/diagrams.
digraph %s {
  graph [rankdir=LR, nodesep=0.25, ranksep=0.6, fontname="DejaVu Sans", fontsize=12, pad=0.3, labeljust=l, labelloc=t,
    label="stack %s: an arrow leads from what is made first"]
  node  [shape=box, style="rounded,filled", fillcolor="#ffffff", color="#475569", fontname="DejaVu Sans", fontsize=10, margin="0.12,0.07"]
  edge  [color="#64748b", arrowsize=0.7]
`, stack, stack, stack)
	for _, place := range []struct {
		inside      bool
		name, title string
		fill        string
	}{{false, "cloud", "AWS", "#fff7ed"}, {true, "cluster", "in the cluster", "#eff6ff"}} {
		var nodes []string
		for _, name := range slices.Sorted(maps.Keys(boxes)) {
			if boxes[name].inside == place.inside {
				nodes = append(nodes, "    "+boxes[name].node()+"\n")
			}
		}
		if len(nodes) > 0 {
			fmt.Fprintf(&out, "  subgraph cluster_%s { label=%q; style=\"rounded,filled\"; fillcolor=%q; color=\"#94a3b8\"\n%s  }\n",
				place.name, place.title, place.fill, strings.Join(nodes, ""))
		}
	}
	for _, to := range slices.Sorted(maps.Keys(boxes)) {
		for _, from := range slices.Sorted(maps.Keys(boxes[to].after)) {
			if !around(boxes, to, from) {
				fmt.Fprintf(&out, "  %q -> %q\n", from, to)
			}
		}
	}
	out.WriteString("}\n")
	return out.String()
}

// key is the type and name of a URN.
func key(urn string) string {
	if urn == "" {
		return ""
	}
	return string(resource.URN(urn).Type()) + " " + resource.URN(urn).Name()
}

// around tells whether what comes first is also reached over another box, so
// that an arrow would say nothing more.
func around(boxes map[string]*box, to, from string) bool {
	seen := map[string]bool{to: true}
	var reaches func(at string) bool
	reaches = func(at string) bool {
		if at == from {
			return true
		}
		if seen[at] || boxes[at] == nil {
			return false
		}
		seen[at] = true
		return slices.ContainsFunc(slices.Sorted(maps.Keys(boxes[at].after)), reaches)
	}
	return slices.ContainsFunc(slices.Sorted(maps.Keys(boxes[to].after)), func(next string) bool { return next != from && reaches(next) })
}

// node is the box as graphviz reads it: its name, facts, and how many of what.
func (b *box) node() string {
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(b.kinds)) {
		if n := b.kinds[kind]; n > 1 {
			kind = fmt.Sprintf("%d× %s", n, kind)
		}
		kinds = append(kinds, kind)
	}
	const wide = 3 // kinds on a line
	lines := []string{strings.ToUpper(b.name)}
	slices.Sort(b.facts)
	lines = append(lines, b.facts...)
	for line := range slices.Chunk(kinds, wide) {
		lines = append(lines, strings.Join(line, " · "))
	}
	return fmt.Sprintf(`%q [label="%s"]`, b.name, strings.Join(lines, `\n`))
}

// fact is what a reader wants to know of a resource besides that it is there.
func fact(node componenttest.Node) string {
	switch node.TypeToken {
	case "aws:ec2/vpc:Vpc":
		return node.Text("cidrBlock")
	case "aws:eks/cluster:Cluster":
		return "Kubernetes " + node.Text("version")
	case "aws:eks/nodeGroup:NodeGroup":
		return fmt.Sprintf("%.0f to %.0f %s, %s", node.Number("scalingConfig.minSize"), node.Number("scalingConfig.maxSize"),
			node.Text("instanceTypes[0]"), strings.ToLower(strings.ReplaceAll(node.Text("capacityType"), "_", " ")))
	case "aws:route53/zone:Zone", "aws:ecr/repository:Repository":
		return node.Text("name")
	case "aws:s3/bucketV2:BucketV2":
		return node.Text("bucket")
	case "aws:budgets/budget:Budget":
		return node.Text("limitAmount") + " USD a month"
	case "kubernetes:apps/v1:StatefulSet", "kubernetes:apps/v1:Deployment":
		if n := node.Number("spec.replicas"); n > 0 {
			return fmt.Sprintf("%.0f× %s", n, node.Text("metadata.name"))
		}
		return node.Text("metadata.name")
	}
	return ""
}
