package privacy

import (
	"reflect"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/plog"
)

func TestText(t *testing.T) {
	for text, want := range map[string]string{
		"from 203.0.113.77:4711":                       "from 203.0.113.0:4711",
		"x203.0.113.77y":                               "x203.0.113.0y",
		"X-Forwarded-For: 203.0.113.77, 198.51.100.23": "X-Forwarded-For: 203.0.113.0, 198.51.100.0",
		"[2001:db8:1:2::77]:443":                       "[2001:db8:1::]:443",
		"2001:0db8:0001:0002:0000:0000:0000:0077":      "2001:db8:1::",
		"addr=2001:db8:1:2:3:4:5:77,":                  "addr=2001:db8:1::,",
		"addr:2001:db8:1:2:3:4:5:77:443":               "addr:2001:db8:1:::443",
		"::ffff:203.0.113.77":                          "203.0.113.0",
		"fe80::1:2:3:77%eth0":                          "fe80::%eth0",
		"2001%3Adb8%3A1%3A2%3A%3A77":                   "2001:db8:1::",
		"127.0.0.1:8000 and [::1]:9":                   "127.0.0.1:8000 and [::1]:9",
		"at 21:05:11.123 on 2026-11-27T21:05:11Z":      "at 21:05:11.123 on 2026-11-27T21:05:11Z",
		"std::vector, a::b, v1.2.3, 999.999.999.999":   "std::vector, a::, v1.2.3, 999.999.999.999",
		"sha256:0123456789abcdef0123456789abcdef":      "sha256:0123456789abcdef0123456789abcdef",
		"GET /v1/items?limit=5&q=mark HTTP/1.1":        "GET /v1/items?[query] HTTP/1.1",
		`GET /?q="mark"&x=<mark> HTTP/1.1`:             `GET /?[query] HTTP/1.1`,
		"Is it? Yes":                                   "Is it? Yes",
		"mail alice.o+tag@example.org, now":            "mail [email], now",
		"/users/alice%40example.org/x":                 "[email]/x",
		"jürgen@exämple.de":                            "[email]",
		"middleware retry@kubernetescrd":               "middleware retry@kubernetescrd",
		"Authorization: Bearer abcdef.mark":            "Authorization: [removed]",
		"sent bearer abcdefmark":                       "sent bearer [token]",
		"Basic dXNlcjptYXJr":                           "Basic [token]",
		"x eyJhbGciOi.eyJzdWIi.mark y":                 "x [token] y",
		"password=hunter2mark&x":                       "password=[removed]&x",
		`{"api_key": "mark mark", "x": 1}`:             `{"api_key": [removed], "x": 1}`,
		`{\"token\":\"mark\",\"x\":1}`:                 `{\"token\":[removed],\"x\":1}`,
		"AKIAIOSFODNN7EXAMPLE":                         "[token]",
		"nothing to see here":                          "nothing to see here",
		"10.244.1.0/24 via 10.89.0.11":                 "10.244.1.0/24 via 10.89.0.0",
	} {
		if got := Text(text); got != want {
			t.Errorf("%s\n became %s\n want   %s", text, got, want)
		}
		if once := Text(text); Text(once) != once {
			t.Errorf("%s: done twice it becomes %s, once %s", text, Text(once), once)
		}
	}
}

func TestShortenLeavesNoHalf(t *testing.T) {
	const limit = 1000
	for at := limit - 100; at < limit+100; at++ {
		text := strings.Repeat("x", at) + " alice.markmark@example.org 203.0.113.77"
		if got := Text(Shorten(text, limit)); strings.Contains(got, "mark") || strings.Contains(got, "alice") || len(got) > limit {
			t.Fatalf("with the mark at %d: %d bytes, ending in %s", at, len(got), got[len(got)-40:])
		}
	}
	if got := Shorten("short", limit); got != "short" {
		t.Errorf("a short text became %s", got)
	}
	if got := Shorten(strings.Repeat("ü", limit), limit); !strings.HasSuffix(got, "ü"+cut) {
		t.Errorf("a letter was cut in two: %q", got[len(got)-10:])
	}
}

func TestSecretKeys(t *testing.T) {
	for _, name := range []string{"Authorization", "request_Authorization", "Set-Cookie", "api_key", "db.password", "User-Agent", "ClientUsername", "query"} {
		if !secretKey(name) {
			t.Errorf("%s is kept", name)
		}
	}
	for _, name := range []string{"RequestMethod", "keys", "tokens_left", "level", "msg", "ServiceName"} {
		if secretKey(name) {
			t.Errorf("%s is removed", name)
		}
	}
}

// FuzzText looks for texts around an address that let it through.
func FuzzText(f *testing.F) {
	f.Add("from ", ":443")
	f.Add("::", ":")
	f.Add("1.", ".2")
	f.Fuzz(func(t *testing.T, before, after string) {
		if got := Text(before + " 203.0.113.77 " + after); strings.Contains(got, "203.0.113.77") && !strings.Contains(before+after, "203.0.113.77") {
			t.Errorf("%q %q: %q", before, after, got)
		}
	})
}

// BenchmarkRedact is what one record of Traefik's access log costs.
func BenchmarkRedact(b *testing.B) {
	config := &Config{Profile: Standard, MaxBytes: 32 << 10}
	b.ReportAllocs()
	for b.Loop() {
		logs := plog.NewLogs()
		record := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
		body := record.Body().SetEmptyMap()
		for name, text := range map[string]string{
			"RequestHost": "api.slipway.test", "RequestMethod": "GET", "RequestProtocol": "HTTP/2.0", "RequestScheme": "https",
			"RouterName": "slipway-api-api-0123456789abcdef@kubernetescrd", "ServiceName": "slipway-api-api-8000@kubernetescrd",
			"ServiceAddr": "10.244.1.5:8000", "StartUTC": "2026-11-27T21:05:11.123456789Z", "TLSVersion": "1.3", "level": "info",
			"time": "2026-11-27T21:05:11Z", "msg": "",
		} {
			body.PutStr(name, text)
		}
		config.redact(logs)
	}
}

func TestRecordsAreRedactedAtAnyDepth(t *testing.T) {
	logs := plog.NewLogs()
	record := logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty()
	if err := record.Body().FromRaw(map[string]any{
		"list": []any{"from 203.0.113.77", map[string]any{"deep": "alice@example.org"}}, "Cookie": map[string]any{"a": "mark"},
		"alice@example.org": 1, "bytes": []byte("\xff203.0.113.77"), "number": 1.5, "nothing": nil,
	}); err != nil {
		t.Fatal(err)
	}
	record.Attributes().PutStr("client.address", "203.0.113.77")
	config := &Config{Profile: Standard, MaxBytes: 2048}
	config.redact(logs)
	want := map[string]any{
		"list": []any{"from 203.0.113.0", map[string]any{"deep": "[email]"}}, "Cookie": "[removed]",
		"[email]": int64(1), "bytes": "\uFFFD203.0.113.0", "number": 1.5, "nothing": nil,
	}
	if got := record.Body().AsRaw(); !reflect.DeepEqual(got, want) {
		t.Errorf("the body became %v", got)
	}
	if got := record.Attributes().AsRaw(); got["client.address"] != "203.0.113.0" {
		t.Errorf("attributes became %v", got)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for want, config := range map[string]Config{
		`profile is "none"`: {Profile: "none", MaxBytes: 2048}, "max_bytes is 10": {Profile: Off, MaxBytes: 10},
	} {
		if err := config.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
}
