package main

import (
	"bytes"
	"strings"
	"testing"

	"slipway.dev/slipway/internal/image"
	"slipway.dev/slipway/internal/paths"
)

// The list is whole even where nothing can be built, and says why not.
func TestImageListWithoutTools(t *testing.T) {
	t.Setenv(paths.CacheEnv, t.TempDir())
	builder, err := image.Open("../..", image.Directory(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	var list, notes bytes.Buffer
	if err := printImages(&list, &notes, builder); err != nil {
		t.Fatal(err)
	}
	for _, spec := range builder.Catalog() {
		if !strings.Contains(list.String(), spec.Ref) {
			t.Errorf("the list lacks %s", spec.Ref)
		}
		_, _, err := builder.Find(spec)
		if (err != nil) != strings.Contains(notes.String(), spec.Ref) {
			t.Errorf("%s: the fault is %v, the notes are:\n%s", spec.Ref, err, notes.String())
		}
	}
	if !strings.Contains(list.String(), "cannot be built") || !strings.Contains(list.String(), "not built") {
		t.Errorf("the list does not tell apart what can be built:\n%s", list.String())
	}
}
