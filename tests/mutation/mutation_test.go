//go:build soak

package mutation

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// wanted is the share of mutants that must be noticed.
const wanted = 0.95

// switchboard tells the rewritten sources which mutant is on.
const switchboard = `package rule

import (
	"os"
	"strconv"
)

var mutant, _ = strconv.Atoi(os.Getenv("SLIPWAY_MUTANT"))

// MutantOn tells whether a mutant is switched on.
func MutantOn(n int) bool { return n == mutant }
`

func TestMutants(t *testing.T) {
	dir := t.TempDir()
	overlay := map[string]string{}
	replace := func(path string, content []byte) {
		absolute, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, fmt.Sprintf("%d.go", len(overlay)))
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		overlay[absolute] = file
	}
	replace(checkout+"/policies/rule/zz_mutants.go", []byte(switchboard))
	mutants, changed := sources(t)
	for path, content := range changed {
		replace(path, content)
	}
	raw, err := json.Marshal(map[string]any{"Replace": overlay})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "catalogue.test")
	build := exec.Command("go", "test", "-c", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./policies/catalogue")
	build.Dir = checkout
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the mutants: %v\n%s", err, out)
	}
	run := func(id int) bool {
		// What is not known is asked a few thousand times, of rules that are right.
		cmd := exec.Command(binary, "-test.failfast", "-test.timeout=60s", "-test.skip=TestNoUnknownValueIsAPass")
		cmd.Dir = checkout + "/policies/catalogue"
		cmd.Env = append(os.Environ(), "SLIPWAY_MUTANT="+strconv.Itoa(id))
		return cmd.Run() == nil
	}
	if !run(0) {
		t.Fatal("the tests fail without any mutant")
	}
	survived := make([]bool, len(mutants))
	work := make(chan int)
	var wait sync.WaitGroup
	for range runtime.NumCPU() {
		wait.Go(func() {
			for i := range work {
				survived[i] = run(mutants[i].id)
			}
		})
	}
	for i := range mutants {
		work <- i
	}
	close(work)
	wait.Wait()

	var alive []mutant
	for i, m := range mutants {
		if survived[i] {
			alive = append(alive, m)
		}
	}
	share := 1 - float64(len(alive))/float64(len(mutants))
	text := report(mutants, alive, share)
	t.Log(text)
	if *update {
		if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if share < wanted {
		t.Errorf("%.1f %% of the mutants were noticed, want %.0f %%", 100*share, 100*wanted)
	}
}

func report(mutants, alive []mutant, share float64) string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Mutation test of the policies\n\nWritten by `go test -tags soak ./tests/mutation -update`.\n\n"+
		"Each comparison of the rules was flipped and each condition dropped, one at a time: %d mutants. "+
		"The rules' tests noticed %.1f %% of them. Not noticed:\n\n", len(mutants), 100*share)
	slices.SortFunc(alive, func(a, b mutant) int { return strings.Compare(a.at, b.at) })
	for _, m := range alive {
		fmt.Fprintf(&out, "- %s %s `%s`\n", m.at, m.what, strings.Join(strings.Fields(m.text), " "))
	}
	return out.String()
}
