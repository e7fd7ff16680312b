package lab

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Chains of the lab in the machine's filter table.
const (
	inputChain   = "SLIPWAY-INPUT"
	forwardChain = "SLIPWAY-FORWARD"
)

// hook is one of our chains and the built-in one that jumps to it.
type hook struct {
	builtin, chain string
	rules          [][]string
}

// firewall closes the lab to everybody but this machine and its nodes, and
// closes the machine to the nodes but for the API server. The machine's own
// rules and policies stay as they are.
func firewall() []hook {
	return []hook{
		{"INPUT", inputChain, [][]string{
			{"-i", BridgeName, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"},
			{"-i", BridgeName, "-d", ControlAddress + "/32", "-p", "tcp", "-m", "tcp", "--dport", strconv.Itoa(APIPort), "-j", "ACCEPT"},
			{"-i", BridgeName, "-p", "icmp", "-j", "ACCEPT"},
			{"-i", BridgeName, "-j", "REJECT", "--reject-with", "icmp-port-unreachable"},
			{"-d", ControlAddress + "/32", "!", "-i", "lo", "-j", "DROP"},
		}},
		{"FORWARD", forwardChain, [][]string{
			{"-i", BridgeName, "-o", BridgeName, "-j", "ACCEPT"},
			{"-i", BridgeName, "-j", "DROP"},
			{"-o", BridgeName, "-j", "DROP"},
		}},
	}
}

// ensureFirewall makes the chains and the jumps to them, and replaces rules
// that differ from what firewall says.
func ensureFirewall(ctx context.Context) error {
	saved, err := iptables(ctx, "-S")
	if err != nil {
		return err
	}
	for _, h := range firewall() {
		if !upToDate(saved, h) {
			if err := replaceChain(ctx, saved, h); err != nil {
				return fmt.Errorf("writing firewall chain %s: %w", h.chain, err)
			}
		}
	}
	return nil
}

// upToDate compares with the output of iptables -S.
func upToDate(saved string, h hook) bool {
	var have []string
	jumps := 0
	for _, line := range strings.Split(saved, "\n") {
		if rule, ok := strings.CutPrefix(line, "-A "+h.chain+" "); ok {
			have = append(have, rule)
		}
		if line == "-A "+h.builtin+" -j "+h.chain {
			jumps++
		}
	}
	if jumps != 1 || len(have) != len(h.rules) {
		return false
	}
	for i, rule := range h.rules {
		if canonical(have[i]) != canonical(strings.Join(rule, " ")) {
			return false
		}
	}
	return true
}

// canonical sorts out that iptables -S prints matches in an order of its own.
func canonical(rule string) string {
	words := strings.Fields(rule)
	counts := map[string]int{}
	for _, word := range words {
		counts[word]++
	}
	return fmt.Sprint(counts) // maps print in key order
}

func replaceChain(ctx context.Context, saved string, h hook) error {
	if !strings.Contains(saved, "-N "+h.chain+"\n") {
		if _, err := iptables(ctx, "-N", h.chain); err != nil {
			return err
		}
	}
	if _, err := iptables(ctx, "-F", h.chain); err != nil {
		return err
	}
	for _, rule := range h.rules {
		if _, err := iptables(ctx, append([]string{"-A", h.chain}, rule...)...); err != nil {
			return err
		}
	}
	if strings.Contains(saved+"\n", "-A "+h.builtin+" -j "+h.chain+"\n") {
		return nil
	}
	_, err := iptables(ctx, "-I", h.builtin, "1", "-j", h.chain)
	return err
}

// ensureNodeFirewall lets a node refuse service addresses that no service has.
// kube-proxy has changed the destination of all others before these rules see
// them. Without them a question to a service that is not there yet would wait
// for its timeout.
func ensureNodeFirewall(ctx context.Context, p Placement) error {
	for _, chain := range []string{"FORWARD", "OUTPUT"} {
		rule := []string{chain, "-d", ServiceRange, "-j", "REJECT"}
		if _, err := iptablesIn(ctx, p, append([]string{"-C"}, rule...)...); err == nil {
			continue
		}
		if _, err := iptablesIn(ctx, p, append([]string{"-A"}, rule...)...); err != nil {
			return fmt.Errorf("writing the firewall of %s: %w", p.Name, err)
		}
	}
	return nil
}

func iptablesIn(ctx context.Context, p Placement, args ...string) (string, error) {
	command := append([]string{"--net=" + namespaceFile(p), "--", systemTool("iptables"), "-w", "10"}, args...)
	return output(ctx, systemTool("nsenter"), command...)
}

// removeFirewall deletes the chains and every jump to them.
func removeFirewall(ctx context.Context) error {
	for _, h := range firewall() {
		saved, err := iptables(ctx, "-S")
		if err != nil {
			return err
		}
		for _, line := range strings.Split(saved, "\n") {
			if line != "-A "+h.builtin+" -j "+h.chain {
				continue
			}
			if _, err := iptables(ctx, "-D", h.builtin, "-j", h.chain); err != nil {
				return err
			}
		}
		if !strings.Contains(saved, "-N "+h.chain+"\n") {
			continue
		}
		for _, verb := range []string{"-F", "-X"} {
			if _, err := iptables(ctx, verb, h.chain); err != nil {
				return err
			}
		}
	}
	return nil
}

// iptables runs one command against the machine's filter table.
func iptables(ctx context.Context, args ...string) (string, error) {
	return output(ctx, systemTool("iptables"), append([]string{"-w", "10"}, args...)...)
}
