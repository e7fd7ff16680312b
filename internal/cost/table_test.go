package cost

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/policies/rule"
)

// small is a whole table with one price of each group.
const small = `currency: USD
region: eu-central-1
hours: 730
sources:
  file: {repository: some/where, path: a/list.json, commit: 0123456789abcdef0123456789abcdef01234567, stated: 2026-08, read: 2026-11-29}
  page: {title: A list, page: "https://example.org/list", read: 2026-11-30}
  used: {title: A bill, page: "https://example.org/bill", stated: 2025, read: 2026-11-30}
prices:
  cluster: {usd: 0.10, per: hour, sources: [file, page]}
  nat-gateway: {usd: 0.052, per: hour, sources: [file]}
  public-address: {usd: 0.005, per: hour, sources: [file]}
  endpoint: {usd: 0.012, per: hour, sources: [file]}
  network-balancer: {usd: 0.027, per: hour, sources: [file]}
  key: {usd: 1.00, per: month, sources: [page], caution: of another region}
  zone: {usd: 0.50, per: month, sources: [file]}
  gp3-gib: {usd: 0.0952, per: month, sources: [file]}
  gp3-iops: {usd: 0.006, per: month, sources: [file], caution: an old one}
  gp3-mib-per-second: {usd: 0.0476, per: month, sources: [file]}
machines:
  t3.large: {usd: 0.096, per: hour, sources: [file]}
usage:
  aws:s3/bucketV2:BucketV2: {what: storage, usd: 0.0245, per: GB a month, sources: [used], caution: of a bill}
free:
  - aws:iam/role:Role
`

func load(t *testing.T, content string) (*Table, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prices.yaml")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	loaded, err := Load(path)
	return loaded, path, err
}

func TestATableThatCannotBeReadSaysWhere(t *testing.T) {
	_, _, err := load(t, small)
	require.NoError(t, err)
	const commit = "commit: 0123456789abcdef0123456789abcdef01234567"
	for name, test := range map[string]struct {
		old, new, want string
		line           string
	}{
		"no YAML":             {"currency: USD", "currency: [USD", "did not find expected ',' or ']'", "1"},
		"no text":             {"hours: 730", "hours: 7\xff30", "this is not text; a table of prices is YAML", "3"},
		"a byte of nothing":   {"region: eu", "region: \x00eu", "this is not text", "2"},
		"an unknown key":      {"hours: 730", "hours: 730\nminutes: 60", "field minutes not found", "4"},
		"a key in a price":    {"{usd: 0.50, per: month, sources: [file]}", "{usd: 0.50, per: month, source: file}", "field source not found", "15"},
		"a key in a source":   {"title: A list", "name: A list", "field name not found", "6"},
		"twice":               {"  zone:", "  key:", `mapping key "key" already defined`, "15"},
		"no number":           {"usd: 0.10", "usd: cheap", `usd is "cheap", must be a number`, "9"},
		"no list":             {"sources: [page]", "sources: page", `sources is "page", must be a list`, "14"},
		"no price":            {"zone: {usd: 0.50, per: month, sources: [file]}", "zone: 0.50", `"0.50" is not keys with values`, "15"},
		"a key twice":         {"{usd: 0.10,", "{usd: 0.10, usd: 0.20,", "usd stands there twice", "9"},
		"free of charge":      {"usd: 0.10", "usd: 0", "prices.cluster.usd is 0, must be above 0", "9"},
		"not a number":        {"usd: 0.10", "usd: .nan", "prices.cluster.usd is NaN, must be above 0", "9"},
		"no end":              {"usd: 0.10", "usd: .inf", "prices.cluster.usd is +Inf, must be above 0", "9"},
		"a unit":              {"0.10, per: hour", "0.10, per: day", `prices.cluster.per is "day", must be hour or month`, "9"},
		"what for nothing":    {"{usd: 0.096", "{what: machine, usd: 0.096", "machines.t3.large.what has no effect", "20"},
		"used without a name": {"what: storage, ", "", "usage.aws:s3/bucketV2:BucketV2 must have what and per", "22"},
		"read nowhere":        {"0.50, per: month, sources: [file]", "0.50, per: month", "prices.zone.sources is missing: where was the figure read?", "15"},
		"a source":            {"sources: [file, page]", "sources: [file, hearsay]", `prices.cluster.sources has "hearsay", which is not among sources`, "9"},
		"a source of nothing": {"  page: {title", "  more: {title: More, page: \"https://example.org/more\", read: 2026-11-30}\n  page: {title", "sources.more is where no price was read", "6"},
		"no place":            {"repository: some/where, path: a/list.json, " + commit + ", ", "", "sources.file must have either repository, path and commit, or title and page", "5"},
		"two places":          {"{repository: some/where", "{title: A list, repository: some/where", "sources.file must have either", "5"},
		"a repository":        {"some/where", "somewhere", `sources.file.repository is "somewhere", must be owner/name`, "5"},
		"a path":              {"path: a/list.json, ", "", "sources.file.path is missing", "5"},
		"a branch":            {commit, "commit: main", `sources.file.commit is "main", must be the 40 hexadecimal digits`, "5"},
		"a title":             {"title: A list, ", "", "sources.page.title is missing", "6"},
		"an address":          {"https://example.org/list", "example.org/list", `sources.page.page is "example.org/list", must be an address`, "6"},
		"a day of reading":    {"read: 2026-11-30", "read: lately", `sources.page.read is "lately", must be a date`, "6"},
		"no day of reading":   {`, read: 2026-11-30`, "", `sources.page.read is "", must be a date`, "6"},
		"a date of figures":   {"stated: 2026-08", "stated: summer", `sources.file.stated is "summer", must be a date`, "5"},
		"figures from later":  {"stated: 2026-08", "stated: 2026-12", "sources.file.stated is 2026-12, after it was read on 2026-11-29", "5"},
		"a price":             {"  zone: {usd: 0.50, per: month, sources: [file]}\n", "", "prices.zone is missing", "1"},
		"a long month":        {"hours: 730", "hours: 7300", "hours is 7300", "1"},
		"a month of nothing":  {"hours: 730", "hours: .nan", "hours is NaN", "1"},
		"other money":         {"currency: USD", "currency: EUR", `currency is "EUR"`, "1"},
		"nowhere":             {"region: eu-central-1", "region: ''", "region is missing", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			require.True(t, strings.Contains(small, test.old), test.old)
			_, path, err := load(t, strings.Replace(small, test.old, test.new, 1))
			require.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, path+":"+test.line+": ")
		})
	}
	_, path, err := load(t, "")
	require.ErrorContains(t, err, path+`:1: currency is "", must be USD`)
	_, err = Load(filepath.Join(t.TempDir(), "none.yaml"))
	assert.ErrorContains(t, err, "none.yaml: no such file")
	_, err = Load(t.TempDir())
	assert.ErrorContains(t, err, "reading the table of prices: read "+os.TempDir())
}

