package monitoring

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/monitoring/rules"
	"slipway.dev/slipway/components/workload"
)

// Defaults of Args.
const (
	DefaultNamespace     = "slipway-monitoring"
	DefaultReplicas      = 2
	DefaultStorage       = "8Gi"
	DefaultRetentionDays = 15
	DefaultMemory        = "256Mi"
	DefaultScrapeSeconds = 30
	DefaultAvailability  = "99.9"
	DefaultLatency       = "99"
	DefaultLatencyBound  = "0.5"
)

// retained is the part of a volume that samples may take: the log that is
// written before them needs the rest.
const retained = 0.8

var namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// plan is Args with every default in its place, and what follows from them.
type plan struct {
	Args
	options rules.Options
	// retention is RetentionSize in bytes.
	retention int64
	// memory is Memory in bytes.
	memory int64
	// receivers are ports of the receiver's URLs.
	receivers []int
}

// Fault is what is wrong with one argument.
type Fault struct{ Path, Problem string }

// Error makes a fault an error.
func (f Fault) Error() string { return f.Path + ": " + f.Problem }

// Faults lists everything that is wrong with the arguments.
func (a Args) Faults() []Fault {
	_, faults := resolve(a)
	return faults
}

func resolve(args Args) (plan, []Fault) {
	p := plan{Args: args}
	var faults []Fault
	fault := func(path, format string, values ...any) {
		faults = append(faults, Fault{path, fmt.Sprintf(format, values...)})
	}
	p.fill()
	for _, image := range []struct{ path, value string }{{"image", p.Image}, {"discoveryImage", p.DiscoveryImage}, {"stateImage", p.StateImage}} {
		if image.value == "" {
			fault(image.path, "is empty; name the image with its tag")
		}
	}
	if p.StorageClass == nil {
		fault("storageClass", "is empty; name the class that volumes come from")
	}
	for _, number := range []struct {
		path       string
		value, low int
	}{
		{"replicas", p.Replicas, 1}, {"retentionDays", p.RetentionDays, 1}, {"scrapeSeconds", p.ScrapeSeconds, 5},
	} {
		if number.value < number.low {
			fault(number.path, "is %d, must be at least %d", number.value, number.low)
		}
	}
	// Rules look at five minutes and need some samples in them.
	if p.ScrapeSeconds > 60 {
		fault("scrapeSeconds", "is %d, must be at most 60: alerts look at five minutes", p.ScrapeSeconds)
	}
	if p.GrafanaNamespace != "" && !namespaceName.MatchString(p.GrafanaNamespace) {
		fault("grafanaNamespace", "%q is not a namespace name", p.GrafanaNamespace)
	}
	p.sizes(fault)
	p.objectives(fault)
	p.receiver(fault)
	for path, networks := range map[string][]string{"apiNetworks": p.APINetworks, "nodeNetworks": p.NodeNetworks} {
		for _, err := range workload.CheckNetworks(path, networks) {
			at, problem, _ := strings.Cut(err.Error(), ": ")
			fault(at, "%s", problem)
		}
	}
	return p, faults
}

func (p *plan) fill() {
	text := func(into *string, value string) {
		if *into == "" {
			*into = value
		}
	}
	number := func(into *int, value int) {
		if *into == 0 {
			*into = value
		}
	}
	text(&p.Namespace, DefaultNamespace)
	text(&p.Storage, DefaultStorage)
	text(&p.Memory, DefaultMemory)
	text(&p.Objectives.AvailabilityPercent, DefaultAvailability)
	text(&p.Objectives.LatencyPercent, DefaultLatency)
	text(&p.Objectives.LatencySeconds, DefaultLatencyBound)
	number(&p.Replicas, DefaultReplicas)
	number(&p.RetentionDays, DefaultRetentionDays)
	number(&p.ScrapeSeconds, DefaultScrapeSeconds)
	number(&p.Targets.Members, 1)
	number(&p.Targets.RenewHours, 720)
	if len(p.APINetworks) == 0 {
		p.APINetworks = workload.Anywhere
	}
	if len(p.NodeNetworks) == 0 {
		p.NodeNetworks = workload.Anywhere
	}
}

func (p *plan) sizes(fault func(path, format string, values ...any)) {
	storage, err := component.Quantity(p.Storage)
	if err != nil {
		fault("storage", "%s", err)
	}
	size := storage * retained
	if p.RetentionSize != "" {
		if size, err = component.Quantity(p.RetentionSize); err != nil {
			fault("retentionSize", "%s", err)
		} else if size >= storage && storage > 0 {
			fault("retentionSize", "is %s, not less than storage %s: the volume would be full before anything is deleted", p.RetentionSize, p.Storage)
		}
	}
	p.retention = int64(size)
	memory, err := component.Quantity(p.Memory)
	if err != nil {
		fault("memory", "%s", err)
	}
	p.memory = int64(memory)
}

func (p *plan) objectives(fault func(path, format string, values ...any)) {
	share := func(path, text string) float64 {
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || value <= 0 || value >= 100 {
			fault(path, "is %q, must be a percentage above 0 and below 100, such as 99.9", text)
		}
		return value / 100
	}
	o := p.Objectives
	p.options = rules.Options{
		APINamespace: p.Targets.API, IngressNamespace: p.Targets.Ingress, DatabaseNamespace: p.Targets.Database,
		Members: p.Targets.Members, RenewHours: p.Targets.RenewHours, Backups: p.Targets.Backups, BenchmarkNamespace: p.Targets.Benchmark, Runbooks: p.Runbooks,
		Availability: share("objectives.availabilityPercent", o.AvailabilityPercent),
		Latency:      share("objectives.latencyPercent", o.LatencyPercent),
	}
	bound, err := strconv.ParseFloat(o.LatencySeconds, 64)
	if err != nil || !slices.Contains(rules.LatencyBounds, bound) {
		fault("objectives.latencySeconds", "is %q, must be one of %v: requests are counted in these buckets", o.LatencySeconds, rules.LatencyBounds)
	}
	p.options.LatencySeconds = bound
	for _, job := range p.jobs() {
		p.options.Jobs = append(p.options.Jobs, job.name)
	}
}

func (p *plan) receiver(fault func(path, format string, values ...any)) {
	for _, one := range []struct{ path, text string }{
		{"receiver.webhookURL", p.Receiver.WebhookURL}, {"receiver.deadmanURL", p.Receiver.DeadmanURL},
	} {
		if one.text == "" {
			continue
		}
		parsed, err := url.Parse(one.text)
		if err != nil || parsed.Host == "" || (parsed.Scheme != "https" && parsed.Scheme != "http") {
			// It may hold a key, so it is not repeated here.
			fault(one.path, "is no URL such as https://example.org/hook")
			continue
		}
		port := 443
		if parsed.Scheme == "http" {
			port = 80
		}
		if parsed.Port() != "" {
			if port, err = strconv.Atoi(parsed.Port()); err != nil {
				fault(one.path, "has no usable port")
				continue
			}
		}
		if !slices.Contains(p.receivers, port) {
			p.receivers = append(p.receivers, port)
		}
	}
}

func joined(faults []Fault) error {
	var list []error
	for _, fault := range faults {
		list = append(list, fault)
	}
	return errors.Join(list...)
}
