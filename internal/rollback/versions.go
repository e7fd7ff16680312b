package rollback

import (
	"fmt"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/checkpoint"
)

// compatible refuses providers whose major version changed: a state that a
// newer major wrote may be beyond what an older one can read.
func compatible(then, today *checkpoint.State) error {
	current := today.Providers()
	var faults []string
	for name, version := range then.Providers() {
		if other, ok := current[name]; ok && major(version) != major(other) {
			faults = append(faults, fmt.Sprintf("provider %s was %s and is %s", name, version, other))
		}
	}
	if before, now := major(then.Manifest.Version), major(today.Manifest.Version); before != now {
		faults = append(faults, fmt.Sprintf("pulumi was %s and is %s", then.Manifest.Version, today.Manifest.Version))
	}
	if len(faults) == 0 {
		return nil
	}
	slices.Sort(faults)
	return fmt.Errorf("%w: %s; revert the program by hand, keep the newer versions, and run `slipway up`", ErrVersions, strings.Join(faults, "; "))
}

func major(version string) string {
	number, _, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	return number
}
