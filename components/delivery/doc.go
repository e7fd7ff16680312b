// Package delivery lets a repository's CI work in the account without a stored
// key: GitHub signs a token for each run, and AWS takes it for a role.
//
// There are three roles for each environment. A deploy role is taken only by runs
// of that environment, which GitHub guards with its own approvals. A preview
// role is taken by runs of pull requests: it reads, the state included, and it
// can neither change anything nor decrypt a secret, which is denied outright,
// whatever AWS adds to the policy that lets it read. A state that holds secrets
// can therefore not be previewed with it by Pulumi itself, which wants to
// decrypt them first; docs/aws.md says how pull requests are previewed instead.
// A drift role is taken by runs of the main branch, which wait for nobody: it
// reads too, and of secrets it decrypts those of the state and no others.
//
// A deploy role is powerful, since it makes roles and networks; what it may
// never do is denied: make people and their keys, leave the organisation, delete
// locked backups, or change the roles of delivery.
package delivery
