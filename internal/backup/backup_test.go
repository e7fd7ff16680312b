package backup

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const info = `[{"name":"postgres","backup":[
 {"label":"20261130-232903F_20261130-232906I","type":"incr","prior":"20261130-232903F","error":null,
  "timestamp":{"start":1796081346,"stop":1796081347},"info":{"size":23068672,"delta":100,"repository":{"size":3000,"delta":1500}}},
 {"label":"20261130-232903F","type":"full","prior":null,"error":false,
  "timestamp":{"start":1796081343,"stop":1796081345},"info":{"size":23068672,"delta":23068672,"repository":{"size":2936012,"delta":2936012}}},
 {"label":"torn","type":"full","error":true,"timestamp":{"start":1,"stop":2},"info":{}}]},
 {"name":"other","status":{"code":2}}]`

func TestBackupsAreReadOldestFirst(t *testing.T) {
	all, err := Parse([]byte(info))
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, Backup{
		Label: "20261130-232903F", Type: "full",
		Started: time.Unix(1796081343, 0).UTC(), Finished: time.Unix(1796081345, 0).UTC(), DatabaseBytes: 23068672, RepositoryBytes: 2936012,
	}, all[0])
	assert.Equal(t, "20261130-232903F", all[1].Needs)

	var out strings.Builder
	require.NoError(t, Write(&out, all))
	assert.Equal(t, `FINISHED             TYPE  DATABASE  IN REPOSITORY  LABEL
`+all[1].Finished.Format(time.DateTime)+`  incr  22.0 MiB  1.5 KiB        20261130-232903F_20261130-232906I
`+all[0].Finished.Format(time.DateTime)+`  full  22.0 MiB  2.8 MiB        20261130-232903F

any moment since `+all[0].Finished.Format(time.DateTime)+` UTC can be restored, as far as the archive has come: slipway backup drill --at TIME
`, out.String())
}

func TestNoBackupsAreSaid(t *testing.T) {
	all, err := Parse([]byte(`[]`))
	require.NoError(t, err)
	require.ErrorIs(t, Write(&strings.Builder{}, all), ErrNone)
	_, err = Parse([]byte(`[{"backup":`))
	require.ErrorContains(t, err, "reading what pgBackRest said")
}

func TestMoments(t *testing.T) {
	now := time.Date(2026, 11, 30, 15, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"":                          "",
		"2026-11-30T14:05:00Z":      "2026-11-30 14:05:00+00",
		"2026-11-30T15:05:00+01:00": "2026-11-30 14:05:00+00",
		"2026-11-30 14:05:00":       "2026-11-30 14:05:00+00",
		"2026-11-30T14:05:00.25Z":   "2026-11-30 14:05:00.25+00",
	} {
		got, err := Moment(text, now)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for text, want := range map[string]error{
		"yesterday":            errors.New("is not a moment such as"),
		"2026-11-30":           errors.New("is not a moment such as"),
		"2026-11-30T15:00:01Z": errors.New("is still to come; it is 2026-11-30 15:00:00 UTC"),
	} {
		_, err := Moment(text, now)
		require.ErrorContains(t, err, want.Error(), text)
	}
}

func TestSizes(t *testing.T) {
	for bytes, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 << 30: "5.0 GiB", 3 << 50: "3072.0 TiB"} {
		assert.Equal(t, want, size(bytes))
	}
}
