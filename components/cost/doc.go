// Package cost tells people what an environment costs before the bill does.
//
// A budget counts what is tagged with the stack's name, and mails when a part of
// it is spent, when all of it is, and when the forecast says it will be. A
// monitor learns what the same tag usually costs by service, and mails when a
// day is out of line. Both follow the tag, so two environments in one account
// are told apart; the tag has to be activated for billing once, which docs/aws.md
// says how.
package cost
