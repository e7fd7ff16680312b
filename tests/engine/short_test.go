//go:build !soak

package engine

// killings is how often a rollback is killed.
const killings = 4

// every how many of the bad changes to the stacks one goes through the engine;
// that they still fit the sources is checked for all.
const every = 12

// patient tests also wait for the engine to believe that S3 is gone for good,
// which takes it minutes. They kill at every point on every backend.
const patient = false
