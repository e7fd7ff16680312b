// Package grant writes IAM policy documents.
//
// A document is made from plain values by one pure function, so that a test
// can read what a role may do. Where an ARN is only known once a resource
// exists, the whole document waits for it; nothing is patched into text.
//
// Names are given to resources so that their ARNs can be written beforehand:
// a policy that lists what it is for shows in a preview, before the first
// resource exists.
package grant
