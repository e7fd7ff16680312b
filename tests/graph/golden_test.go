package graph

import (
	"strings"
	"testing"

	"slipway.dev/slipway/components/component/componenttest"
)

// TestStacks freezes what each Pulumi.<stack>.yaml declares, so that a review
// shows the effect of a change beside its cause. Tags that follow the sources
// are blanked. Of upstream definitions and of admission policies only the first
// line is kept: the content of the one belongs to a version that the golden file
// names, that of the other is in stacks/admission.
func TestStacks(t *testing.T) {
	for _, stack := range append([]string{guest}, allStacks...) {
		t.Run(stack, func(t *testing.T) { freeze(t, stack) })
	}
}

func freeze(t *testing.T, stack string) {
	t.Helper()
	text, err := declared(t, stack, false).Render()
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, block := range strings.Split(sourceTag.ReplaceAllString(text, "src-............"), "\n\n") {
		for _, kind := range []string{"apiextensions.k8s.io/v1:CustomResourceDefinition", "admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy"} {
			if strings.HasPrefix(block, "kubernetes:"+kind+" ") {
				block, _, _ = strings.Cut(block, "\n")
			}
		}
		blocks = append(blocks, block)
	}
	componenttest.Golden(t, stack, strings.Join(blocks, "\n\n"), *update)
}
