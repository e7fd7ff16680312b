// Package component holds the few things every component of Slipway does the
// same way: options of children, deletion stances, labels and selectors, and
// namespaces that start closed.
//
// It knows nothing of any one component. What only two components share does
// not belong here either, unless a third one getting it wrong would hurt.
package component
