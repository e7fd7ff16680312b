package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// service stores rows as the API does, as far as a benchmark looks.
type service struct {
	*httptest.Server

	mu   sync.Mutex
	rows map[string]bool
	made int
	// most is the largest number of rows there were, pages the number of pages.
	most, pages int
	// keys are the idempotency keys that came.
	keys []string
	// requests by method, and what is done before each is answered; before
	// returns a status to answer with instead.
	requests map[string]int
	before   func(*http.Request) int
}

func serve(t *testing.T) *service {
	t.Helper()
	s := &service{rows: map[string]bool{}, requests: map[string]int{}}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.before != nil {
		if status := s.before(r); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests[r.Method]++
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		s.keys = append(s.keys, key)
	}
	id, single := strings.CutPrefix(r.URL.Path, "/v1/items/")
	if single && !s.rows[id] {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	switch r.Method {
	case http.MethodPost:
		var row struct{ Name string }
		if json.NewDecoder(r.Body).Decode(&row) != nil || row.Name != "slipway-benchmark" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		s.made++
		id = fmt.Sprintf("row-%d", s.made)
		s.rows[id] = true
		s.most = max(s.most, len(s.rows))
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		delete(s.rows, id)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if single || r.Method == http.MethodPost {
		fmt.Fprintf(w, `{"id":%q}`, id)
		return
	}
	// Three pages, over and over.
	next := map[string]string{"": `"two"`, "two": `"three"`, "three": "null"}[r.URL.Query().Get("cursor")]
	if next == "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.pages++
	fmt.Fprintf(w, `{"items":[],"next_cursor":%s}`, next)
}

// left is how many rows there are.
func (s *service) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rows)
}

// stall lets no request be answered for a while, from the given one on.
func stall(from int, during time.Duration) func(*http.Request) int {
	var mu sync.Mutex
	seen := 0
	return func(*http.Request) int {
		mu.Lock()
		defer mu.Unlock()
		if seen++; seen == from {
			time.Sleep(during)
		}
		return 0
	}
}
