//go:build e2e && !soak

package e2e

// stops is how often an update is stopped in each way.
const stops = 1

// deletions is how often all members of the database are deleted.
const deletions = 3

// colours are the releases that requests are moved to, one after the other.
var colours = []string{"blue", "green"}

// drawn is how many changes the platform goes through, and everyFew after how
// many of them it is rolled back.
const (
	drawn    = 1
	everyFew = 1
)
