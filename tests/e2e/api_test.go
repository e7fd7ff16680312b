//go:build e2e

package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBadRequestsGetProblemsAndStoreNothing(t *testing.T) {
	count := func() int {
		marked := 0
		cursor := ""
		for {
			page := ask(t, http.MethodGet, "/v1/items?limit=100"+cursor, nil, nil).json(t)
			items, ok := page["items"].([]any)
			require.True(t, ok, "%v", page)
			for _, item := range items {
				if name, _ := item.(map[string]any)["name"].(string); strings.HasPrefix(name, "must-not-be-stored") {
					marked++
				}
			}
			next, _ := page["next_cursor"].(string)
			if next == "" {
				return marked
			}
			cursor = "&cursor=" + next
		}
	}
	const name = "must-not-be-stored"
	for title, tc := range map[string]struct {
		method, path string
		body         any
		want         int
	}{
		"name of another type":  {http.MethodPost, "/v1/items", map[string]any{"name": 5, "quantity": 1}, 422},
		"quantity below zero":   {http.MethodPost, "/v1/items", map[string]any{"name": name, "quantity": -1}, 422},
		"quantity of text":      {http.MethodPost, "/v1/items", map[string]any{"name": name, "quantity": "many"}, 422},
		"nothing":               {http.MethodPost, "/v1/items", map[string]any{}, 422},
		"a huge body":           {http.MethodPost, "/v1/items", map[string]any{"name": strings.Repeat(name, 400_000), "quantity": 1}, 413},
		"a cursor of nobody's":  {http.MethodGet, "/v1/items?cursor=%00bad", nil, 400},
		"an id that is none":    {http.MethodGet, "/v1/items/not-an-id", nil, 422},
		"a row that is not":     {http.MethodGet, "/v1/items/0190a0a0-0000-7000-8000-000000000000", nil, 404},
		"a method that is none": {http.MethodPatch, "/v1/items", nil, 405},
	} {
		t.Run(title, func(t *testing.T) {
			res := ask(t, tc.method, tc.path, nil, tc.body)
			require.Equal(t, tc.want, res.status, "%s", res.body)
			require.Contains(t, res.header.Get("Content-Type"), "application/problem+json")
			require.EqualValues(t, tc.want, res.json(t)["status"])
		})
	}
	require.Zero(t, count())
}

func TestAnIdempotencyKeyStoresOneRow(t *testing.T) {
	key := map[string]string{"Idempotency-Key": "e2e-" + t.Name() + store(t, "salt", 0)}
	body := map[string]any{"name": "once", "quantity": 1}
	first := ask(t, http.MethodPost, "/v1/items", key, body)
	require.Equal(t, http.StatusCreated, first.status)
	again := ask(t, http.MethodPost, "/v1/items", key, body)
	require.Equal(t, http.StatusCreated, again.status)
	require.Equal(t, first.json(t)["id"], again.json(t)["id"])
	other := ask(t, http.MethodPost, "/v1/items", key, map[string]any{"name": "once", "quantity": 2})
	require.Equal(t, http.StatusUnprocessableEntity, other.status)
	require.Contains(t, other.header.Get("Content-Type"), "application/problem+json")
}
