// Package randomprovider is an offline resource plugin named "random". It
// serves the resources of pulumi-random v4 where the official plugin cannot be
// downloaded: same tokens, inputs, defaults, outputs, secrets, import formats
// and replacement rules, so that a program and its state can move to the
// official plugin, and back, without a resource being replaced.
//
// It differs from the official plugin on purpose in four places:
//   - faults that the official plugin reports while creating (a minimum above
//     the maximum, a length below one) are reported by Check, during preview;
//   - the ID of RandomBytes is "none": the official one is the secret itself,
//     in the clear, in state and on the screen;
//   - an output that contains an input's text (a prefix, shuffled strings) is
//     secret when that input is;
//   - RandomUuid makes valid version 4 UUIDs, not just 16 random bytes.
//
// Everything without a seed comes from crypto/rand. With a seed, RandomInteger
// and RandomShuffle give what the official plugin gives for that seed.
package randomprovider
