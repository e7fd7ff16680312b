package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// Config is the exporter's configuration.
type Config struct {
	// Directory is where segments are; it is made. Required.
	Directory string `mapstructure:"directory"`
	// Class names the logs or traces, in lower-case letters. No other exporter has
	// it, and none has it for both. Required.
	Class string `mapstructure:"class"`
	// SegmentMiB is the size at which a segment ends. Default: 8.
	SegmentMiB int `mapstructure:"segment_mib"`
	// SegmentAge is the age at which a segment ends. Default: 1h.
	SegmentAge time.Duration `mapstructure:"segment_age"`
	// TotalMiB is how much the class may hold. At least twice SegmentMiB.
	// Default: 256.
	TotalMiB int `mapstructure:"total_mib"`
	// Retention is how long a record is kept at most. It exceeds SegmentAge.
	// Required.
	Retention time.Duration `mapstructure:"retention"`
	// SweepInterval is how often old segments are looked for, if none ends by size
	// meanwhile. Default: 1m.
	SweepInterval time.Duration `mapstructure:"sweep_interval"`
	// S3 is a bucket that gets a copy of each segment which has ended. Left out:
	// segments are here alone.
	S3 *S3Config `mapstructure:"s3"`
}

var className = regexp.MustCompile(`^[a-z]+$`)

// Validate reports what is wrong with the configuration.
func (c *Config) Validate() error {
	var faults []error
	fault := func(format string, values ...any) { faults = append(faults, fmt.Errorf(format, values...)) }
	if c.Directory == "" {
		fault("directory is missing")
	}
	if !className.MatchString(c.Class) {
		fault("class is %q, must be lower-case letters", c.Class)
	}
	if c.SegmentMiB < 1 {
		fault("segment_mib is %d, must be at least 1", c.SegmentMiB)
	}
	if c.TotalMiB < 2*c.SegmentMiB {
		fault("total_mib is %d, must be at least twice segment_mib, %d", c.TotalMiB, c.SegmentMiB)
	}
	if c.SegmentAge <= 0 || c.SweepInterval <= 0 {
		fault("segment_age and sweep_interval are %v and %v, must be positive", c.SegmentAge, c.SweepInterval)
	}
	if c.Retention <= c.SegmentAge {
		fault("retention is %v, must exceed segment_age, %v", c.Retention, c.SegmentAge)
	}
	if c.S3 != nil {
		faults = append(faults, c.S3.check())
	}
	return errors.Join(faults...)
}

// NewFactory makes the exporter "archive".
func NewFactory() exporter.Factory {
	return exporter.NewFactory(
		component.MustNewType("archive"),
		func() component.Config {
			return &Config{SegmentMiB: 8, SegmentAge: time.Hour, TotalMiB: 256, SweepInterval: time.Minute}
		},
		exporter.WithLogs(func(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Logs, error) {
			return create(ctx, set, config)
		}, component.StabilityLevelBeta),
		exporter.WithTraces(func(ctx context.Context, set exporter.Settings, config component.Config) (exporter.Traces, error) {
			return create(ctx, set, config)
		}, component.StabilityLevelBeta),
	)
}

// taken are the classes of this process, by path. Two exporters of one class would
// write over each other, and an exporter that both logs and traces go to is two.
var taken sync.Map

// take keeps others from a class until it is released.
func take(directory, class string) (release func(), err error) {
	path := filepath.Join(directory, class)
	if _, other := taken.LoadOrStore(path, true); other {
		return nil, fmt.Errorf("archive: another exporter has class %s in %s already, or this one is for both logs and traces: give each its own class",
			class, directory)
	}
	return func() { taken.Delete(path) }, nil
}

func create(ctx context.Context, set exporter.Settings, config component.Config) (*archive, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("archive: configuration is a %T", config)
	}
	meter := set.MeterProvider.Meter("slipway.dev/slipway/images/collector/archive")
	written, err := meter.Int64Counter("slipway_archive_written", metric.WithUnit("By"), metric.WithDescription("Bytes written to segments"))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	deleted, err := meter.Int64Counter("slipway_archive_deleted", metric.WithUnit("By"),
		metric.WithDescription("Bytes of segments deleted, by age or, before their time, by size"))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	failed, err := meter.Int64Counter("slipway_archive_failed_writes",
		metric.WithDescription("Batches that could not be written to a segment; each is tried again"))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	sent, err := meter.Int64Counter("slipway_archive_sent", metric.WithUnit("By"), metric.WithDescription("Bytes of segments copied to the bucket"))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	unsent, err := meter.Int64Counter("slipway_archive_failed_sends",
		metric.WithDescription("Attempts to copy a segment to the bucket that failed; each is made again"))
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	class := attribute.String("class", c.Class)
	because := func(reason string) metric.MeasurementOption {
		return metric.WithAttributes(class, attribute.String("reason", reason))
	}
	// A counter that appears with its first event shows no increase for it.
	failed.Add(context.Background(), 0, metric.WithAttributes(class))
	unsent.Add(context.Background(), 0, metric.WithAttributes(class))
	for _, reason := range []string{byAge, bySize} {
		deleted.Add(context.Background(), 0, because(reason))
	}
	e := &archive{every: c.SweepInterval, logger: set.Logger}
	e.count = func(bytes int) { written.Add(context.Background(), int64(bytes), metric.WithAttributes(class)) }
	e.failed = func() { failed.Add(context.Background(), 1, metric.WithAttributes(class)) }
	e.store = &store{
		dir: c.Directory, class: c.Class, segment: int64(c.SegmentMiB) << 20, age: c.SegmentAge,
		total: int64(c.TotalMiB) << 20, retention: c.Retention, now: time.Now, full: make(chan struct{}, 1),
		deleted: func(bytes int64, reason string) {
			deleted.Add(context.Background(), bytes, because(reason))
			if reason == bySize {
				set.Logger.Warn("Deleted a segment before its time: the class is over its share of the disk",
					zap.String("class", c.Class), zap.Int64("bytes", bytes))
			}
		},
	}
	if c.S3 != nil {
		to, err := openBucket(ctx, *c.S3)
		if err != nil {
			return nil, err
		}
		e.copier = &copier{
			store: e.store, put: to.put, prefix: c.S3.Prefix, node: c.S3.Node,
			sent:   func(bytes int64) { sent.Add(context.Background(), bytes, metric.WithAttributes(class)) },
			failed: func() { unsent.Add(context.Background(), 1, metric.WithAttributes(class)) },
		}
	}
	if e.release, err = take(c.Directory, c.Class); err != nil {
		return nil, err
	}
	return e, nil
}

