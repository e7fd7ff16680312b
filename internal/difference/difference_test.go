package difference

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/checkpoint"
)

func state(t testing.TB, resources ...string) *checkpoint.State {
	t.Helper()
	s, err := checkpoint.Parse(fmt.Appendf(nil, `{"version":3,"checkpoint":{"latest":{"resources":[%s]}}}`, strings.Join(resources, ",")))
	require.NoError(t, err)
	return s
}

func resource(kind, name, id, inputs string, more ...string) string {
	return fmt.Sprintf(`{"urn":"urn:pulumi:t::p::%s::%s","type":%q,"custom":true,"id":%q,"inputs":%s%s}`,
		kind, name, kind, id, inputs, strings.Join(append([]string{""}, more...), ","))
}

func secret(cipher string) string {
	return fmt.Sprintf(`{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":%q}`, cipher)
}

const pod, password = "kubernetes:core/v1:Pod", "random:index/randomPassword:RandomPassword"

func TestCompare(t *testing.T) {
	alias := `"aliases":["urn:pulumi:t::p::` + pod + `::old"]`
	for name, tc := range map[string]struct {
		before, after []string
		want          []Resource
	}{
		"same": {[]string{resource(pod, "a", "1", `{"x":1}`)}, []string{resource(pod, "a", "1", `{"x":1}`)}, nil},
		"added and removed": {[]string{resource(pod, "a", "1", `{}`)}, []string{resource(pod, "b", "2", `{}`)},
			[]Resource{{Name: "b", Change: Added}, {Name: "a", Change: Removed}}},
		"changed": {[]string{resource(pod, "a", "1", `{"spec":{"n":1,"l":[1,2],"gone":true}}`)}, []string{resource(pod, "a", "1", `{"spec":{"n":2,"l":[1,3],"a/b":"x"}}`)},
			[]Resource{{Name: "a", Change: Changed, Properties: []Property{
				{"spec.gone", "true", ""}, {"spec.l[1]", "2", "3"}, {"spec.n", "1", "2"}, {`spec["a/b"]`, "", `"x"`}}}}},
		"replaced": {[]string{resource(password, "p", "1", `{}`)}, []string{resource(password, "p", "2", `{}`)},
			[]Resource{{Name: "p", Change: Replaced, Holds: "a password that data may be locked with"}}},
		"renamed by an alias": {[]string{resource(pod, "old", "none", `{}`)}, []string{resource(pod, "new", "none", `{}`, alias)},
			[]Resource{{Name: "new", Change: Renamed, Was: "urn:pulumi:t::p::" + pod + "::old"}}},
		"renamed back": {[]string{resource(pod, "new", "none", `{}`, alias)}, []string{resource(pod, "old", "none", `{}`)},
			[]Resource{{Name: "old", Change: Renamed, Was: "urn:pulumi:t::p::" + pod + "::new"}}},
		"renamed, told by its identity": {[]string{resource(pod, "old", "web/x", `{}`)}, []string{resource(pod, "new", "web/x", `{}`)},
			[]Resource{{Name: "new", Change: Renamed, Was: "urn:pulumi:t::p::" + pod + "::old"}}},
		"no identity": {[]string{resource(pod, "old", "none", `{}`)}, []string{resource(pod, "new", "none", `{}`)},
			[]Resource{{Name: "new", Change: Added}, {Name: "old", Change: Removed}}},
		"secret changed": {[]string{resource(pod, "a", "1", `{"s":`+secret("v1:a")+`}`)}, []string{resource(pod, "a", "1", `{"s":`+secret("v1:b")+`}`)},
			[]Resource{{Name: "a", Change: Changed, Properties: []Property{{"s", checkpoint.Masked, checkpoint.Masked}}}}},
		"no secret any more": {[]string{resource(pod, "a", "1", `{"s":`+secret("v1:a")+`}`)}, []string{resource(pod, "a", "1", `{"s":"plain"}`)},
			[]Resource{{Name: "a", Change: Changed, Properties: []Property{{"s", checkpoint.Masked, `"plain"`}}}}},
		"secret same":              {[]string{resource(pod, "a", "1", `{"s":`+secret("v1:a")+`}`)}, []string{resource(pod, "a", "1", `{"s":`+secret("v1:a")+`}`)}, nil},
		"waiting for its deletion": {[]string{resource(pod, "a", "1", `{}`)}, []string{resource(pod, "a", "2", `{}`, `"delete":true`), resource(pod, "a", "1", `{}`)}, nil},
		"protection": {[]string{resource(pod, "a", "1", `{}`, `"protect":true`)}, []string{resource(pod, "a", "1", `{}`)},
			[]Resource{{Name: "a", Change: Changed, Properties: []Property{{"(protect)", "true", "false"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := Compare(state(t, tc.before...), state(t, tc.after...))
			for i := range got {
				require.NotEmpty(t, got[i].URN)
				got[i].URN, got[i].Type = "", ""
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	nested := `{"data":[{"deep":` + secret("v1:CIPHER") + `}],"s":` + secret("v1:CIPHER") + `}`
	got := Compare(state(t, resource(pod, "a", "1", `{"data":1}`)), state(t, resource(pod, "a", "1", nested)))
	var text bytes.Buffer
	Write(&text, got)
	raw, err := json.Marshal(got)
	require.NoError(t, err)
	require.Contains(t, text.String(), checkpoint.Masked)
	require.NotContains(t, text.String()+string(raw), "CIPHER")
}

func BenchmarkCompare(b *testing.B) {
	var before, after []string
	for i := range 1000 {
		inputs := fmt.Sprintf(`{"spec":{"n":%d,"list":[1,2,3],"map":{"a":"b"}}}`, i)
		before = append(before, resource(pod, fmt.Sprintf("a%d", i), fmt.Sprint(i), inputs))
		after = append(after, resource(pod, fmt.Sprintf("b%d", i), fmt.Sprint(i), inputs))
	}
	old, current := state(b, before...), state(b, after...)
	for b.Loop() {
		if got := Compare(old, current); len(got) != 1000 || got[0].Change != Renamed {
			b.Fatal(len(got))
		}
	}
}
