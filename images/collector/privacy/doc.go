// Package privacy is a processor of the OpenTelemetry Collector that removes
// personal data and secrets from log records and spans before anything stores them.
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
// Of spans it keeps what is listed, since the libraries that make them put client
// addresses, user agents, paths and queries into attributes, and more with each
// version:
//
//   - identifiers, times, kind, and whether it failed;
//   - of its attributes and its events' http.request.method, http.route,
//     http.response.status_code, error.type, db.system.name, db.operation.name,
//     entry_point, traefik.service.name, traefik.router.name,
//     network.protocol.version, url.scheme, server.port, and the platform's own,
//     slipway.*, unless their value has fields of its own;
//   - of its resource's service.name, service.version, k8s.pod.name,
//     k8s.namespace.name and k8s.node.name;
//   - the names of spans and events, and the name and version of what made them.
//
// The texts among these are redacted like those of a record. A client chooses the
// method of a request, and may choose the scheme: one that nobody knows becomes
// "_OTHER". A path in a span's name stays only where it is the span's route, and
// "[path]" takes the place of any other. Messages of failures, trace states, and the
// attributes of links and scopes are removed.
//
// It errs on the side of removing too much: a log line that lost a word can be
// read, one that kept an address cannot be unread.
//
// A processor of its own, rather than the transform or redaction processor,
// because an IPv6 address cannot be recognised, let alone truncated, by a
// regular expression alone, and because a rule is worth as much as its tests.
package privacy
