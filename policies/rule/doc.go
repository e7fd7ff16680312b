// Package rule is what a policy rule is made of and judged by: resources as
// data, the verdicts pass, fail and undecided, and the judge that asks every
// rule about every resource it concerns.
//
// It knows neither Pulumi's engine nor a cluster. A resource is a type token, a
// name and a tree of values, wherever it was read; see package document for the
// readers. A value that a preview does not know yet is left out of the tree and
// remembered by its path. Rules do not look for such values: they say in Reads
// and Consults what they depend on, and the judge answers undecided wherever an
// unknown value could change the answer.
package rule
