package dns

import (
	"flag"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component/componenttest"
)

var update = flag.Bool("update", false, "accept the current output as golden")

func values(texts ...string) pulumi.StringArrayInput { return pulumi.ToStringArray(texts) }

// local is the shape of the local environment.
func local() Args {
	return Args{
		Image: "coredns:test", ClusterIP: "10.96.0.53", HostPort: 1053,
		Addresses: []string{"10.89.0.11"}, PublicNetworks: []string{"10.89.0.0/24"},
		Zones: []Zone{
			{Name: "slipway.test", Records: []Record{
				{Name: "www", Type: "CNAME", Values: values("api.slipway.test")},
				{Name: "api", Type: "A", Values: values("10.89.0.12", "10.89.0.11")},
				{Name: "@", Type: "TXT", TTL: 300, Values: values(`v=spf1 -all`)},
			}},
			{Name: "internal.slipway.test", Private: true, Records: []Record{
				{Name: "postgres", Type: "CNAME", Values: values("primary.slipway-database.svc.cluster.local.")},
				{Name: "*.apps", Type: "AAAA", Values: values("fd00::1")},
			}},
		},
	}
}

// texts are the values of a zone given as constants.
func texts(t *testing.T, args Zone) [][]string {
	t.Helper()
	p, err := resolve(Args{Image: "i", Zones: []Zone{args}})
	if err != nil {
		t.Fatal(err)
	}
	var known [][]string
	for _, rec := range p.zones[0].records {
		var list []string
		for _, value := range rec.values.(pulumi.StringArray) {
			list = append(list, string(value.(pulumi.String)))
		}
		known = append(known, list)
	}
	return known
}

func render(t *testing.T, args Args, i int) (string, error) {
	t.Helper()
	p, err := resolve(args)
	if err != nil {
		t.Fatal(err)
	}
	servers := p.addresses
	if p.zones[i].private {
		servers = p.inside()
	}
	return p.zones[i].file(texts(t, args.Zones[i]), servers, p.policy())
}

func TestFilesAreFrozen(t *testing.T) {
	args := local()
	p, err := resolve(args)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString("# Corefile\n" + corefile(p))
	for i, z := range args.Zones {
		text, err := render(t, args, i)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("\n# " + zoneFile(z.Name) + "\n" + text)
	}
	componenttest.Golden(t, "files", out.String(), *update)
}

func TestZonesParseAndSayWhatWasMeant(t *testing.T) {
	long := strings.Repeat(`a"\é`, 100)
	text, err := render(t, Args{Image: "i", Zones: []Zone{{Name: "z.test", Private: true, Records: []Record{
		{Name: "@", Type: "TXT", Values: values(long, "")},
		{Name: "a", Type: "A", TTL: 5, Values: values("192.0.2.2", "192.0.2.1", "192.0.2.1")},
		{Name: "*", Type: "CNAME", Values: values("Host.Example.ORG")},
	}}}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	parser := dns.NewZoneParser(strings.NewReader(text), "z.test.", "db")
	var got []string
	var joined string
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		switch rr := rr.(type) {
		case *dns.TXT:
			for _, part := range rr.Txt {
				joined += unescape(part)
			}
		case *dns.SOA:
			if rr.Serial == 0 || rr.Ns != "ns.z.test." {
				t.Errorf("SOA is %s", rr)
			}
		default:
			got = append(got, strings.Join(strings.Fields(rr.String()), " "))
		}
	}
	if err := parser.Err(); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	want := "z.test. 60 IN NS ns.z.test.\n*.z.test. 60 IN CNAME host.example.org.\na.z.test. 5 IN A 192.0.2.1\na.z.test. 5 IN A 192.0.2.2"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
	if joined != long {
		t.Errorf("the text came back as %q", joined)
	}
}

// unescape undoes the presentation format in which the parser keeps texts.
func unescape(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\':
			out = append(out, s[i])
		case i+3 < len(s) && s[i+1] >= '0' && s[i+1] <= '2' && s[i+2] >= '0' && s[i+2] <= '9':
			out = append(out, (s[i+1]-'0')*100+(s[i+2]-'0')*10+s[i+3]-'0')
			i += 3
		default:
			i++
			out = append(out, s[i])
		}
	}
	return string(out)
}

func TestSerialFollowsContent(t *testing.T) {
	soa := func(args Args) string {
		text, err := render(t, args, 0)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(text, "\n")[1]
	}
	base := soa(local())
	if again := soa(local()); again != base {
		t.Errorf("the same zone has serials %q and %q", base, again)
	}
	reordered := local()
	reordered.Zones[0].Records[0], reordered.Zones[0].Records[1] = reordered.Zones[0].Records[1], reordered.Zones[0].Records[0]
	reordered.Zones[0].Records[0].Values = values("10.89.0.11", "10.89.0.12")
	if again := soa(reordered); again != base {
		t.Errorf("another order of the same records has another serial: %q and %q", base, again)
	}
	changed := local()
	changed.Zones[0].Records[1].Values = values("10.89.0.13")
	if again := soa(changed); again == base {
		t.Errorf("a changed record kept serial %q", base)
	}
}

