// Package certificates issues and renews TLS certificates inside a cluster: it
// installs cert-manager and a certificate authority of the cluster's own, and
// where the public asks for names, issuers that the public trusts.
//
// # The authority
//
// A self-signed issuer signs the authority's certificate, whose key
// cert-manager makes and keeps in a Secret; a ClusterIssuer signs with it for
// every namespace. The key never leaves the cluster. In particular it is not
// read into the state: reading that Secret, even for the certificate beside
// the key, would put both into every checkpoint.
//
// The certificate, which clients need, is published instead. cert-manager's CA
// injector copies the authority of a Certificate into the configuration of
// webhooks that ask for it, so a webhook configuration without any rule, which
// the API server therefore never calls, serves as a board on which the
// certificate is pinned up. The provider waits until it hangs there.
//
// # Order
//
// An object of cert-manager is checked by a webhook, and the API server calls
// that webhook only over TLS it can verify. So each object depends on: the
// definitions of its kind being served, the webhook running for some seconds
// (time for every node to learn where it is), and the webhook's own authority
// being injected into its configurations, which the provider waits for. Without
// this chain the first update of a cluster fails every so often with an error
// that is gone when it is repeated.
//
// # Rights
//
// Only the controllers that a private authority needs are switched on, and the
// roles are cut to them. Without ACME there are no rights on pods, services or
// ingresses; with it they are only read, since proofs are given in DNS and no
// solver ever runs.
// The controller must read and write Secrets in every namespace, because that
// is where certificates are delivered; the CA injector only reads those of its
// own namespace.
//
// # The public
//
// With ACME there are two more issuers, for trying (staging) and for use. A proof
// that a name is ours is a TXT record in the public zone, so nothing has to be
// reachable for a certificate to come. The controller's role in the cloud may
// write such records in that one zone and nothing else; its identity is bound to
// its service account. Whether a proof has spread is asked of public resolvers:
// the cluster's own would answer from the private view and never agree.
package certificates
