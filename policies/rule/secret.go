package rule

import (
	"slices"
	"strconv"
	"strings"
)

// notShown is said instead of what a rule says about a secret value: whatever it
// quotes may be a part of it.
const notShown = "is not as the rule asks; it is secret, so what it holds is not shown"

// hides tells whether a path leads to or through a secret value. The resource
// as a whole is none.
func (r *Resource) hides(path string) bool {
	if len(r.hidden) == 0 || path == "" {
		return false
	}
	at := steps(path)
	return slices.ContainsFunc(r.hidden, func(secret []string) bool { return meet(at, secret) })
}

// concealed replaces every secret text of the resource in a message: as it is,
// as it is quoted, in lower case, and line by line. Texts too short to be a
// secret, such as "1", would make a message unreadable.
func (r *Resource) concealed(message string) string {
	for _, secret := range r.secrets {
		for _, part := range append([]string{secret}, strings.Split(secret, "\n")...) {
			part = strings.TrimSpace(part)
			if len(part) < 4 {
				continue
			}
			quoted := strconv.Quote(part)
			for _, form := range []string{quoted[1 : len(quoted)-1], part, strings.ToLower(part)} {
				message = strings.ReplaceAll(message, form, "[secret]")
			}
		}
	}
	return message
}

// concealed is a rule's complaint without the secrets of the resource it is
// about, and of those it was compared with.
func (rule *Rule) concealed(s *Stack, r *Resource, c Complaint) string {
	if r.hides(c.Path) {
		return notShown
	}
	message := r.concealed(c.Message)
	for token := range rule.Consults {
		for _, other := range s.Of(token) {
			message = other.concealed(message)
		}
	}
	return message
}
