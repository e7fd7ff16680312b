package harness

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shelf keeps rows as the service does, and loses them when told to.
type shelf struct {
	mu    sync.Mutex
	rows  map[string]json.RawMessage
	away  bool
	asked int
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPost {
		var row json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&row); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		id := fmt.Sprint(len(s.rows))
		s.rows[id] = row
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprintf(w, `{"id":%q}`, id)
		return
	}
	if s.asked++; s.away && s.asked%2 == 1 {
		http.Error(w, "nobody is there", http.StatusServiceUnavailable)
		return
	}
	row, ok := s.rows[strings.TrimPrefix(r.URL.Path, "/v1/items/")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(row)
}

// TestALedgerMissesWhatIsGone: what every claim that nothing is lost rests on
// finds a row that is gone, one that was changed, and takes no answer for either.
func TestALedgerMissesWhatIsGone(t *testing.T) {
	kept := &shelf{rows: map[string]json.RawMessage{}}
	server := httptest.NewServer(kept)
	t.Cleanup(server.Close)
	ledger := (&Platform{URL: server.URL, HTTP: server.Client()}).StartLedger(t.Context(), "run", 100)
	for ledger.Acked() < 5 {
		time.Sleep(time.Millisecond)
	}
	result := ledger.Stop()
	require.Empty(t, result.Failures)
	require.Equal(t, len(kept.rows), result.Acked)

	kept.away = true
	lost, err := ledger.Lost(t.Context())
	require.NoError(t, err)
	require.Empty(t, lost)

	numberOf := func(id string) int {
		var row struct{ Quantity int }
		require.NoError(t, json.Unmarshal(kept.rows[id], &row))
		return row.Quantity
	}
	want := []int{numberOf("1"), numberOf("3")}
	slices.Sort(want)
	delete(kept.rows, "1")
	kept.rows["3"] = json.RawMessage(`{"name":"somebody else's","quantity":3}`)
	lost, err = ledger.Lost(t.Context())
	require.NoError(t, err)
	slices.Sort(lost)
	require.Equal(t, want, lost)
}
