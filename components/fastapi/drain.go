package fastapi

import (
	"errors"
	"fmt"
)

// Drain is the chain of timings that lets a pod leave without losing a
// request. From the moment a pod is told to go:
//
//	preStop        it serves as before while Traefik hears that it is leaving
//	drain          SIGTERM came: it reports "not ready" and still serves
//	shutdown       it takes nothing more and finishes what it has begun
//	grace          the kubelet kills what is left
//
// Changing any of them replaces the pods. Zero means the default.
type Drain struct {
	// PreStopSeconds is how long the pod goes on as if nothing had happened.
	// It must cover the time in which Traefik learns of the endpoint's end,
	// about 1 s on an idle machine. Default 5.
	PreStopSeconds int
	// DrainSeconds is how long the service keeps accepting after SIGTERM while
	// its readiness probe fails. It must exceed the time the kubelet needs to
	// notice: ReadinessPeriodSeconds times ReadinessThreshold. Default 5.
	DrainSeconds int
	// ShutdownSeconds bounds how long requests already begun may take to
	// finish. Default 10.
	ShutdownSeconds int
	// GraceSeconds is the pod's termination grace period. It starts before
	// PreStopSeconds and must exceed the three above together. Default 30.
	GraceSeconds int
	// ReadinessPeriodSeconds and ReadinessThreshold say how often the kubelet
	// asks and how many refusals in a row take a pod out. Defaults 2 and 2.
	ReadinessPeriodSeconds int
	ReadinessThreshold     int
	// ProxyIdleSeconds is how long Traefik keeps an unused connection to a pod.
	// Default 30.
	ProxyIdleSeconds int
	// KeepAliveSeconds is how long the service keeps an unused connection. It
	// must exceed ProxyIdleSeconds, so that it is always Traefik that closes:
	// a request sent into a connection which the service is closing is lost,
	// and one that is not idempotent cannot be repeated. Default 75.
	KeepAliveSeconds int
}

// DefaultDrain holds the default of every timing.
func DefaultDrain() Drain {
	return Drain{
		PreStopSeconds: 5, DrainSeconds: 5, ShutdownSeconds: 10, GraceSeconds: 30,
		ReadinessPeriodSeconds: 2, ReadinessThreshold: 2,
		ProxyIdleSeconds: 30, KeepAliveSeconds: 75,
	}
}

// orDefault fills in what was left out.
func (d Drain) orDefault() Drain {
	standard := DefaultDrain()
	for _, timing := range []struct {
		value    *int
		standard int
	}{
		{&d.PreStopSeconds, standard.PreStopSeconds},
		{&d.DrainSeconds, standard.DrainSeconds},
		{&d.ShutdownSeconds, standard.ShutdownSeconds},
		{&d.GraceSeconds, standard.GraceSeconds},
		{&d.ReadinessPeriodSeconds, standard.ReadinessPeriodSeconds},
		{&d.ReadinessThreshold, standard.ReadinessThreshold},
		{&d.ProxyIdleSeconds, standard.ProxyIdleSeconds},
		{&d.KeepAliveSeconds, standard.KeepAliveSeconds},
	} {
		if *timing.value == 0 {
			*timing.value = timing.standard
		}
	}
	return d
}

// Fault is one thing wrong with the arguments: where, in the spelling of the
// settings, and what.
type Fault struct{ Path, Problem string }

func (f Fault) Error() string { return f.Path + ": " + f.Problem }

// joined is one error that lists all faults, or nil when there are none.
func joined(faults []Fault) error {
	list := make([]error, 0, len(faults))
	for _, fault := range faults {
		list = append(list, fault)
	}
	return errors.Join(list...)
}

// flushSeconds is how long the service, once it has answered everything, may take
// to send its last spans.
const flushSeconds = 2

// Faults checks the chain and returns every link that does not hold. Paths are
// relative to the chain, such as "drainSeconds". Where requests are traced, the
// last spans are sent at its end.
func (d Drain) Faults(traced bool) []Fault {
	var faults []Fault
	for _, timing := range []struct {
		path  string
		value int
	}{
		{"preStopSeconds", d.PreStopSeconds},
		{"drainSeconds", d.DrainSeconds},
		{"shutdownSeconds", d.ShutdownSeconds},
		{"graceSeconds", d.GraceSeconds},
		{"readinessPeriodSeconds", d.ReadinessPeriodSeconds},
		{"readinessThreshold", d.ReadinessThreshold},
		{"proxyIdleSeconds", d.ProxyIdleSeconds},
		{"keepAliveSeconds", d.KeepAliveSeconds},
	} {
		if timing.value < 1 {
			faults = append(faults, Fault{timing.path, fmt.Sprintf("is %d, must be at least 1", timing.value)})
		}
	}
	if len(faults) > 0 {
		return faults // sums over nonsense only repeat it
	}
	if notice := d.ReadinessPeriodSeconds * d.ReadinessThreshold; d.DrainSeconds <= notice {
		faults = append(faults, Fault{"drainSeconds", fmt.Sprintf(
			"is %d, must exceed readinessPeriodSeconds x readinessThreshold = %d: until then pods are still sent requests",
			d.DrainSeconds, notice)})
	}
	sum, parts := d.PreStopSeconds+d.DrainSeconds+d.ShutdownSeconds, "preStopSeconds + drainSeconds + shutdownSeconds"
	if traced {
		sum, parts = sum+flushSeconds, fmt.Sprintf("%s + %d for the last spans", parts, flushSeconds)
	}
	if d.GraceSeconds <= sum {
		faults = append(faults, Fault{"graceSeconds", fmt.Sprintf(
			"is %d, must exceed %s = %d: pods would be killed while they finish", d.GraceSeconds, parts, sum)})
	}
	if d.KeepAliveSeconds <= d.ProxyIdleSeconds {
		faults = append(faults, Fault{"keepAliveSeconds", fmt.Sprintf(
			"is %d, must exceed proxyIdleSeconds = %d: the service would close connections that Traefik still uses",
			d.KeepAliveSeconds, d.ProxyIdleSeconds)})
	}
	return faults
}
