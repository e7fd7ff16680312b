package benchmark

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/images/benchmark/load"
)

// DefaultNamespace is that of Args.
const DefaultNamespace = "slipway-benchmark"

// Args describes the benchmark. A change takes effect with the next run.
type Args struct {
	// Namespace is created for the runs. Default: slipway-benchmark. A change
	// replaces everything in it, past results included.
	Namespace string
	// Image is that of images/benchmark. Required.
	Image string
	// Schedule is when it runs, as cron writes it, in UTC: "30 4 * * 0" is every
	// Sunday at 4:30. Empty: only when somebody starts it.
	Schedule string
	// Rate is how many requests are sent a second, 1 to 1000. They are sent at that
	// rate however slow the answers are. Required.
	Rate int
	// DurationSeconds is for how long, 10 to 3600. Required.
	DurationSeconds int
	// Mix is what they do. Default: Mixed.
	Mix load.Mix
	// MaxP99Milliseconds is what 99 of 100 requests may take, at least 1, counted
	// from the moment each was due. Required.
	MaxP99Milliseconds int
	// MaxErrors is how many requests of a run may fail. Default: 0.
	MaxErrors int
	// URL is where the service answers clients. Required.
	URL string
	// Authority is the certificate in PEM that vouches for the service. Nil: the
	// authorities that the public trusts.
	Authority pulumi.StringInput
	// Ingress is where requests are sent.
	Ingress Ingress
}

// Ingress is the way in, for pods of the cluster.
type Ingress struct {
	// Namespace is where it runs. Required.
	Namespace string
	// Service is the name of its Service there. Required.
	Service pulumi.StringInput
	// Port is that of the Service, and PodPort what its pods listen on, which the
	// network policy is about. Required.
	Port, PodPort int
}

// plan is Args with its defaults, found to be free of faults.
type plan struct{ Args }

var namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// Check reports every fault of the arguments, each with its path.
func (args Args) Check() error {
	_, err := resolve(args)
	return err
}

func resolve(args Args) (plan, error) {
	var faults []error
	fault := func(path, format string, values ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
	}
	p := plan{Args: args}
	p.Namespace = cmp.Or(args.Namespace, DefaultNamespace)
	p.Mix = cmp.Or(args.Mix, load.Mixed)
	for _, name := range []struct{ path, value string }{{"namespace", p.Namespace}, {"ingress.namespace", p.Ingress.Namespace}} {
		if !namespaceName.MatchString(name.value) {
			fault(name.path, "%q is not a namespace name", name.value)
		}
	}
	if p.Image == "" {
		fault("image", "is empty, must name the benchmark's image")
	}
	if p.Schedule != "" {
		if err := checkSchedule(p.Schedule); err != nil {
			fault("schedule", "%s", err)
		}
	}
	if !slices.Contains(load.Mixes(), p.Mix) {
		fault("mix", "%q is none of %s", p.Mix, strings.ReplaceAll(strings.Trim(fmt.Sprint(load.Mixes()), "[]"), " ", ", "))
	}
	for _, number := range []struct {
		path             string
		value, low, high int
	}{
		{"rate", p.Rate, 1, 1000}, {"durationSeconds", p.DurationSeconds, 10, 3600},
		{"maxP99Milliseconds", p.MaxP99Milliseconds, 1, 60000}, {"maxErrors", p.MaxErrors, 0, 1000 * 3600},
		{"ingress.port", p.Ingress.Port, 1, 65535}, {"ingress.podPort", p.Ingress.PodPort, 1, 65535},
	} {
		if number.value < number.low || number.value > number.high {
			fault(number.path, "is %d, must be %d to %d", number.value, number.low, number.high)
		}
	}
	if parsed, err := url.Parse(p.URL); err != nil || parsed.Scheme != "https" || parsed.Host == "" {
		fault("url", "is %q, must be an address that begins with https://", p.URL)
	}
	if p.Ingress.Service == nil {
		fault("ingress.service", "is not set, must name the Service that requests are sent to")
	}
	return p, errors.Join(faults...)
}
