// Package simcloud is a simulated AWS behind a Pulumi provider, to rehearse the
// life of a stack where there is no account. It serves the resources and
// functions of pulumi-aws v6 that a platform of this kind uses, with the
// computed outputs, the replacements and the refusals of the real one. It is a
// test instrument: a wrong program must fail in it, and what it does not know
// it refuses by name. Nothing it says is evidence about AWS itself.
//
// A type of resource is an entry of a table (kind): the entry holds what the
// SDK does not say, such as which inputs cannot change in place, what refers to
// what, and how long AWS takes. Names, types and required inputs are read from
// the sources of the pinned SDK (schema.json, written by `make update`), so
// nothing invented slips in.
//
// The simulated cloud lies in a directory (World): one file for each thing,
// which may be edited to cause drift, and a list of all operations. Settings
// come from the environment, SLIPWAY_SIMULATION_*: see Settings.
//
// It is stricter than AWS in a few places, on purpose: nodes join their cluster
// or fail at once, a reference to what is still being created is refused, an
// add-on that needs nodes is refused where there are none, and nothing is tried
// again in the hope that AWS has become consistent.
package simcloud
