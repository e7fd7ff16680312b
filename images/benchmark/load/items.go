package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Operations on items.
const (
	Read  = "read"
	Write = "write"
	List  = "list"
)

// Mix is what requests a run consists of.
type Mix string

// Mixes.
const (
	// Reads read one row each, Writes create, replace and delete rows in turns,
	// Streaming walks through all rows, a page of a hundred each.
	Reads     Mix = "read"
	Writes    Mix = "write"
	Streaming Mix = "streaming"
	// Mixed is, of ten requests, seven that read a row, two that write one and one
	// that gets a page.
	Mixed Mix = "mixed"
)

// Mixes lists them all.
func Mixes() []Mix { return []Mix{Reads, Writes, Mixed, Streaming} }

// order is what requests of a mix do, over and over. Writes are apart from each
// other, so that they are not measured waiting for one another.
var order = map[Mix][]string{
	Reads: {Read}, Writes: {Write}, Streaming: {List},
	Mixed: {Read, Read, Write, Read, Read, List, Read, Write, Read, Read},
}

// Mark is the name of every row that a run stores: it is how a person tells them
// from others, and removes what a run that was killed has left.
const Mark = "slipway-benchmark"

// Left says how to remove rows that could not be deleted.
func Left(rows int) string {
	return fmt.Sprintf("%d rows called %s may be left; slipway erase %s --stack STACK, with the stack's name, removes them", rows, Mark, Mark)
}

const (
	// page is how many rows one list request asks for, which is the most there is.
	page = 100
	// written is how many rows writes keep at most, besides those under way, so
	// that a long run leaves the table as large as a short one does.
	written = 20
	// answerBytes is the longest answer that is read.
	answerBytes = 4 << 20
)

// Items is the service, as a client that leaves no rows behind. Rows are created
// without an Idempotency-Key, of which the service would remember each for a
// day; nothing is sent twice instead. Its methods may be called concurrently.
type Items struct {
	client *http.Client
	base   string
	writes atomic.Int64

	mu sync.Mutex
	// stored are rows to read; rows are those that writes work on, without those
	// under way; doubtful are those of which a deletion failed.
	stored, rows, doubtful []string
	// unknown counts creations that failed, of which each may have stored a row.
	unknown int
	// cursor is where the walk through all rows goes on.
	cursor string
}

// NewItems is the service at a base URL such as https://api.example.org.
func NewItems(client *http.Client, base string) *Items {
	return &Items{client: client, base: strings.TrimRight(base, "/") + "/v1/items"}
}

// Answers asks for one row, and returns an error unless the service answers.
func (i *Items) Answers(ctx context.Context) error {
	_, err := i.call(ctx, List, http.MethodGet, "?limit=1", nil, http.StatusOK)
	return err
}

// Prepare stores the rows that are read: a page of them.
func (i *Items) Prepare(ctx context.Context) error {
	for len(i.stored) < page {
		id, err := i.create(ctx)
		if err != nil {
			return fmt.Errorf("storing the rows to read: %w", err)
		}
		i.stored = append(i.stored, id)
	}
	return nil
}

// Send is what a run of a mix sends.
func (i *Items) Send(mix Mix) Send {
	return func(ctx context.Context, number int) (string, error) {
		operations := order[mix]
		operation := operations[number%len(operations)]
		switch operation {
		case Read:
			return operation, i.read(ctx, number)
		case Write:
			return operation, i.write(ctx)
		default:
			return operation, i.list(ctx)
		}
	}
}

func (i *Items) read(ctx context.Context, number int) error {
	_, err := i.call(ctx, Read, http.MethodGet, "/"+i.stored[number%len(i.stored)], nil, http.StatusOK)
	return err
}

// list gets the page after the one that was last answered. Where several are
// under way, the walk goes on from whichever is answered next, and another one
// begins.
func (i *Items) list(ctx context.Context) error {
	i.mu.Lock()
	query := fmt.Sprintf("?limit=%d", page)
	if i.cursor != "" {
		query += "&cursor=" + url.QueryEscape(i.cursor)
	}
	i.cursor = ""
	i.mu.Unlock()
	raw, err := i.call(ctx, List, http.MethodGet, query, nil, http.StatusOK)
	if err != nil {
		return err
	}
	var answer struct {
		Next string `json:"next_cursor"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("reading a page: %w: %w", errAnswer, err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.cursor = answer.Next
	return nil
}

// write creates, replaces and deletes rows in turns. A row that one request works
// on is no other's, so that none fails for what the run itself did.
func (i *Items) write(ctx context.Context) error {
	turn := i.writes.Add(1) - 1
	i.mu.Lock()
	row := ""
	if have := len(i.rows); have > 0 && (turn%3 > 0 || have >= written) {
		row, i.rows = i.rows[0], i.rows[1:]
	}
	i.mu.Unlock()
	switch {
	case row == "":
		id, err := i.create(ctx)
		if err != nil {
			return err
		}
		i.keep(&i.rows, id)
		return nil
	case turn%3 == 1:
		_, err := i.call(ctx, Write, http.MethodPut, "/"+row, i.body(2), http.StatusOK)
		i.keep(&i.rows, row)
		return err
	default:
		return i.remove(ctx, row)
	}
}

func (i *Items) create(ctx context.Context) (string, error) {
	raw, err := i.call(ctx, Write, http.MethodPost, "", i.body(1), http.StatusCreated)
	if err != nil {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.unknown++
		return "", err
	}
	var row struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &row); err != nil || row.ID == "" {
		return "", fmt.Errorf("reading the row that was stored: %w", errAnswer)
	}
	return row.ID, nil
}

func (i *Items) remove(ctx context.Context, row string) error {
	_, err := i.call(ctx, Write, http.MethodDelete, "/"+row, nil, http.StatusNoContent)
	if err != nil {
		i.keep(&i.doubtful, row)
	}
	return err
}

func (i *Items) keep(list *[]string, row string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	*list = append(*list, row)
}

func (i *Items) body(quantity int) []byte {
	return fmt.Appendf(nil, `{"name":%q,"quantity":%d}`, Mark, quantity)
}

// Clean deletes the rows that the run has stored. The result is how many may be
// left: those that could not be deleted, and those of which nobody knows whether
// they were stored.
func (i *Items) Clean(ctx context.Context) int {
	i.mu.Lock()
	rows := slices.Concat(i.stored, i.rows, i.doubtful)
	i.stored, i.rows, i.doubtful = nil, nil, nil
	left := i.unknown
	i.mu.Unlock()
	for _, row := range rows {
		_, err := i.call(ctx, Write, http.MethodDelete, "/"+row, nil, http.StatusNoContent)
		if err != nil && Kind(err) != fmt.Sprint(http.StatusNotFound) {
			left++
		}
	}
	return left
}

// call reads the whole answer: a request has ended when the client has it.
func (i *Items) call(ctx context.Context, operation, method, path string, body []byte, want int) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, i.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := i.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, answerBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if res.StatusCode != want {
		return nil, &StatusError{Operation: operation, Status: res.StatusCode}
	}
	return raw, nil
}
