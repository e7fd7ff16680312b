// Package privacy is a processor of the OpenTelemetry Collector that removes
// personal data and secrets from log records before anything stores them.
//
// In every text of a record (body, at any depth, and attributes) it
//
//   - truncates IP addresses to their network, /24 or /48, in every way of
//     writing them;
//   - replaces credentials: Authorization headers, JSON web tokens, keys with a
//     known beginning, and what is said to be a password, token or cookie;
//   - replaces e-mail addresses, and everything behind a question mark, which in
//     a log of requests is the query;
//   - removes fields whose name promises one of these, whatever they hold;
//   - cuts a text that exceeds a limit, without leaving half of an address.
//
// It errs on the side of removing too much: a log line that lost a word can be
// read, one that kept an address cannot be unread.
//
// A processor of its own, rather than the transform or redaction processor,
// because an IPv6 address cannot be recognised, let alone truncated, by a
// regular expression alone, and because a rule is worth as much as its tests.
package privacy
