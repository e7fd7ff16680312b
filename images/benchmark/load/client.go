package load

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"time"
)

// Connecting is how a Client reaches the service.
type Connecting struct {
	// Dial connects; the address is the one in the URL.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is nil for plain HTTP.
	TLS *tls.Config
	// Connections is the most there are at once.
	Connections int
	// Timeout bounds one request.
	Timeout time.Duration
}

// Client keeps as many connections as there may be requests under way, so that
// none is closed only to be opened again. It speaks HTTP/1.1: requests of one
// connection of HTTP/2 would all be one proxy's.
func (c Connecting) Client() *http.Client {
	return &http.Client{Timeout: c.Timeout, Transport: &http.Transport{
		DialContext: c.Dial, TLSClientConfig: c.TLS, TLSHandshakeTimeout: c.Timeout,
		MaxIdleConns: c.Connections, MaxIdleConnsPerHost: c.Connections, MaxConnsPerHost: c.Connections,
		IdleConnTimeout: time.Minute,
	}}
}

// To dials one address, whatever the URL says.
func To(address string) func(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
}

// Trusting verifies certificates by the authorities in a PEM bundle and no
// others.
func Trusting(pem []byte) (*tls.Config, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("there is no certificate in PEM in it")
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, nil
}
