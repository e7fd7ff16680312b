package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"slipway.dev/slipway/images/benchmark/load"
)

// connections is how many requests may be under way. Pods of the API have fewer
// connections to the database than that, so it is never the client that holds a
// service back that works.
const connections = 64

// request is what the command line asks for.
type request struct {
	url, address, authority, report string
	rate                            int
	duration                        time.Duration
	mix                             load.Mix
	limits                          load.Limits
	// answering and warming are constants but for tests.
	answering, warming time.Duration
}

// parse reads the command line and reports all that is wrong with it.
func parse(args []string, help io.Writer) (request, error) {
	r := request{answering: answering, warming: warming}
	flags := flag.NewFlagSet("benchmark", flag.ContinueOnError)
	flags.SetOutput(help)
	flags.StringVar(&r.url, "url", "", "where the service answers, such as https://api.example.org; required")
	flags.StringVar(&r.address, "address", "", "host:port to connect to in place of the URL's, whose name is still verified")
	flags.StringVar(&r.authority, "authority", "", "file of the certificates in PEM that vouch for the service; left out, the public authorities")
	flags.StringVar(&r.report, "report", "", "file to write the result to as well")
	flags.IntVar(&r.rate, "rate", 20, "requests a second")
	flags.DurationVar(&r.duration, "duration", time.Minute, "how long requests are sent")
	mix := flags.String("mix", string(load.Mixed), "what is sent: read, write, mixed, streaming")
	flags.IntVar(&r.limits.P99Milliseconds, "max-p99", 500, "milliseconds that 99 of 100 requests may take")
	flags.IntVar(&r.limits.Failures, "max-failures", 0, "requests that may fail")
	if err := flags.Parse(args); err != nil {
		return r, fmt.Errorf("reading the command line: %w", err)
	}
	r.mix = load.Mix(*mix)
	var faults []error
	fault := func(name, format string, values ...any) {
		faults = append(faults, fmt.Errorf("-%s: %s", name, fmt.Sprintf(format, values...)))
	}
	if flags.NArg() > 0 {
		fault(flags.Arg(0), "is no flag")
	}
	parsed, err := url.Parse(r.url)
	if err != nil || parsed.Host == "" || parsed.Scheme != "https" && parsed.Scheme != "http" {
		fault("url", "is %q, must be an address such as https://api.example.org", r.url)
	}
	if r.rate < 1 {
		fault("rate", "is %d, must be at least 1", r.rate)
	}
	if r.duration < time.Second {
		fault("duration", "is %s, must be at least 1s", r.duration)
	}
	if !slices.Contains(load.Mixes(), r.mix) {
		fault("mix", "is %q, must be one of %v", r.mix, load.Mixes())
	}
	if r.limits.P99Milliseconds < 1 {
		fault("max-p99", "is %d, must be at least 1", r.limits.P99Milliseconds)
	}
	if r.limits.Failures < 0 {
		fault("max-failures", "is %d, must be at least 0", r.limits.Failures)
	}
	return r, errors.Join(faults...)
}

// client reaches the service as asked.
func (r request) client() (*http.Client, error) {
	how := load.Connecting{Connections: connections, Timeout: timeout}
	if r.address != "" {
		how.Dial = load.To(r.address)
	}
	if r.authority != "" {
		pem, err := os.ReadFile(r.authority)
		if err != nil {
			return nil, fmt.Errorf("-authority: %w", err)
		}
		if how.TLS, err = load.Trusting(pem); err != nil {
			return nil, fmt.Errorf("-authority: %s: %w", r.authority, err)
		}
	}
	return how.Client(), nil
}
