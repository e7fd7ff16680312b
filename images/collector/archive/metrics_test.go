package archive

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/zap"
)

// watched is an exporter, and what it counts.
type watched struct {
	t *testing.T
	*archive
	reader *metric.ManualReader
}

func newWatched(t *testing.T, dir string) watched {
	t.Helper()
	reader := metric.NewManualReader()
	set := exporter.Settings{ID: component.NewID(component.MustNewType("archive")), TelemetrySettings: component.TelemetrySettings{
		Logger: zap.NewNop(), MeterProvider: metric.NewMeterProvider(metric.WithReader(reader)),
	}}
	config, _ := NewFactory().CreateDefaultConfig().(*Config)
	config.Directory, config.Class, config.Retention = dir, "access", 24*time.Hour
	config.SegmentMiB, config.TotalMiB, config.SweepInterval = 1, 2, time.Hour
	made, err := create(t.Context(), set, config)
	if err != nil {
		t.Fatal(err)
	}
	return watched{t, made, reader}
}

// counts are the counters that there are, by name and attributes.
func (w watched) counts() map[string]int64 {
	w.t.Helper()
	var found metricdata.ResourceMetrics
	if err := w.reader.Collect(context.Background(), &found); err != nil {
		w.t.Fatal(err)
	}
	counts := map[string]int64{}
	for _, scope := range found.ScopeMetrics {
		for _, one := range scope.Metrics {
			sum, ok := one.Data.(metricdata.Sum[int64])
			if !ok {
				continue
			}
			for _, point := range sum.DataPoints {
				reason, _ := point.Attributes.Value("reason")
				counts[fmt.Sprint(one.Name, " ", reason.AsString())] = point.Value
			}
		}
	}
	return counts
}

func batch() plog.Logs {
	logs := plog.NewLogs()
	logs.ResourceLogs().AppendEmpty().ScopeLogs().AppendEmpty().LogRecords().AppendEmpty().Body().SetStr("text")
	return logs
}

// What alerts look at is there, and 0, before it happens.
func TestLossIsCounted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "archive")
	w := newWatched(t, dir)
	want := map[string]int64{
		"slipway_archive_deleted age": 0, "slipway_archive_deleted size": 0, "slipway_archive_failed_writes ": 0,
		"slipway_archive_failed_sends ": 0,
	}
	if got := w.counts(); !maps.Equal(got, want) {
		t.Errorf("counted at first is %v, want %v", got, want)
	}
	if err := w.ConsumeLogs(t.Context(), batch()); err == nil {
		t.Fatal("a batch is written to a directory that is not there")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := w.ConsumeLogs(t.Context(), batch()); err != nil {
		t.Fatal(err)
	}
	w.store.deleted(7, bySize)
	want["slipway_archive_failed_writes "], want["slipway_archive_deleted size"] = 1, 7
	got := w.counts()
	want["slipway_archive_written "] = w.store.size
	if !maps.Equal(got, want) {
		t.Errorf("counted is %v, want %v", got, want)
	}
}
