// Package gobuild says how Go is compiled here.
package gobuild

// Environment is an environment to compile in, made from one to run in.
//
// The compiler and the linker collect their garbage less often than they would:
// compiling the standard library takes 15 % less processor time for a quarter
// more memory. The limit, per process, is what a build has to itself on each
// core; near it they collect as often as that takes. What env says about either
// stays.
func Environment(env []string) []string {
	return append([]string{"GOGC=400", "GOMEMLIMIT=2GiB"}, env...)
}