// archive is the exporter.
type archive struct {
	store *store
	// copier is nil where segments are on the node alone.
	copier *copier
	every  time.Duration
	logger *zap.Logger
	count  func(bytes int)
	failed func()
	// release lets others have the class.
	release func()
	stop    context.CancelFunc
	done    sync.WaitGroup
}

// lastTime is how long a collector that is ended goes on copying a class. What
// remains is copied by the next one. There are some classes, one after the other,
// and a kubelet kills what takes long.
const lastTime = 3 * time.Second

// Start opens the store and begins sweeping and copying.
func (a *archive) Start(context.Context, component.Host) error {
	if err := a.store.open(); err != nil {
		return err
	}
	var running context.Context
	running, a.stop = context.WithCancel(context.Background())
	a.done.Go(func() {
		ticker := time.NewTicker(a.every)
		defer ticker.Stop()
		for {
			a.sweep()
			select {
			case <-running.Done():
				return
			case <-ticker.C:
			case <-a.store.full:
			}
		}
	})
	if a.copier != nil {
		// Beside the sweeps: a bucket that is away may take a minute to say so.
		a.done.Go(func() { a.copier.run(running, a.every, a.notCopied) })
	}
	return nil
}

func (a *archive) sweep() {
	if err := a.store.sweep(); err != nil {
		a.logger.Error("Sweeping the archive failed; it is tried again", zap.Error(err))
	}
}

func (a *archive) notCopied(err error) {
	a.logger.Warn("Copying the archive to the bucket failed; it is tried again", zap.Error(err))
}

// Shutdown ends the open segment, and copies it where there is a bucket: the node
// may be about to go.
func (a *archive) Shutdown(ctx context.Context) error {
	defer a.release()
	if a.stop == nil {
		return a.store.close()
	}
	a.stop()
	a.done.Wait()
	err := a.store.close()
	if a.copier != nil {
		a.sweep()
		ctx, cancel := context.WithTimeout(ctx, lastTime)
		defer cancel()
		if err := a.copier.copy(ctx); err != nil {
			a.notCopied(err)
		}
	}
	return err
}

// Capabilities says that records are only read.
func (a *archive) Capabilities() consumer.Capabilities { return consumer.Capabilities{} }

// ConsumeLogs stores a batch, all of it or nothing.
func (a *archive) ConsumeLogs(_ context.Context, logs plog.Logs) error {
	return a.keep(encode(logs))
}

// errBehind has a sender wait and try again.
var errBehind = errors.New("more spans have come than could be compressed")

// ConsumeTraces stores a batch, all of it or nothing. Unlike logs, which are read
// as fast as they are stored, traces are sent: it refuses them while sweeping is
// behind, so that on the disk is never more than twice the class's share, and
// the segments being written.
func (a *archive) ConsumeTraces(_ context.Context, traces ptrace.Traces) error {
	if a.store.behind() {
		a.failed()
		return errBehind
	}
	return a.keep(encodeSpans(traces))
}

func (a *archive) keep(lines []byte, err error) error {
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return nil
	}
	if err := a.store.write(lines); err != nil {
		// The receiver tries again without a word, or has the sender do so.
		a.failed()
		return err
	}
	a.count(len(lines))
	return nil
}

// line is one record as it is stored.
type line struct {
	Timestamp    string
	SeverityText string         `json:",omitempty"`
	Resource     map[string]any `json:",omitempty"`
	Attributes   map[string]any `json:",omitempty"`
	Body         any
}

// encode writes each record of a batch as a line.
func encode(logs plog.Logs) ([]byte, error) {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, resource := range logs.ResourceLogs().All() {
		of := resource.Resource().Attributes().AsRaw()
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				if err := encoder.Encode(line{
					Timestamp: moment(record).Format(time.RFC3339Nano), SeverityText: record.SeverityText(), Resource: of,
					Attributes: record.Attributes().AsRaw(), Body: record.Body().AsRaw(),
				}); err != nil {
					return nil, fmt.Errorf("writing a record as JSON: %w", err)
				}
			}
		}
	}
	return lines.Bytes(), nil
}

// moment is when a record was made or, where its line did not say, was read.
func moment(record plog.LogRecord) time.Time {
	at := record.Timestamp()
	if at == pcommon.Timestamp(0) {
		at = record.ObservedTimestamp()
	}
	return at.AsTime()
}
