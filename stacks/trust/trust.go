// Package trust names what a client of a stack's API has to trust. The program
// publishes it and the helper reads it, which is why it stands apart.
package trust

// Output is the stack output that holds one of the following.
const Output = "apiTrust"

const (
	// Own is the platform's authority, and the output with its certificate.
	Own = "caCertificate"
	// Public is what every system trusts.
	Public = "public"
	// Staging is Let's Encrypt's staging authority, which no system trusts.
	Staging = "letsencrypt-staging"
)
