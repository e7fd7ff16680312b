package mutation

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the result of the long run to docs/policies-mutation.md")

const checkout = "../.."

// subjects are the packages whose rules are changed.
var subjects = []string{"workload", "availability", "network", "identity", "supply", "ingress", "data", "privacy", "cost", "cloud"}

// page is where the result of the long run stands.
const page = checkout + "/docs/policies-mutation.md"

// TestThePageIsOfTheseRules: the long run is run by hand, so that its page is of
// other rules than there are is noticed here.
func TestThePageIsOfTheseRules(t *testing.T) {
	mutants, _ := sources(t)
	said, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		return // the long run, which is behind the tag soak, writes it
	}
	if want := fmt.Sprintf(" %d mutants.", len(mutants)); !strings.Contains(string(said), want) {
		t.Errorf("%s is of other rules: there are%s Run: go test -tags soak ./tests/mutation -update", page, want)
	}
}

// sources are all mutants, and the files that hold them by their path.
func sources(t *testing.T) ([]mutant, map[string][]byte) {
	t.Helper()
	var mutants []mutant
	changed := map[string][]byte{}
	next := 0
	for _, subject := range subjects {
		paths, err := filepath.Glob(checkout + "/policies/" + subject + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			content, found := source(t, path, &next)
			if len(found) > 0 {
				changed[path] = content
				mutants = append(mutants, found...)
			}
		}
	}
	return mutants, changed
}

// mutant is one change to one place.
type mutant struct {
	id   int
	at   string
	what string
	text string
}

// edit puts text before or after a place in a file.
type edit struct {
	offset int
	text   string
	// Of edits at one place the wider ones are outside.
	rank int
}

// source rewrites one file so that each of its mutants can be switched on by
// number. One build then serves all of them.
func source(t *testing.T, path string, next *int) ([]byte, []mutant) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, raw, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var mutants []mutant
	var edits []edit
	rank := 0
	change := func(what string, node ast.Expr, before, after string) {
		*next++
		from, to := files.Position(node.Pos()), files.Position(node.End())
		mutants = append(mutants, mutant{*next, fmt.Sprintf("%s:%d", strings.TrimPrefix(path, checkout+"/"), from.Line), what, string(raw[from.Offset:to.Offset])})
		rank++
		edits = append(edits, edit{from.Offset, fmt.Sprintf(before, *next), rank}, edit{to.Offset, after, -rank})
	}
	drop := func(cond ast.Expr) { change("dropped", cond, "(!rule.MutantOn(%d) && (", "))") }
	ast.Inspect(file, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.IfStmt:
			drop(n.Cond)
		case *ast.SwitchStmt:
			if n.Tag == nil {
				for _, clause := range n.Body.List {
					for _, cond := range clause.(*ast.CaseClause).List {
						drop(cond)
					}
				}
			}
		case *ast.BinaryExpr:
			switch n.Op {
			case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ:
				change("flipped", n, "(rule.MutantOn(%d) != (", "))")
			}
		}
		return true
	})
	sort.SliceStable(edits, func(i, j int) bool {
		if edits[i].offset != edits[j].offset {
			return edits[i].offset < edits[j].offset
		}
		// Closings before openings; then outer openings first, inner closings first.
		closing := func(e edit) bool { return e.rank < 0 }
		if closing(edits[i]) != closing(edits[j]) {
			return closing(edits[i])
		}
		return edits[i].rank < edits[j].rank
	})
	var out strings.Builder
	last := 0
	for _, e := range edits {
		out.Write(raw[last:e.offset])
		out.WriteString(e.text)
		last = e.offset
	}
	out.Write(raw[last:])
	return []byte(out.String()), mutants
}
