package prometheus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Failures a caller can tell a person about.
var (
	// ErrUnreachable is returned when nothing answers.
	ErrUnreachable = errors.New("Prometheus cannot be reached") //nolint:staticcheck // a name
	// ErrSlow is returned when no answer came in time.
	ErrSlow = errors.New("Prometheus did not answer in time") //nolint:staticcheck // a name
	// ErrRefused is returned when Prometheus answers that it will not or cannot.
	ErrRefused = errors.New("Prometheus refused the query") //nolint:staticcheck // a name
	// ErrForeign is returned when what answers does not speak Prometheus's API.
	ErrForeign = errors.New("what answers is not Prometheus")
	// ErrHuge is returned for an answer above the bound.
	ErrHuge = errors.New("Prometheus answered too much") //nolint:staticcheck // a name
)

// Bounds of one question.
const (
	// Patience is how long an answer may take, unless the client is told
	// otherwise.
	Patience = 10 * time.Second
	// limit is how long an answer may be, in bytes: some hundred thousand samples.
	limit = 16 << 20
)

// Source says where Prometheus answers. A fixed address is Fixed; a forwarded
// port may have to be opened first, and again when it broke.
type Source interface {
	// URL returns the address that the API's paths are put behind.
	URL(ctx context.Context) (*url.URL, error)
	// Broken tells that nothing answered at the address.
	Broken(address *url.URL)
}

// Fixed is a Source that does not change.
type Fixed struct{ address *url.URL }

// Parse reads an address as a person types it.
func Parse(text string) (Fixed, error) {
	address, err := url.Parse(text)
	switch {
	case err != nil:
		// The error itself would repeat a password.
		return Fixed{}, errors.New("the address of Prometheus is no URL; write it as http://host:9090")
	case address.Scheme != "http" && address.Scheme != "https", address.Host == "":
		return Fixed{}, fmt.Errorf("the address of Prometheus is %q, must be as http://host:9090", address.Redacted())
	case address.RawQuery != "" || address.Fragment != "":
		return Fixed{}, fmt.Errorf("the address of Prometheus %q has more than a host and a path", address.Redacted())
	}
	address.Path = strings.TrimSuffix(address.Path, "/")
	return Fixed{address}, nil
}

// String is the address without a password.
func (f Fixed) String() string { return f.address.Redacted() }

// URL implements Source.
func (f Fixed) URL(context.Context) (*url.URL, error) { return f.address, nil }

// Broken implements Source.
func (Fixed) Broken(*url.URL) {}

// Client asks one Prometheus. Its methods may be called concurrently.
type Client struct {
	source   Source
	patience time.Duration
	http     *http.Client
	// answered is when the last answer came, in nanoseconds since 1970.
	answered atomic.Int64
}

