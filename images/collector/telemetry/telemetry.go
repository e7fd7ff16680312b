// Package telemetry is what the collector says about itself: its log, as JSON
// on standard error, and its metrics, for Prometheus to fetch.
//
// The collector's usual telemetry can be configured to send them anywhere, and
// compiles the clients of three clouds for it. Here they stay where they are.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/service/telemetry"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Config is what stands at service.telemetry.
type Config struct {
	// Level is that of the log: debug, info, warn or error. Below warn,
	// processing errors quote the line they are about. Default: warn.
	Level string `mapstructure:"level"`
	// Metrics is the address, as host:port, at which /metrics answers. Empty: none.
	Metrics string `mapstructure:"metrics"`
}

// Validate reports what is wrong with the configuration.
func (c *Config) Validate() error {
	if _, err := zapcore.ParseLevel(c.Level); err != nil {
		return fmt.Errorf("level: %w", err)
	}
	if c.Metrics != "" {
		if _, _, err := net.SplitHostPort(c.Metrics); err != nil {
			return fmt.Errorf("metrics: %w", err)
		}
	}
	return nil
}

// NewFactory makes the telemetry of the collector.
func NewFactory() telemetry.Factory {
	return telemetry.NewFactory(
		func() component.Config { return &Config{Level: "warn"} },
		telemetry.WithCreateLogger(logger),
		telemetry.WithCreateMeterProvider(meters),
	)
}

func logger(_ context.Context, _ telemetry.LoggerSettings, config component.Config) (*zap.Logger, component.ShutdownFunc, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, nil, fmt.Errorf("telemetry: configuration is a %T", config)
	}
	level, err := zap.ParseAtomicLevel(c.Level)
	if err != nil {
		return nil, nil, err
	}
	production := zap.NewProductionConfig()
	production.Level, production.EncoderConfig.EncodeTime = level, zapcore.RFC3339NanoTimeEncoder
	made, err := production.Build()
	if err != nil {
		return nil, nil, err
	}
	// Standard error cannot be synced where it is a pipe, and nothing is lost.
	return made, func(context.Context) error { _ = made.Sync(); return nil }, nil
}

// withoutHosts leaves out what servers count of requests, by the Host header: a
// sender could make as many series as it likes.
var withoutHosts = metric.NewView(metric.Instrument{Name: "http.server.*"}, metric.Stream{Aggregation: metric.AggregationDrop{}})

// provider serves the metrics it collects.
type provider struct {
	*metric.MeterProvider
	server *http.Server
}

// Shutdown ends serving and collecting.
func (p provider) Shutdown(ctx context.Context) error {
	return errors.Join(p.server.Shutdown(ctx), p.MeterProvider.Shutdown(ctx))
}

func meters(_ context.Context, set telemetry.MeterSettings, config component.Config) (telemetry.MeterProvider, error) {
	c, ok := config.(*Config)
	if !ok {
		return nil, fmt.Errorf("telemetry: configuration is a %T", config)
	}
	if c.Metrics == "" {
		return metric.NewMeterProvider(), nil
	}
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo(), exporter.WithoutTargetInfo())
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", c.Metrics)
	if err != nil {
		return nil, fmt.Errorf("serving metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	made := provider{
		MeterProvider: metric.NewMeterProvider(metric.WithReader(reader), metric.WithView(withoutHosts)),
		server:        &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second},
	}
	go func() {
		if err := made.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			set.Logger.Error("Serving metrics ended", zap.Error(err))
		}
	}()
	return made, nil
}
