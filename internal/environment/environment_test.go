package environment

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/checkpoint"
)

var beginnings = []string{"pr-", "review-"}

func TestNames(t *testing.T) {
	for name, fault := range map[string]string{
		"pr-1": "", "pr-123": "", "review-a-b": "", "pr-" + strings.Repeat("x", 37): "",
		"pr-" + strings.Repeat("x", 38): "at most 40",
		"pr-":                           "not a name", "pr-1-": "not a name", "PR-1": "not a name", "pr_1": "not a name", "pr-1.b": "not a name",
		"-pr-1": "not a name", "": "not a name", "../pr-1": "not a name", "pr-1\n": "not a name", "pr-ä": "not a name",
		"local": "begin: pr-, review-, such as pr-123", "api": "begin: pr-", "prod": "begin: pr-",
	} {
		err := CheckName(name, beginnings)
		if fault == "" {
			require.NoError(t, err, name)
			for _, namespace := range Namespaces(name) {
				require.LessOrEqual(t, len(namespace), 63)
			}
			continue
		}
		require.ErrorIs(t, err, ErrName, name)
		require.ErrorContains(t, err, fault)
	}
}

func TestExpiry(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 5, time.UTC)
	at := func(hours int) time.Time { return time.Date(2026, 12, 1, 12+hours, 0, 0, 0, time.UTC) }
	for name, tc := range map[string]struct {
		keep time.Duration
		was  time.Time
		want time.Time
		err  error
	}{
		"new":                       {0, time.Time{}, at(72), nil},
		"new, told":                 {time.Hour, time.Time{}, at(1), nil},
		"there, keeps its end":      {0, at(5), at(5), nil},
		"there, longer":             {10 * time.Hour, at(5), at(10), nil},
		"there, shorter":            {time.Hour, at(5), at(1), nil},
		"over":                      {0, at(-1), time.Time{}, ErrExpired},
		"over this moment":          {0, now, time.Time{}, ErrExpired},
		"over, longer":              {time.Hour, at(-1), at(1), nil},
		"backwards":                 {-time.Hour, time.Time{}, time.Time{}, ErrExpiry},
		"a moment":                  {time.Second, time.Time{}, time.Time{}, ErrExpiry},
		"for ever":                  {LongestKeep + 1, time.Time{}, time.Time{}, ErrExpiry},
		"as long as it may be":      {LongestKeep, time.Time{}, at(30 * 24), nil},
		"as short as makes a sense": {time.Minute, time.Time{}, now.Add(time.Minute).Truncate(time.Second), nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Expiry("pr-1", now, tc.keep, tc.was)
			if tc.err != nil {
				require.ErrorIs(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	_, err := Expiry("pr-1", now, 0, at(-1))
	require.ErrorContains(t, err, "slipway env create pr-1 --expires 72h")
	require.ErrorContains(t, err, "slipway env remove pr-1")
}

// host is a stack as its file and its outputs show it.
func host() Host {
	return Host{
		Stack: "local",
		Config: map[string]any{
			"slipway:foundation": "local",
			"slipway:cluster":    map[string]any{"identifier": "c", "apiNetworks": []any{"10.0.0.1/32"}},
			"slipway:storage":    map[string]any{"provisioner": "p"},
			"slipway:dns":        map[string]any{"publicZone": "slipway.test", "privateZone": "internal.slipway.test", "hostPort": 1053.0},
			"slipway:ingress":    map[string]any{"httpsPort": 8443.0, "httpPort": 8080.0, "hostPorts": true, "addresses": []any{"10.0.0.2"}, "guests": "preview"},
			"slipway:database":   map[string]any{"members": 3.0, "shareNodes": true, "memory": "384Mi"},
			"slipway:api":        map[string]any{"host": "api.slipway.test", "strategy": "blueGreen", "scaling": map[string]any{"min": 4.0, "max": 9.0, "calmSeconds": 60.0}},
		},
		Outputs: map[string]any{
			"caCertificate": "-----BEGIN CERTIFICATE-----\nx\n",
			"guests":        map[string]any{"zone": "preview.slipway.test", "ingressNamespace": "slipway-ingress", "issuer": "ca", "volumeClass": "standard"},
		},
	}
}

func TestSettingsComeFromTheHost(t *testing.T) {
	created, expires := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 12, 4, 0, 0, 0, 0, time.UTC)
	from := host()
	settings, err := from.Settings("pr-1", created, expires)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"environment:created": "2026-12-01T00:00:00Z",
		"slipway:foundation":  "guest",
		"slipway:cluster":     map[string]any{"identifier": "c", "apiNetworks": []any{"10.0.0.1/32"}},
		"slipway:dns":         map[string]any{"publicZone": "slipway.test"},
		"slipway:ingress":     map[string]any{"httpsPort": 8443.0, "addresses": []any{"10.0.0.2"}},
		"slipway:database":    map[string]any{"members": 1, "unprotected": true, "memory": "384Mi"},
		"slipway:api": map[string]any{
			"host": "pr-1.preview.slipway.test", "scaling": map[string]any{"min": 2, "max": 3, "calmSeconds": 60.0},
		},
		"slipway:guest": map[string]any{
			"host": "local", "expires": "2026-12-04T00:00:00Z", "ingressNamespace": "slipway-ingress", "issuer": "ca",
			"volumeClass": "standard", "caCertificate": "-----BEGIN CERTIFICATE-----\nx\n",
		},
	}, settings)
	require.Equal(t, host(), from, "the host's own settings were written to")

	raw, err := Write("pr-1", settings)
	require.NoError(t, err)
	e, err := Read("pr-1", raw)
	require.NoError(t, err)
	require.Equal(t, Environment{
		Name: "pr-1", Host: "local", Address: "pr-1.preview.slipway.test", Port: 8443, Created: created, Expires: expires,
	}, e)
	require.Equal(t, "https://pr-1.preview.slipway.test:8443", e.URL())
	require.False(t, e.Expired(expires.Add(-time.Second)))
	require.True(t, e.Expired(expires))
}