// New asks the Prometheus at source and waits patience for each answer; 0 means
// Patience.
func New(source Source, patience time.Duration) *Client {
	if patience == 0 {
		patience = Patience
	}
	return &Client{source: source, patience: patience, http: &http.Client{
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 5 * time.Second, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute,
		},
		// A redirect leads to a login page or to another server; either is not the
		// one that was named.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Sample is one value of a series. A value may be NaN or infinite.
type Sample struct {
	Time  time.Time
	Value float64
}

// Series is one series of an answer; an instant query gives it one sample.
type Series struct {
	Labels  map[string]string
	Samples []Sample
}

// Alert is one alert that Prometheus has.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"`
	ActiveAt    time.Time         `json:"activeAt"`
}

// Instant asks for the values of expr at a time.
func (c *Client) Instant(ctx context.Context, expr string, at time.Time) ([]Series, error) {
	return c.query(ctx, "query", url.Values{"query": {expr}, "time": {stamp(at)}})
}

// Range asks for the values of expr from start to end, both included, one each
// step.
func (c *Client) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) ([]Series, error) {
	return c.query(ctx, "query_range", url.Values{
		"query": {expr}, "start": {stamp(start)}, "end": {stamp(end)},
		"step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	})
}

// Alerts asks for the alerts that are pending or firing.
func (c *Client) Alerts(ctx context.Context) ([]Alert, error) {
	var data struct {
		Alerts []Alert `json:"alerts"`
	}
	if err := c.get(ctx, "alerts", nil, &data); err != nil {
		return nil, err
	}
	return data.Alerts, nil
}

// Exemplar is one event that was counted, with what leads to more about it.
type Exemplar struct {
	// Series are the labels of the series that it was counted in, Labels its own.
	Series, Labels map[string]string
	Value          float64
	Time           time.Time
}

// Exemplars asks for those of the series in expr from start to end. A Prometheus
// that keeps none answers with none.
func (c *Client) Exemplars(ctx context.Context, expr string, start, end time.Time) ([]Exemplar, error) {
	var data []struct {
		Series    map[string]string `json:"seriesLabels"`
		Exemplars []struct {
			Labels map[string]string `json:"labels"`
			Value  float64           `json:"value,string"`
			Time   float64           `json:"timestamp"`
		} `json:"exemplars"`
	}
	if err := c.get(ctx, "query_exemplars", url.Values{"query": {expr}, "start": {stamp(start)}, "end": {stamp(end)}}, &data); err != nil {
		return nil, err
	}
	var all []Exemplar
	for _, series := range data {
		for _, one := range series.Exemplars {
			all = append(all, Exemplar{Series: series.Series, Labels: one.Labels, Value: one.Value, Time: time.UnixMilli(int64(one.Time * 1000))})
		}
	}
	return all, nil
}

func stamp(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

func (c *Client) query(ctx context.Context, path string, parameters url.Values) ([]Series, error) {
	parameters.Set("timeout", strconv.FormatFloat(c.patience.Seconds(), 'f', -1, 64))
	var data struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	}
	if err := c.get(ctx, path, parameters, &data); err != nil {
		return nil, err
	}
	series, err := decode(data.Type, data.Result)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	return series, nil
}

func (c *Client) get(ctx context.Context, path string, parameters url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience)
	defer cancel()
	address, err := c.source.URL(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	target := *address
	target.Path += "/api/v1/" + path
	target.RawQuery = parameters.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return c.failed(ctx, address, err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return c.failed(ctx, address, err)
	case len(raw) > limit:
		return fmt.Errorf("%w: more than %d MiB; ask for a shorter time", ErrHuge, limit>>20)
	}
	c.answered.Store(time.Now().UnixNano())
	return answer(address, response, raw, into)
}

// failed says why there is no answer.
func (c *Client) failed(ctx context.Context, address *url.URL, err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // without the whole query
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	if ctx.Err() != nil {
		// One slow answer among others is no reason to end those: only where none
		// came at all may it be the way that is broken.
		if time.Since(time.Unix(0, c.answered.Load())) > c.patience {
			c.source.Broken(address)
		}
		return fmt.Errorf("%w: %s waited for at %s; it may be overloaded, or starting", ErrSlow, c.patience, address.Redacted())
	}
	c.source.Broken(address)
	return fmt.Errorf("%w at %s: %w; is it running, and is the address right?", ErrUnreachable, address.Redacted(), err)
}

// answer reads what the API said, a refusal included.
func answer(address *url.URL, response *http.Response, raw []byte, into any) error {
	var reply struct {
		Status string          `json:"status"`
		Data   json.RawMessage `json:"data"`
		Type   string          `json:"errorType"`
		Error  string          `json:"error"`
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if err := decoder.Decode(&reply); err != nil || (reply.Status != "success" && reply.Status != "error") {
		return fmt.Errorf("%w: %s answered %s and %s", ErrForeign, address.Redacted(), response.Status, beginning(raw))
	}
	if reply.Status == "error" {
		if reply.Type == "timeout" || reply.Type == "canceled" {
			return fmt.Errorf("%w: %s", ErrSlow, reply.Error)
		}
		return fmt.Errorf("%w (%s): %s", ErrRefused, reply.Type, reply.Error)
	}
	if err := json.Unmarshal(reply.Data, into); err != nil {
		return fmt.Errorf("%w: the data of its answer: %w", ErrForeign, err)
	}
	return nil
}

// beginning is enough of an answer to recognise what gave it.
func beginning(raw []byte) string {
	const enough = 80
	text := strings.Join(strings.Fields(string(raw[:min(len(raw), 4*enough)])), " ")
	if text == "" {
		return "nothing more"
	}
	if len(text) > enough {
		text = text[:enough] + "…"
	}
	return strconv.Quote(text)
}
