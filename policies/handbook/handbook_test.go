package handbook_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/handbook"
)

var update = flag.Bool("update", false, "regenerate the documents")

const docs = "../../docs"

// TestDocumentsAreCurrent keeps docs/policies.md and its pages equal to the rules.
func TestDocumentsAreCurrent(t *testing.T) {
	pages, err := handbook.Pages(catalogue.Rules())
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := handbook.Write(docs, pages); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range handbook.Stale(docs, pages) {
		t.Errorf("docs/%s is stale; run: make update", path)
	}
}

func TestStalePagesAreFoundAndRemoved(t *testing.T) {
	pages, err := handbook.Pages(catalogue.Rules())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if got := handbook.Stale(dir, pages); len(got) != len(pages) {
		t.Errorf("%d pages are missing in an empty directory, want %d", len(got), len(pages))
	}
	if err := handbook.Write(dir, pages); err != nil {
		t.Fatal(err)
	}
	if got := handbook.Stale(dir, pages); len(got) > 0 {
		t.Errorf("stale after writing: %v", got)
	}
	gone := filepath.Join(dir, "policies", "rule-that-is-gone.md")
	if err := os.WriteFile(gone, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(handbook.Stale(dir, pages), " "); got != "policies/rule-that-is-gone.md" {
		t.Errorf("stale are %q", got)
	}
	if err := handbook.Write(dir, pages); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(gone); err == nil {
		t.Error("the page of a rule that is gone stays")
	}
}
