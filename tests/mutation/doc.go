// Package mutation asks whether the tests of the policies would notice a rule
// that is wrong. It changes each comparison and drops each check of the rules,
// one at a time, and runs the rules' tests against it. The tests are behind the
// build tag soak:
//
//	go test -tags soak ./tests/mutation
package mutation
