package proposal

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/guard"
)

const (
	statefulSet = "kubernetes:apps/v1:StatefulSet"
	namespace   = "kubernetes:core/v1:Namespace"
	deployment  = "kubernetes:apps/v1:Deployment"
)

func urn(kind, name string) string { return "urn:pulumi:test::shop::" + kind + "::" + name }

// pre and done are events of one step.
func pre(op, kind, name string, more ...string) string {
	return event("resourcePreEvent", op, kind, name, more...)
}

func done(op, kind, name string, more ...string) string {
	return event("resOutputsEvent", op, kind, name, more...)
}

func event(which, op, kind, name string, more ...string) string {
	return fmt.Sprintf(`{%q:{"metadata":{"op":%q,"urn":%q,"type":%q%s}}}`, which, op, urn(kind, name), kind, strings.Join(append([]string{""}, more...), ","))
}

const summary = `{"summaryEvent":{"resourceChanges":{"update":1}}}`

func read(t *testing.T, events ...string) *Proposal {
	t.Helper()
	p, err := Read(strings.NewReader(strings.Join(append(events, summary), "\n")))
	require.NoError(t, err)
	return p
}

func TestPartsOfAReplacementAreOneStep(t *testing.T) {
	p := read(t,
		pre("same", deployment, "api"), done("same", deployment, "api"),
		pre("create-replacement", statefulSet, "db", `"keys":["spec.serviceName"]`), done("create-replacement", statefulSet, "db"),
		pre("replace", statefulSet, "db"), pre("delete-replaced", statefulSet, "db"),
		pre("update", deployment, "web"),
	)
	require.Len(t, p.Steps, 3)
	require.Equal(t, "replace", p.Steps[1].Operation)
	require.Equal(t, []string{"spec.serviceName"}, p.Steps[1].Keys)
	require.Len(t, p.Changes(), 2)
}

// What a refresh does not find is missing; the preview of an update that
// refreshes first then creates it, and deletes nothing.
func TestWhatIsMissingIsNotDeleted(t *testing.T) {
	p := read(t, pre("refresh", statefulSet, "db"), done("delete", statefulSet, "db"))
	require.Equal(t, Missing, p.Steps[0].Operation)
	p = read(t, pre("refresh", statefulSet, "db"), done("delete", statefulSet, "db"), pre("create", statefulSet, "db"))
	require.Equal(t, "create", p.Steps[0].Operation)
	require.Empty(t, p.Losses(guard.New([]guard.Resource{{URN: urn(statefulSet, "db"), Type: statefulSet, Custom: true}})))
}

