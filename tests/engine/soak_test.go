//go:build soak

package engine

// killings is how often a rollback is killed.
const killings = 50

// every how many of the bad changes to the stacks one goes through the engine.
const every = 1

// patient tests also wait for the engine to believe that S3 is gone for good,
// which takes it minutes. They kill at every point on every backend.
const patient = true
