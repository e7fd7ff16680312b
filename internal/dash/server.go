package dash

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"slipway.dev/slipway/internal/prometheus"
)

//go:embed page
var page embed.FS

// ErrExposed is returned for an address that others could reach.
var ErrExposed = errors.New("is not on loopback")

// Options are what a server is made of.
type Options struct {
	Prometheus *prometheus.Client
	// Stack is the name that the page shows.
	Stack string
	// Source says in words where the figures come from.
	Source string
	// Listen is the address, "127.0.0.1:0" for any free port of loopback.
	Listen string
	// Expose allows an address that is not on loopback.
	Expose bool
	// Cost answers at once with what is known by then. Nil: nothing is.
	Cost func() Cost
	// Now is the clock. Nil: the machine's.
	Now func() time.Time
}

// Server serves the page.
type Server struct {
	options  Options
	listener net.Listener
	http     *http.Server
	// slots bounds how many questions are asked of Prometheus at once.
	slots chan struct{}
}

// Listen opens the port.
func Listen(options Options) (*Server, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	host, _, err := net.SplitHostPort(options.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen %q: write it as 127.0.0.1:8000, port 0 for any: %w", options.Listen, err)
	}
	if address, err := netip.ParseAddr(host); !options.Expose && host != "localhost" && (err != nil || !address.IsLoopback()) {
		return nil, fmt.Errorf("--listen %s %w: whoever reaches it can read the platform's figures; use 127.0.0.1, or add --expose if that is wanted", options.Listen, ErrExposed)
	}
	listener, err := net.Listen("tcp", options.Listen)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; port 0 takes any free one", options.Listen, err)
	}
	const parallel = 4
	s := &Server{options: options, listener: listener, slots: make(chan struct{}, parallel)}
	s.http = &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 2 * time.Minute, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10,
	}
	return s, nil
}

// URL is where a browser finds the page.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() + "/" }

// Serve answers until ctx ends, then lets what is being answered finish.
func (s *Server) Serve(ctx context.Context) error {
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	ended := make(chan error, 1)
	go func() { ended <- s.http.Serve(s.listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving the page: %w", err)
	case <-ctx.Done():
	}
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.http.Shutdown(finish); err != nil {
		_ = s.http.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the page: %w", err)
	}
	return nil
}

// policy lets the page use its own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the directory is embedded above
	}
	mux.Handle("GET /", http.FileServerFS(files))
	mux.HandleFunc("GET /api/page", s.describe)
	mux.HandleFunc("GET /api/panel/{id}", s.panel)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		if !s.ours(r.Host) {
			http.Error(w, "this server answers by its address only, such as "+s.URL(), http.StatusMisdirectedRequest)
			return
		}
		// Absent where something other than a browser asks.
		if site := r.Header.Get("Sec-Fetch-Site"); strings.HasPrefix(r.URL.Path, "/api/") && site != "" && site != "same-origin" {
			http.Error(w, "only the page itself may ask", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// ours tells whether a Host header names this server by an address. A name of
// another site that resolves here never does, so what its page asks for is
// refused.
func (s *Server) ours(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return false
	}
	_, own, err := net.SplitHostPort(s.listener.Addr().String())
	if err != nil || port != own {
		return false
	}
	if name == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(name)
	if err == nil {
		return s.options.Expose || address.IsLoopback()
	}
	machine, err := os.Hostname()
	return err == nil && s.options.Expose && strings.EqualFold(name, machine)
}

// describe says what there is to show.
func (s *Server) describe(w http.ResponseWriter, _ *http.Request) {
	type choice struct {
		Name string `json:"name"`
		// Seconds is how long it is.
		Seconds int64 `json:"seconds"`
	}
	described := struct {
		Stack  string   `json:"stack"`
		Source string   `json:"source"`
		Spans  []choice `json:"spans"`
		Panels []Panel  `json:"panels"`
	}{Stack: s.options.Stack, Source: s.options.Source, Panels: Panels()}
	for _, span := range Spans {
		described.Spans = append(described.Spans, choice{span.Name, int64(span.Long.Seconds())})
	}
	send(w, described)
}

// panel answers for one panel and span, which are all that can be chosen.
func (s *Server) panel(w http.ResponseWriter, r *http.Request) {
	panel, known := find(r.PathValue("id"))
	if !known {
		http.Error(w, "there is no such panel", http.StatusNotFound)
		return
	}
	span, known := spanOf(r.URL.Query().Get("range"))
	if !known {
		http.Error(w, "range is one of 15m, 1h, 6h and 24h", http.StatusBadRequest)
		return
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-r.Context().Done():
		return
	}
	ask := asking{prometheus: s.options.Prometheus, cost: s.options.Cost, panel: panel, span: span, now: s.options.Now()}
	send(w, ask.answer(r.Context()))
}

func send(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	// A browser that went away is nobody to tell.
	_ = json.NewEncoder(w).Encode(value)
}
