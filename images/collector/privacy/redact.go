package privacy

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"
)

// What stands where something was removed.
const (
	token   = "[token]"
	email   = "[email]"
	query   = "?[query]"
	path    = "[path]"
	removed = "[removed]"
	cut     = "[cut]"
)

// Patterns of what identifies a person or opens a door, in the order in which
// they are applied: a token may contain what looks like a query.
var patterns = []struct {
	expression *regexp.Regexp
	// hint must occur in a text, in either case, before the expression is tried.
	hint []string
	into string
}{
	{
		// RFC 6750, RFC 7617: the credentials of an Authorization header.
		regexp.MustCompile(`(?i)\b(bearer|basic|digest|negotiate)(\s+|%20|\+)[a-z0-9._~+/=%-]{6,}`),
		[]string{"bearer", "basic", "digest", "negotiate"}, "${1} " + token,
	},
	{
		// RFC 7519: two or three parts in base64url, of which the first is the
		// beginning of a JSON object.
		regexp.MustCompile(`eyJ[A-Za-z0-9_=-]{4,}\.[A-Za-z0-9_=-]{4,}(\.[A-Za-z0-9_=-]*)*`), []string{"eyj"}, token,
	},
	{
		// Keys of AWS, GitHub, Slack and Stripe say by their beginning what they are.
		regexp.MustCompile(`\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|[rs]k_(?:live|test)_[A-Za-z0-9]{10,})`),
		[]string{"akia", "asia", "gh", "xox", "k_"}, token,
	},
	{
		// A name that promises a secret, and what it is said to be.
		regexp.MustCompile(`(?i)((?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|authorization|cookie|session(?:[_-]?id)?|credentials?)\\?["']?\s*(?:[:=]|%3d)\s*)` +
			`(\\?"(?:[^"\\]|\\[^"])*\\?"|'[^']*'|(?:(?:bearer|basic|digest|negotiate)\s+)?(?:\[token\]|[^\s,;&"'{}\[\]]+))`),
		[]string{"passw", "pwd", "secret", "token", "key", "authorization", "cookie", "session", "credential"}, "${1}" + removed,
	},
	{
		// Everything behind a question mark, up to a space: a raw query may hold
		// quotes and brackets.
		regexp.MustCompile(`\?[^\s]+`), []string{"?"}, query,
	},
	{
		regexp.MustCompile(`(?i)[\p{L}\p{N}.!#$&*+/=^_{|}~%-]+(?:@|%40)(?:[\p{L}\p{N}-]+\.)+[\p{L}\p{N}-]+`), []string{"@", "%40"}, email,
	},
}

// secretKeys are names of fields, in lower case without separators, whose value
// is removed whatever it is.
var secretKeys = []string{
	"authorization", "cookie", "password", "passwd", "secret", "token", "apikey", "accesskey", "privatekey",
	"sessionid", "credential", "credentials", "querystring", "query", "useragent", "username",
}

var separators = strings.NewReplacer("-", "", "_", "", ".", "", " ", "")

// secretKey tells whether a field of that name is removed: it is one of
// secretKeys, or ends like one.
func secretKey(name string) bool {
	name = separators.Replace(strings.ToLower(name))
	for _, secret := range secretKeys {
		if strings.HasSuffix(name, secret) {
			return true
		}
	}
	return false
}

// Text returns text without what identifies a person or opens a door.
func Text(text string) string {
	lower := ""
	for i := range patterns {
		p := &patterns[i]
		if lower == "" {
			lower = strings.ToLower(text)
		}
		for _, hint := range p.hint {
			if strings.Contains(lower, hint) {
				if changed := p.expression.ReplaceAllString(text, p.into); changed != text {
					text, lower = changed, ""
				}
				break
			}
		}
	}
	return addresses(text)
}

// overlap is how much is removed before the place where a text is cut, so that
// no half of an address or of a mail address, which nothing would recognise,
// is left before it: more than the longest local part (64 bytes, RFC 5321) and
// domain (255) together.
const overlap = 320

// Shorten cuts text to at most limit bytes, which must exceed overlap.
func Shorten(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit - len(cut) - overlap
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cut
}

// Bits of an address that are kept: the network of a provider or a site, which
// is what operating a service needs.
const (
	keep4 = 24
	keep6 = 48
)

var (
	ipv4 = regexp.MustCompile(`\d{1,3}(?:\.\d{1,3}){3}`)
	// ipv6 finds everything that could be an address of at least two colons, an
	// embedded IPv4 address included; netip decides whether it is one.
	ipv6 = regexp.MustCompile(`[0-9A-Fa-f]{0,4}(?:(?::|%3[Aa])[0-9A-Fa-f]{0,4}){2,}(?:(?:\.\d{1,3}){3})?`)
)

// addresses truncates the IP addresses in a text. Loopback addresses stay: they
// say nothing about anybody.
func addresses(text string) string {
	if strings.Count(text, ":") >= 2 || strings.Contains(text, "%3") {
		text = ipv6.ReplaceAllStringFunc(text, within)
	}
	if strings.Count(text, ".") >= 3 {
		text = ipv4.ReplaceAllStringFunc(text, func(found string) string {
			if short, ok := truncate(found); ok {
				return short
			}
			return found
		})
	}
	return text
}

// longest is the length of the longest way to write an address (RFC 4291).
const longest = 45

// within truncates the addresses inside a run of groups and colons: the longest
// that begins first, then the next behind it.
func within(run string) string {
	encoded := strings.Contains(run, "%")
	if encoded {
		run = strings.NewReplacer("%3A", ":", "%3a", ":").Replace(run)
	}
	var out strings.Builder
	for at := 0; at < len(run); {
		length, short := address(run[at:])
		if length == 0 {
			// The next place where one could begin is behind this group.
			length = 1
			for at+length < len(run) && run[at+length-1] != ':' && run[at+length] != ':' {
				length++
			}
			short = run[at : at+length]
		}
		out.WriteString(short)
		at += length
	}
	return out.String()
}

// address truncates the longest address that text begins with, and returns its
// length, 0 when there is none.
func address(text string) (length int, short string) {
	for end := min(len(text), longest); end > 2; end-- {
		if short, ok := truncate(text[:end]); ok {
			return end, short
		}
	}
	return 0, ""
}

// truncate clears the part of an address that tells neighbours apart.
func truncate(text string) (string, bool) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return "", false
	}
	if address.IsLoopback() || address.IsUnspecified() {
		return text, true
	}
	if address.Is4In6() {
		address = address.Unmap()
	}
	bits := keep6
	if address.Is4() {
		bits = keep4
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		return "", false
	}
	return prefix.Addr().String(), true
}
