//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
)

const dnsDoor = "127.0.0.1:1053"

func resolve(t *testing.T, network, name string) *dns.Msg {
	t.Helper()
	client := &dns.Client{Net: network, Timeout: 5 * time.Second}
	answer, _, err := client.Exchange(new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeA), dnsDoor)
	require.NoError(t, err)
	return answer
}

func TestBothZonesAnswerThisMachine(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		for _, name := range []string{live.Host, "postgres.internal.slipway.test"} {
			t.Run(network+" "+name, func(t *testing.T) {
				answer := resolve(t, network, name)
				require.Equal(t, dns.RcodeSuccess, answer.Rcode)
				require.NotEmpty(t, answer.Answer)
				require.True(t, answer.Authoritative)
			})
		}
		t.Run(network+" a name that is none", func(t *testing.T) {
			require.Equal(t, dns.RcodeNameError, resolve(t, network, "nobody.slipway.test").Rcode)
		})
	}
}

func TestBothZonesAnswerPods(t *testing.T) {
	probe := startProbe(t, "e2e-dns", nil)
	for _, name := range []string{live.Host, "postgres.internal.slipway.test"} {
		out, err := probe.exec(t, "nslookup", "-type=a", name)
		require.NoError(t, err, out)
		require.Contains(t, out, name)
		require.NotContains(t, out, "can't find")
	}
	out, err := probe.exec(t, "nslookup", "-type=a", "nobody.slipway.test")
	require.True(t, err != nil || strings.Contains(out, "NXDOMAIN"), out)
}
