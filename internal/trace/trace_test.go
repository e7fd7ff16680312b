package trace

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	one = "0123456789abcdef0123456789abcdef"
	two = "fedcba9876543210fedcba9876543210"
)

// lines are two requests, as three nodes have their steps, out of order and one twice.
const lines = `{"Timestamp":"2026-12-01T10:00:00.002Z","Trace":"` + one + `","Span":"b","Parent":"a","Name":"GET /v1/items/{id}","Kind":"server","Seconds":0.006,"Resource":{"service.name":"api"},"Attributes":{"http.route":"/v1/items/{id}","http.response.status_code":200}}
{"Timestamp":"2026-12-01T10:00:00Z","Trace":"` + one + `","Span":"a","Name":"GET","Kind":"server","Seconds":0.01,"Resource":{"service.name":"traefik"}}
{"Timestamp":"2026-12-01T10:00:00.004Z","Trace":"` + one + `","Span":"c","Parent":"b","Name":"items.get","Kind":"client","Seconds":0.002,"Resource":{"service.name":"api"},"Attributes":{"slipway.database":"primary"}}
{"Timestamp":"2026-12-01T10:00:00.004Z","Trace":"` + one + `","Span":"c","Parent":"b","Name":"items.get","Kind":"client","Seconds":0.002,"Resource":{"service.name":"api"},"Attributes":{"slipway.database":"primary"}}
{"Timestamp":"2026-12-01T10:01:00Z","Trace":"` + two + `","Span":"d","Parent":"gone","Name":"POST /v1/items","Kind":"server","Seconds":1.5,"Error":true,"Resource":{"service.name":"api"},"Attributes":{"http.route":"/v1/items"}}
`

func all(Span) bool { return true }

func traces(t *testing.T) []Trace {
	t.Helper()
	spans, err := Read(strings.NewReader(lines), "node-1", all)
	require.NoError(t, err)
	require.Len(t, spans, 5)
	return Group(spans)
}

func TestSpansAreGroupedByRequest(t *testing.T) {
	got := traces(t)
	require.Len(t, got, 2)
	require.Equal(t, two, got[0].ID, "the newest comes first")
	require.True(t, got[0].Failed())
	require.InDelta(t, 1.5, got[0].Seconds(), 1e-9)
	require.Equal(t, one, got[1].ID)
	require.Len(t, got[1].Spans, 3, "a span that was sent twice counts once")
	require.False(t, got[1].Failed())
	require.InDelta(t, 0.01, got[1].Seconds(), 1e-9)
	require.Equal(t, "GET /v1/items/{id}", got[1].Title())
	require.Equal(t, "node-1", got[1].Spans[0].Node)
}

func TestATraceIsDrawnAsATree(t *testing.T) {
	var out strings.Builder
	require.NoError(t, traces(t)[1].Write(&out))
	require.Equal(t, one+`  2026-12-01T10:00:00Z  10.0 ms

GET                   traefik  10.0 ms  |########################################|  
  GET /v1/items/{id}  api      6.0 ms   |        ########################        |  http.response.status_code=200
    items.get         api      2.0 ms   |                ########                |  database=primary
`, out.String())
}

func TestTracesAreListed(t *testing.T) {
	var out strings.Builder
	require.NoError(t, List(&out, traces(t)))
	require.Equal(t, `TRACE                             BEGAN                    TOOK       STEPS  RESULT  REQUEST
`+two+`  2026-12-01 10:01:00.000  1500.0 ms  1      failed  POST /v1/items
`+one+`  2026-12-01 10:00:00.000  10.0 ms    3      ok      GET /v1/items/{id}
`, out.String())
	out.Reset()
	require.NoError(t, JSON(&out, traces(t)))
	require.Contains(t, out.String(), `"Service": "traefik"`)
	out.Reset()
	require.NoError(t, JSON(&out, nil))
	require.Equal(t, "[]\n", out.String())
}

// Spans that name each other, or themselves, as parents are drawn once each.
func TestSpansInACircle(t *testing.T) {
	circle := Group([]Span{
		{Trace: one, Span: "a", Parent: "b", Name: "a"}, {Trace: one, Span: "b", Parent: "a", Name: "b"},
		{Trace: one, Span: "c", Parent: "c", Name: "c"},
	})
	require.Len(t, circle[0].steps(), 3)
	var out strings.Builder
	require.NoError(t, circle[0].Write(&out), "a trace of no length")
}

func TestNumbersOfTraces(t *testing.T) {
	for given, want := range map[string]string{
		one: one, " " + strings.ToUpper(one) + "\n": one,
		"": "", "abc": "", one + "0": "", strings.Repeat("g", 32): "",
	} {
		id, err := ID(given)
		require.Equal(t, want, id, given)
		if want == "" {
			require.ErrorIs(t, err, ErrID)
		}
	}
}

func TestWhatIsNoSpanIsSaid(t *testing.T) {
	for _, text := range []string{"not JSON\n", `{"Body":"a log record"}` + "\n"} {
		_, err := Read(strings.NewReader(text), "node-2", all)
		require.ErrorContains(t, err, "the archive on node-2 has a line that is no span")
	}
	half, err := Read(strings.NewReader(lines+`{"Timestamp":"2026-`), "node-1", all)
	require.NoError(t, err, "the last line is being written")
	require.Len(t, half, 5)
	spans, err := Read(strings.NewReader(lines), "node-1", func(s Span) bool { return s.Error })
	require.NoError(t, err)
	require.Len(t, spans, 1)
}
