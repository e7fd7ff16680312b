package dns

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// policy decides what a public zone may hold. What such a zone says is read by
// everyone and kept by many; an internal address or name in it is a map of the
// inside that cannot be called back.
type policy struct {
	networks     []netip.Prefix
	privateZones []string
}

func (p plan) policy() policy {
	rules := policy{networks: p.publicNetworks}
	for _, z := range p.zones {
		if z.private {
			rules.privateZones = append(rules.privateZones, z.name)
		}
	}
	return rules
}

// internal are address ranges that netip has no predicate for: the shared
// address space of carriers, which clouds and clusters use inside, and what is
// no host at all.
var internal = []netip.Prefix{
	netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("240.0.0.0/4"),
}

// address returns why an address must not stand in a public zone, or "".
func (p policy) address(address netip.Addr) string {
	address = address.Unmap()
	if slices.ContainsFunc(p.networks, func(n netip.Prefix) bool { return n.Contains(address) }) {
		return ""
	}
	inside := address.IsPrivate() || address.IsLoopback() || address.IsLinkLocalUnicast() ||
		address.IsMulticast() || address.IsUnspecified() ||
		slices.ContainsFunc(internal, func(n netip.Prefix) bool { return n.Contains(address) })
	if !inside {
		return ""
	}
	return fmt.Sprintf("%s is not a public address; move the record to a private zone, "+
		"or add its network to publicNetworks if outsiders really reach it", address)
}

// reserved are names that resolve inside a cluster or a cloud and nowhere else.
var reserved = []string{"cluster.local", "svc", "local", "internal", "localhost", "lan", "home.arpa"}

// name returns why a domain name must not stand in a public zone, or "".
func (p policy) name(name string) string {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, parent := range slices.Concat(p.privateZones, reserved) {
		if below(name, parent) {
			return fmt.Sprintf("%s lies in %s, which only resolves inside; move the record to a private zone", name, parent)
		}
	}
	return ""
}

// words splits a text at everything that neither an address nor a name has.
var words = regexp.MustCompile(`[^0-9A-Za-z.:_-]+`)

// text returns why a text must not stand in a public zone, or "". Texts carry
// policies such as SPF, and those name addresses and hosts.
func (p policy) text(text string) string {
	for _, word := range words.Split(text, -1) {
		candidates := []string{word}
		if _, tail, tagged := strings.Cut(word, ":"); tagged {
			candidates = append(candidates, tail) // ip4:10.0.0.1, include:host
		}
		for _, candidate := range candidates {
			if address, err := netip.ParseAddr(candidate); err == nil {
				if reason := p.address(address); reason != "" {
					return reason
				}
			} else if strings.Contains(candidate, ".") {
				if reason := p.name(strings.Trim(candidate, ".")); reason != "" {
					return reason
				}
			}
		}
	}
	return ""
}