func TestWhoTakesNoPreviews(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Host)
		says   string
	}{
		"in a cloud":       {func(h *Host) { h.Config["slipway:foundation"] = "aws" }, "its foundation is aws"},
		"a preview itself": {func(h *Host) { h.Config["slipway:foundation"] = "guest" }, "its foundation is guest"},
		"not willing":      {func(h *Host) { delete(h.Outputs, "guests") }, "set guests under slipway:ingress in Pulumi.local.yaml"},
		"not up":           {func(h *Host) { h.Outputs = nil }, "make up STACK=local"},
	} {
		t.Run(name, func(t *testing.T) {
			h := host()
			tc.change(&h)
			_, err := h.Settings("pr-1", time.Now(), time.Now())
			require.ErrorIs(t, err, ErrNoGuests)
			require.ErrorContains(t, err, tc.says)
		})
	}
}

func TestADamagedFileIsNamed(t *testing.T) {
	_, err := Read("pr-1", []byte("config: {slipway:guest: {expires: soon}}"))
	require.ErrorContains(t, err, "settings of pr-1")
	require.ErrorContains(t, err, "slipway env create pr-1")
	_, err = Read("pr-1", []byte("config: ["))
	require.ErrorContains(t, err, "settings of pr-1")
}

func TestOnlyAPreviewsOwnMayGo(t *testing.T) {
	state := func(more string) *checkpoint.State {
		resource := func(kind, name, rest string) string {
			return fmt.Sprintf(`{"urn":"urn:pulumi:pr-1::slipway::%s::%s","type":"%s","custom":true%s}`, kind, name, kind, rest)
		}
		own := []string{
			resource("pulumi:providers:kubernetes", "cluster", ""),
			`{"urn":"urn:pulumi:pr-1::slipway::slipway:postgres:Cluster::postgres","type":"slipway:postgres:Cluster"}`,
			resource("random:index/randomPassword:RandomPassword", "owner", ""),
			resource("kubernetes:core/v1:Namespace", "n", `,"inputs":{"metadata":{"name":"pr-1-database"}}`),
			resource("kubernetes:apps/v1:StatefulSet", "s", `,"inputs":{"metadata":{"name":"s","namespace":"pr-1-database"}}`),
		}
		if more != "" {
			own = append(own, more)
		}
		parsed, err := checkpoint.Parse([]byte(`{"version":3,"checkpoint":{"latest":{"resources":[` + strings.Join(own, ",") + `]}}}`))
		require.NoError(t, err)
		return parsed
	}
	require.NoError(t, CheckOwn(state(""), Namespaces("pr-1")))
	for says, more := range map[string]string{
		"is protected":                 `{"urn":"urn:pulumi:pr-1::slipway::random:index/randomPassword:RandomPassword::p","type":"random:index/randomPassword:RandomPassword","custom":true,"protect":true}`,
		"is namespace slipway-api":     `{"urn":"u::u::t::n","type":"kubernetes:core/v1:Namespace","custom":true,"inputs":{"metadata":{"name":"slipway-api"}}}`,
		"is in namespace pr-12-api":    `{"urn":"u::u::t::n","type":"kubernetes:core/v1:ConfigMap","custom":true,"inputs":{"metadata":{"namespace":"pr-12-api"}}}`,
		"belongs to the whole cluster": `{"urn":"u::u::t::n","type":"kubernetes:storage.k8s.io/v1:StorageClass","custom":true,"inputs":{"metadata":{"name":"retain"}}}`,
		"holds a bucket":               `{"urn":"u::u::t::n","type":"aws:s3/bucketV2:BucketV2","custom":true}`,
		"is no object of Kubernetes":   `{"urn":"u::u::t::n","type":"aws:ec2/vpc:Vpc","custom":true}`,
	} {
		err := CheckOwn(state(more), Namespaces("pr-1"))
		require.ErrorIs(t, err, ErrForeign, says)
		require.ErrorContains(t, err, says)
	}
}
