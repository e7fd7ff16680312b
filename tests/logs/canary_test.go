//go:build logs

package logs

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/components/logging"
)

// canary is something personal or secret. No byte of mark may be stored.
type canary struct{ kind, text, mark string }

var canaries = []canary{
	{"IPv4", "203.0.113.77", "203.0.113.77"},
	{"IPv4 with port", "198.51.100.23:49152", "198.51.100.23"},
	{"IPv6", "2001:db8:77:1:2:3:4:abcd", "2:3:4:abcd"},
	{"IPv6 short", "2001:db8:77::beef:77", "beef:77"},
	{"IPv6 in brackets", "[2001:db8:77:5::feed:7]:443", "feed:7"},
	{"IPv4 in IPv6", "::ffff:192.0.2.177", "192.0.2.177"},
	{"X-Forwarded-For", "X-Forwarded-For: 203.0.113.177, 2001:db8:78:9::cafe:9, 10.1.2.178", "10.1.2.178"},
	{"bearer token", "Authorization: Bearer markBearer0123456789", "markBearer"},
	{"basic credentials", "authorization: Basic bWFya0Jhc2ljOm1hcms=", "bWFya0Jhc2ljOm1hcms"},
	{"JSON web token", "eyJhbGciOiJub25lIn0.eyJtYXJrIjoibWFya0pXVCJ9.markJWTsignature", "markJWTsignature"},
	{"cookie", "Cookie: session=markCookie0123", "markCookie"},
	{"API key", "api_key=markApiKey0123", "markApiKey"},
	{"password", "password: markPassword!", "markPassword"},
	{"cloud key", "AKIAMARKMARKMARKMARK", "AKIAMARKMARKMARKMARK"},
	{"e-mail", "marked.person+tag@example.org", "marked.person"},
	{"e-mail, encoded", "marked.other%40example.org", "marked.other"},
	{"query", "GET /v1/items?name=markQuery&x=%22markQuery%22 HTTP/1.1", "markQuery"},
	{"bare query", "https://api.example.org/v1/items?markBareQuery", "markBareQuery"},
}

// frames are ways in which programs write a text into a line.
var frames = []struct {
	kind  string
	write func(text string) string
}{
	{"text", func(s string) string { return "said " + s }},
	{"in quotes", func(s string) string { return `level=info msg="` + s + `" n=1` }},
	{"access log", func(s string) string { return s + ` - - [27/Nov/2026:21:05:11 +0000] "` + s + `" 200 12` }},
	{"JSON", func(s string) string { return fmt.Sprintf(`{"level":"info","msg":%q,"n":1.5}`, s) }},
	{"JSON, deep", func(s string) string {
		return fmt.Sprintf(`{"a":{"b":[{"c":%q},1,null,{"d":{"e":[%q]}}]},"n":1}`, s, "x "+s)
	}},
	{"JSON, as a name", func(s string) string { return fmt.Sprintf(`{"by":{%q:1},"n":1}`, s) }},
	{"JSON in JSON", func(s string) string { return fmt.Sprintf(`{"msg":%q}`, fmt.Sprintf(`{"inner":%q}`, s)) }},
	{"JSON, cut off", func(s string) string { return fmt.Sprintf(`{"level":"info","msg":%q,"n":`, s) }},
	{"JSON, broken", func(s string) string { return fmt.Sprintf(`{"level":"info" "msg":%q}}`, s) }},
	{"binary", func(s string) string { return "\x00\xff\xfe\x1b[31m " + s + " \x80\x00\x7f" }},
	{"16 KiB before", func(s string) string { return strings.Repeat("y", piece-40) + " " + s + " z" }},
	{"over the edge of a piece", func(s string) string { return strings.Repeat("y", piece-len(s)/2-1) + " " + s + " z" }},
	{"before the cut", func(s string) string {
		return strings.Repeat("y ", (logging.DefaultMaxLineBytes-len(s)-30)/2) + s + strings.Repeat(" z", 9000)
	}},
	{"over the cut", func(s string) string {
		return strings.Repeat("y", logging.DefaultMaxLineBytes-len(s)/2-1) + " " + s + strings.Repeat(" z", 9000)
	}},
}

// stream is every canary in every frame, and lines of nearly a megabyte.
func stream() *cri {
	c := &cri{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for _, canary := range canaries {
		for i, frame := range frames {
			c.line([]string{"stdout", "stderr"}[i%2], frame.write(canary.text))
		}
	}
	for _, canary := range canaries[:4] {
		c.line("stdout", canary.text+" "+strings.Repeat("long line ", 99_000)+canary.text)
	}
	// What no runtime writes.
	for _, canary := range canaries {
		fmt.Fprintf(&c.out, "no time at all %s\n", canary.text)
	}
	c.line("stdout", last)
	return c
}

// last ends the stream.
const last = "the last line"

// found are the kinds of canaries whose mark was stored, with a place each.
func found(stored map[string][]byte) map[string]string {
	kinds := map[string]string{}
	for file, content := range stored {
		for _, canary := range canaries {
			for _, form := range forms(canary.mark) {
				if bytes.Contains(content, []byte(form)) {
					kinds[canary.kind] = filepath.Base(file)
				}
			}
		}
	}
	return kinds
}

// forms are ways in which a text can lie in a file: as it is, and inside of
// something in base64, which depends on where it begins there.
func forms(text string) []string {
	all := []string{text}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + text))
		// The first and last characters depend on what is around; what is left of
		// a short text would be found anywhere.
		if inner := encoded[4 : len(encoded)-4]; len(inner) >= 8 {
			all = append(all, inner)
		}
	}
	return all
}

func collected(t *testing.T, profile logging.Profile) *node {
	t.Helper()
	n := newNode(t, profile)
	n.collect()
	return n
}

// collect has the stream collected, and ends the collector.
func (n *node) collect() {
	t := n.t
	t.Helper()
	c := stream()
	require.Greater(t, c.out.Len(), 1<<20, "the stream is to be of a million bytes")
	c.appendTo(t, filepath.Join(n.container("slipway-ingress", "traefik-abcde", "traefik"), "0.log"))
	n.start()
	n.await("the end of the stream", func(records []record) bool {
		return slices.ContainsFunc(records, func(r record) bool { return r.Body == last })
	})
	n.stop()
}

func TestNothingPersonalIsStored(t *testing.T) {
	n := collected(t, logging.Standard)
	for kind, file := range found(n.stored()) {
		t.Errorf("%s is stored in %s", kind, file)
	}
	records := n.records()
	want := len(canaries)*(len(frames)+1) + 4 + 1
	require.Len(t, records, want, "lines were lost or cut apart")
	for _, r := range records {
		if r.Resource["k8s.node.name"] != "node-1" {
			t.Fatalf("a record without its node: %+v", r)
		}
	}
}

// The control: the same stream, the same search, nothing removed.
func TestWithoutTheProfileEverythingIsFound(t *testing.T) {
	n := collected(t, logging.Off)
	kinds := found(n.stored())
	for _, canary := range canaries {
		if kinds[canary.kind] == "" {
			t.Errorf("%s is not found where it was stored as written: the search cannot find it", canary.kind)
		}
	}
}
