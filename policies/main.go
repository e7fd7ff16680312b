// Command policies is Slipway's policy pack for Pulumi. The rules are in the
// packages below this directory; here they only meet the engine:
//
//	pulumi preview --policy-pack policies
//
// settings.yaml says how strictly each stack is held to them and waivers.yaml
// what is excused.
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"
)

// garbage is the growth of the heap, in percent, at which memory is collected.
// The pack lives for one run of the engine and throws away nearly all that it
// decodes: collecting later costs some megabytes and saves processor time.
const garbage = 400

func main() {
	debug.SetGCPercent(garbage)
	if err := policyx.Main(newPack); err != nil {
		fmt.Fprintln(os.Stderr, "policy pack:", err)
		os.Exit(1)
	}
}
