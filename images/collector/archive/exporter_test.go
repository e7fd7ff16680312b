package archive

import (
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
)

func TestConfigIsChecked(t *testing.T) {
	good := func() *Config {
		config, _ := NewFactory().CreateDefaultConfig().(*Config)
		config.Directory, config.Class, config.Retention = "/archive", "access", 24*time.Hour
		return config
	}
	if err := good().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Config){
		"directory is missing":              func(c *Config) { c.Directory = "" },
		`class is "Access-log"`:             func(c *Config) { c.Class = "Access-log" },
		"segment_mib is 0":                  func(c *Config) { c.SegmentMiB = 0 },
		"total_mib is 15":                   func(c *Config) { c.TotalMiB = 15 },
		"segment_age and sweep_interval":    func(c *Config) { c.SweepInterval = 0 },
		"retention is 1h0m0s, must exceed ": func(c *Config) { c.Retention = time.Hour },
		"s3.node is missing":                func(c *Config) { c.S3 = &S3Config{Bucket: "b", Region: "r", Prefix: "p"} },
	} {
		config := good()
		spoil(config)
		if err := config.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
}

func TestEncode(t *testing.T) {
	logs := plog.NewLogs()
	resource := logs.ResourceLogs().AppendEmpty()
	resource.Resource().Attributes().PutStr("k8s.pod.name", "api-0")
	records := resource.ScopeLogs().AppendEmpty().LogRecords()
	first := records.AppendEmpty()
	first.SetTimestamp(pcommon.NewTimestampFromTime(time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)))
	first.SetSeverityText("info")
	first.Body().SetEmptyMap().PutStr("msg", "a <b> & c\nd")
	second := records.AppendEmpty()
	second.SetObservedTimestamp(pcommon.NewTimestampFromTime(time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)))
	second.Body().SetStr("text")
	lines, err := encode(logs)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"Timestamp":"2026-01-02T03:04:05.000000006Z","SeverityText":"info","Resource":{"k8s.pod.name":"api-0"},"Body":{"msg":"a <b> & c\nd"}}
{"Timestamp":"2026-01-02T03:04:06Z","Resource":{"k8s.pod.name":"api-0"},"Body":"text"}
`
	if string(lines) != want {
		t.Errorf("they became\n%s", lines)
	}
}
