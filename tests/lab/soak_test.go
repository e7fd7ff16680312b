//go:build lab && soak

package lab

// killedAfter is when `lab up` is killed, in milliseconds.
var killedAfter = []int{50, 150, 300, 500, 800, 1300, 2500, 4000}