// Beside each price stands where it was read and whether to be careful, and below
// the table what that means; of what was not used nothing is said.
func TestPricesAreShownWithWhatStandsBehindThem(t *testing.T) {
	loaded, _, err := load(t, small)
	require.NoError(t, err)
	resources := []*rule.Resource{
		resource(t, "aws:eks/cluster:Cluster", "c", nil), resource(t, "aws:kms/key:Key", "k", nil), resource(t, "aws:s3/bucketV2:BucketV2", "b", nil),
	}
	page := func() string {
		e, err := loaded.Estimate(resources)
		require.NoError(t, err)
		var page strings.Builder
		require.NoError(t, e.Write(&page, "test"))
		return page.String()
	}
	one := page()
	for _, want := range []string{
		" 0.1/hour    [1,2]  Cluster c: control plane\n", " 1/month     [2]b  Key k: key\n", "storage, 0.0245 a GB a month [3]a\n",
		`
To be taken with care:
  a: of a bill
  b: of another region

Read in public copies of AWS's list prices; look at AWS's own pages before relying on one:
  [1] some/where, a/list.json at 0123456789ab: figures of 2026-08, read 2026-11-29
  [2] A list, https://example.org/list: figures without a date, read 2026-11-30
  [3] A bill, https://example.org/bill: figures of 2025, read 2026-11-30
`,
	} {
		assert.Contains(t, one, want)
	}
	assert.NotContains(t, one, "an old one", "nothing is counted that it speaks of")
	resources = append(resources, resource(t, "aws:ebs/volume:Volume", "v", map[string]any{"type": "gp3", "size": 10, "iops": 4000}))
	two := page()
	for _, want := range []string{" [1]a  Volume v: volume, IOPS above 3000\n", " [2]c  Key k: key\n", "  a: an old one\n  b: of a bill\n  c: of another region\n"} {
		assert.Contains(t, two, want)
	}
	resources = nil
	assert.NotContains(t, page(), "Read in", "without a price there is nothing to have read")
}