func TestLossesInEveryForm(t *testing.T) {
	in := func(space string) map[string]any {
		return map[string]any{"metadata": map[string]any{"namespace": space, "name": space}}
	}
	existing := guard.New([]guard.Resource{
		{URN: urn(statefulSet, "db"), Type: statefulSet, Custom: true, Inputs: in("data")},
		{URN: urn(namespace, "data"), Type: namespace, Custom: true, Inputs: in("data")},
		{URN: urn(namespace, "web"), Type: namespace, Custom: true, Inputs: in("web")},
		{URN: urn(deployment, "api"), Type: deployment, Custom: true, Inputs: in("web")},
		{URN: urn(deployment, "kept"), Type: deployment, Custom: true, Protect: true},
		{URN: urn("aws:rds/instance:Instance", "rds"), Type: "aws:rds/instance:Instance", Custom: true},
		{URN: urn("slipway:postgres:Cluster", "c"), Type: "slipway:postgres:Cluster", Protect: true},
	})
	for name, tc := range map[string]struct {
		events []string
		want   []string
	}{
		"updated in place":                 {[]string{pre("update", statefulSet, "db")}, nil},
		"stateless goes":                   {[]string{pre("delete", deployment, "api"), pre("replace", deployment, "api")}, nil},
		"its empty namespace goes":         {[]string{pre("delete", namespace, "web")}, nil},
		"removed":                          {[]string{pre("delete", statefulSet, "db")}, []string{"db"}},
		"another namespace":                {[]string{pre("create-replacement", statefulSet, "db", `"keys":["metadata.namespace"]`)}, []string{"db"}},
		"renamed token":                    {[]string{pre("create", statefulSet, "new$db"), pre("delete", statefulSet, "db")}, []string{"db"}},
		"the namespace around it":          {[]string{pre("delete", namespace, "data")}, []string{"data"}},
		"renamed and replaced":             {[]string{pre("replace", statefulSet, "other", `"old":{"urn":"`+urn(statefulSet, "db")+`"}`)}, []string{"db"}},
		"protected":                        {[]string{pre("delete", deployment, "kept")}, []string{"kept"}},
		"a component is nothing by itself": {[]string{pre("delete", "slipway:postgres:Cluster", "c")}, nil},
		"in the cloud":                     {[]string{pre("replace", "aws:rds/instance:Instance", "rds")}, []string{"rds"}},
		"discarded from the state":         {[]string{pre("discard", statefulSet, "db")}, []string{"db"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, l := range read(t, tc.events...).Losses(existing) {
				require.NotEmpty(t, l.Holds)
				got = append(got, l.URN[strings.LastIndex(l.URN, ":")+1:])
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestMovesOfAProvider(t *testing.T) {
	const provider = "pulumi:providers:aws"
	states := func(before, after string) string {
		return fmt.Sprintf(`"old":{"inputs":{%s}},"new":{"inputs":{%s}}`, before, after)
	}
	for name, tc := range map[string]struct {
		event string
		want  []string
	}{
		"the same":        {pre("same", provider, "aws", states(`"region":"eu-central-1","allowedAccountIds":"[\"1\"]"`, `"region":"eu-central-1","allowedAccountIds":"[\"1\"]"`)), nil},
		"other tags":      {pre("update", provider, "aws", states(`"region":"eu-central-1","defaultTags":"a"`, `"region":"eu-central-1","defaultTags":"b"`)), nil},
		"another region":  {pre("replace", provider, "aws", states(`"region":"eu-central-1"`, `"region":"eu-west-1"`)), []string{"aws.region eu-central-1 eu-west-1"}},
		"another account": {pre("update", provider, "aws", states(`"allowedAccountIds":"[\"1\"]"`, `"allowedAccountIds":["2"]`)), []string{"aws.account 1 2"}},
		"made anew":       {pre("create", provider, "aws", `"new":{"inputs":{"region":"eu-west-1"}}`), nil},
		"said nothing":    {pre("update", provider, "aws", states(``, `"region":"eu-west-1"`)), nil},
		"another package": {pre("update", "pulumi:providers:kubernetes", "k", states(`"region":"a"`, `"region":"b"`)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, m := range read(t, tc.event).Moves() {
				require.Equal(t, urn(provider, "aws"), m.URN)
				got = append(got, m.Setting+" "+m.From+" "+m.To)
			}
			require.Equal(t, tc.want, got)
		})
	}
}

func TestAnEndlessLogIsNoProposal(t *testing.T) {
	_, err := Read(strings.NewReader(pre("same", deployment, "api")))
	require.ErrorIs(t, err, ErrIncomplete)
	_, err = Read(strings.NewReader(pre("same", deployment, "api") + "\n" + summary + "\n{\"resou"))
	require.ErrorIs(t, err, ErrIncomplete)
	_, err = Read(strings.NewReader(""))
	require.ErrorIs(t, err, ErrIncomplete)
}

func TestProblemsAndFindings(t *testing.T) {
	p := read(t,
		`{"diagnosticEvent":{"severity":"error","urn":"u","message":"no\n"}}`, `{"diagnosticEvent":{"severity":"warning","message":"hm"}}`,
		`{"policyEvent":{"policyName":"p","enforcementLevel":"mandatory","message":"must not"}}`,
		`{"policyEvent":{"policyName":"q","enforcementLevel":"advisory","message":"better not"}}`)
	require.Equal(t, []Problem{{URN: "u", Message: "no"}}, p.Problems)
	require.Len(t, p.Findings, 2)
	require.Len(t, p.Mandatory(), 1)
}

func TestHash(t *testing.T) {
	plan := func(time, length, cipher, seed string) []byte {
		return fmt.Appendf(nil, `{"manifest":{"time":%q},"config":{"shop:key":{"secure":%q},"shop:length":%q},
 "resourcePlans":{"u":{"goal":{"inputDiff":{"adds":{"k":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270","ciphertext":%q}}}},"steps":["create"],"seed":%q}}}`,
			time, cipher, length, cipher, seed)
	}
	first, err := Hash(plan("1", "8", "v1:a", "s"))
	require.NoError(t, err)
	again, err := Hash(plan("2", "8", "v1:b", "t"))
	require.NoError(t, err)
	require.Equal(t, first, again)
	other, err := Hash(plan("1", "9", "v1:a", "s"))
	require.NoError(t, err)
	require.NotEqual(t, first, other)
	for _, text := range []string{"", "{}", "[]", "{"} {
		_, err := Hash([]byte(text))
		require.Error(t, err, text)
	}
	require.True(t, json.Valid(plan("", "", "", "")))
}
