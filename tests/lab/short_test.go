//go:build lab && !soak

package lab

// killedAfter is when `lab up` is killed, in milliseconds.
var killedAfter = []int{50, 300, 800, 2500, 4000}
