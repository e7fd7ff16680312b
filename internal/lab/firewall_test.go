package lab

import (
	"strings"
	"testing"
)

// saved is how iptables -S prints the lab's rules.
const saved = `-P INPUT ACCEPT
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-N SLIPWAY-FORWARD
-N SLIPWAY-INPUT
-A INPUT -j SLIPWAY-INPUT
-A FORWARD -j SLIPWAY-FORWARD
-A SLIPWAY-FORWARD -i slipway0 -o slipway0 -j ACCEPT
-A SLIPWAY-FORWARD -i slipway0 -j DROP
-A SLIPWAY-FORWARD -o slipway0 -j DROP
-A SLIPWAY-INPUT -i slipway0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A SLIPWAY-INPUT -d 10.89.0.1/32 -i slipway0 -p tcp -m tcp --dport 6443 -j ACCEPT
-A SLIPWAY-INPUT -i slipway0 -p icmp -j ACCEPT
-A SLIPWAY-INPUT -i slipway0 -j REJECT --reject-with icmp-port-unreachable
-A SLIPWAY-INPUT -d 10.89.0.1/32 ! -i lo -j DROP
`

func TestFirewallIsRecognised(t *testing.T) {
	for _, h := range firewall() {
		if !upToDate(saved, h) {
			t.Errorf("the rules of %s are not recognised: they would be written each time", h.chain)
		}
	}
}

func TestFirewallIsRepaired(t *testing.T) {
	input := firewall()[0]
	for name, change := range map[string]func(string) string{
		"no jump":   func(s string) string { return strings.Replace(s, "-A INPUT -j SLIPWAY-INPUT\n", "", 1) },
		"two jumps": func(s string) string { return s + "-A INPUT -j SLIPWAY-INPUT\n" },
		"rule missing": func(s string) string {
			return strings.Replace(s, "-A SLIPWAY-INPUT -d 10.89.0.1/32 ! -i lo -j DROP\n", "", 1)
		},
		"rule changed": func(s string) string { return strings.Replace(s, "6443", "22", 1) },
		"rules in another order": func(s string) string {
			const last = "-A SLIPWAY-INPUT -d 10.89.0.1/32 ! -i lo -j DROP\n"
			return strings.Replace(strings.Replace(s, last, "", 1), "-A SLIPWAY-INPUT -i slipway0 -m", last+"-A SLIPWAY-INPUT -i slipway0 -m", 1)
		},
		"empty": func(string) string { return "" },
	} {
		if upToDate(change(saved), input) {
			t.Errorf("%s: taken for complete", name)
		}
	}
}
