package simcloud

import (
	"context"
	"sync"
)

// Engine is the part of the engine that a provider talks to.
type Engine interface {
	// Say shows a message to whoever runs pulumi; urn may be empty.
	Say(ctx context.Context, urn, message string)
}

// Host is what every simulating provider stands on.
type Host struct {
	// Name is the provider's package, such as aws.
	Name     string
	Settings Settings
	World    *World

	engine  Engine
	said    sync.Once
	stopped chan struct{}
	stop    sync.Once
}

// NewHost opens the simulated cloud in the settings' directory.
func NewHost(name string, settings Settings, engine Engine) (*Host, error) {
	world, err := OpenWorld(settings.Dir)
	if err != nil {
		return nil, err
	}
	return &Host{Name: name, Settings: settings, World: world, engine: engine, stopped: make(chan struct{})}, nil
}

// Introduce says once per process that nothing here is real.
func (h *Host) Introduce(ctx context.Context) {
	h.said.Do(func() {
		if h.engine != nil {
			h.engine.Say(ctx, "", "SIMULATED: the "+h.Name+" provider is a simulation in "+h.Settings.Dir+"; nothing real is read or changed")
		}
	})
}

// Stop ends all waiting.
func (h *Host) Stop() { h.stop.Do(func() { close(h.stopped) }) }

// Stopped is closed once waiting is to end.
func (h *Host) Stopped() <-chan struct{} { return h.stopped }
