package privacy

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
)

// Profiles of data protection.
const (
	// Standard removes what doc.go lists.
	Standard = "standard"
	// Off removes nothing; texts are still cut.
	Off = "off"
)

// Config is the processor's configuration.
type Config struct {
	// Profile is Standard or Off.
	Profile string `mapstructure:"profile"`
	// MaxBytes is the length at which a text is cut, in bytes of UTF-8. At least
	// 1024. Default: 32768.
	MaxBytes int `mapstructure:"max_bytes"`
}

// least is the smallest MaxBytes: it has to exceed what is removed before a cut.
const least = 1024

// Validate reports what is wrong with the configuration.
func (c *Config) Validate() error {
	var faults []error
	if c.Profile != Standard && c.Profile != Off {
		faults = append(faults, fmt.Errorf("profile is %q, must be %s or %s", c.Profile, Standard, Off))
	}
	if c.MaxBytes < least {
		faults = append(faults, fmt.Errorf("max_bytes is %d, must be at least %d", c.MaxBytes, least))
	}
	return errors.Join(faults...)
}

// NewFactory makes the processor "privacy".
func NewFactory() processor.Factory {
	return processor.NewFactory(
		component.MustNewType("privacy"),
		func() component.Config { return &Config{Profile: Standard, MaxBytes: 32 << 10} },
		processor.WithLogs(createLogs, component.StabilityLevelBeta),
		processor.WithTraces(createTraces, component.StabilityLevelBeta),
	)
}

func createLogs(ctx context.Context, set processor.Settings, config component.Config, next consumer.Logs) (processor.Logs, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("privacy: configuration is a %T", config)
	}
	return processorhelper.NewLogs(ctx, set, config, next, func(_ context.Context, logs plog.Logs) (plog.Logs, error) {
		c.redact(logs)
		return logs, nil
	}, processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}))
}

func createTraces(ctx context.Context, set processor.Settings, config component.Config, next consumer.Traces) (processor.Traces, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("privacy: configuration is a %T", config)
	}
	return processorhelper.NewTraces(ctx, set, config, next, func(_ context.Context, traces ptrace.Traces) (ptrace.Traces, error) {
		c.redactTraces(traces)
		return traces, nil
	}, processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}))
}

// redact goes through every record. What a record belongs to (namespace, pod,
// container) comes from the path of its file and stays.
func (c *Config) redact(logs plog.Logs) {
	for _, resource := range logs.ResourceLogs().All() {
		for _, scope := range resource.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				c.value(record.Body())
				c.fields(record.Attributes())
			}
		}
	}
}

func (c *Config) value(value pcommon.Value) {
	switch value.Type() {
	case pcommon.ValueTypeStr:
		if before := value.Str(); before != "" {
			if after := c.text(before); after != before {
				value.SetStr(after)
			}
		}
	case pcommon.ValueTypeBytes:
		value.SetStr(c.text(string(value.Bytes().AsRaw())))
	case pcommon.ValueTypeMap:
		c.fields(value.Map())
	case pcommon.ValueTypeSlice:
		for _, item := range value.Slice().All() {
			c.value(item)
		}
	}
}

// fields goes through a map. A name can hold personal data as well as a value.
func (c *Config) fields(fields pcommon.Map) {
	renamed := map[string]pcommon.Value{}
	for name, value := range fields.All() {
		if c.Profile == Standard && secretKey(name) {
			value.SetStr(removed)
		} else {
			c.value(value)
		}
		if after := c.text(name); after != name {
			kept := pcommon.NewValueEmpty()
			value.CopyTo(kept)
			renamed[name] = kept
		}
	}
	for before, value := range renamed {
		fields.Remove(before)
		value.CopyTo(fields.PutEmpty(c.text(before)))
	}
}

// text is one text, as it may be stored.
func (c *Config) text(text string) string {
	text = Shorten(strings.ToValidUTF8(text, "\uFFFD"), c.MaxBytes)
	if c.Profile == Off {
		return text
	}
	return Text(text)
}