func TestNothingInternalInAPublicZone(t *testing.T) {
	for name, test := range map[string]struct {
		kind, value string
		want        string // "" means it may stand there
	}{
		"public":              {"A", "192.0.2.1", ""},
		"allowed network":     {"A", "10.89.0.11", ""},
		"outside the allowed": {"A", "10.96.0.53", "10.96.0.53 is not a public address"},
		"RFC 1918":            {"A", "192.168.1.1", "is not a public address"},
		"carrier":             {"A", "100.64.0.1", "is not a public address"},
		"loopback":            {"A", "127.0.0.1", "is not a public address"},
		"link local":          {"A", "169.254.169.254", "is not a public address"},
		"unspecified":         {"A", "0.0.0.0", "is not a public address"},
		"unique local":        {"AAAA", "fd00::1", "is not a public address"},
		"mapped":              {"AAAA", "::ffff:10.0.0.1", "is not a public address"},
		"IPv6":                {"AAAA", "2001:db8::1", ""},
		"private zone":        {"CNAME", "postgres.internal.slipway.test", "lies in internal.slipway.test"},
		"cluster name":        {"CNAME", "api.slipway-api.svc.cluster.local", "lies in cluster.local"},
		"cloud name":          {"CNAME", "ip-10-0-0-1.ec2.internal.", "lies in internal"},
		"elsewhere":           {"CNAME", "lb.example.org", ""},
		"almost":              {"CNAME", "notinternal.slipway.test", ""},
		"SPF of the inside":   {"TXT", "v=spf1 ip4:10.0.0.0/8 -all", "10.0.0.0 is not a public address"},
		"SPF by name":         {"TXT", "v=spf1 include:mail.internal.slipway.test -all", "lies in internal.slipway.test"},
		"SPF":                 {"TXT", "v=spf1 ip4:192.0.2.0/24 include:_spf.example.org -all", ""},
		"token":               {"TXT", "google-site-verification=a1.b2.c3", ""},
	} {
		t.Run(name, func(t *testing.T) {
			args := local()
			args.Zones[0].Records = []Record{{Name: "x", Type: test.kind, Values: values(test.value)}}
			_, err := render(t, args, 0)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want != "" && err == nil:
				t.Error("was accepted")
			case test.want != "" && !strings.Contains(err.Error(), test.want):
				t.Errorf("%v\ndoes not contain %q", err, test.want)
			case test.want != "" && !strings.Contains(err.Error(), "zones[0].records[0].values[0]: "):
				t.Errorf("%v\ndoes not contain the path", err)
			}
			args.Zones[0].Private = true
			args.Zones[1].Name = "other.test"
			if _, err := render(t, args, 0); err != nil {
				t.Errorf("a private zone refused it too: %v", err)
			}
		})
	}
}

func TestValuesMustSuitTheirType(t *testing.T) {
	for name, test := range map[string]struct {
		rec  Record
		want string
	}{
		"A of a name":       {Record{Type: "A", Values: values("host")}, `values[0]: "host" is not an address for a record of type A`},
		"A of IPv6":         {Record{Type: "A", Values: values("192.0.2.1", "::1")}, "values[1]: "},
		"AAAA of IPv4":      {Record{Type: "AAAA", Values: values("192.0.2.1")}, "for a record of type AAAA"},
		"AAAA with a scope": {Record{Type: "AAAA", Values: values("fe80::1%eth0")}, "is not an address"},
		"no values":         {Record{Type: "A", Values: values()}, "values: is empty"},
		"two CNAMEs":        {Record{Type: "CNAME", Values: values("a.b", "c.d")}, "has 2 values, a CNAME has one"},
		"relative CNAME":    {Record{Type: "CNAME", Values: values("host")}, `"host" is not an absolute domain name`},
		"injection":         {Record{Type: "CNAME", Values: values("a.b.\n@ IN A 192.0.2.1")}, "is not an absolute domain name"},
	} {
		t.Run(name, func(t *testing.T) {
			test.rec.Name = "x"
			_, err := render(t, Args{Image: "i", Zones: []Zone{{Name: "z.test", Private: true, Records: []Record{test.rec}}}}, 0)
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "zones[0].records[0].") {
				t.Errorf("got %v, want %q and the path", err, test.want)
			}
		})
	}
}

func TestPrivateZonesAreServedAtTheClusterIP(t *testing.T) {
	p, err := resolve(local())
	if err != nil {
		t.Fatal(err)
	}
	if inside := p.inside(); len(inside) != 1 || inside[0] != netip.MustParseAddr("10.96.0.53") {
		t.Errorf("the private zones' server is at %v", inside)
	}
	p.clusterIP = ""
	if p.inside() != nil {
		t.Error("an unknown address was made up")
	}
}
