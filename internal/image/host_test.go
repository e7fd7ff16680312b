package image

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPipSettings(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"first.conf": "[global]\nindex-url = https://one.sample.test/simple\ncert = /etc/host.crt\ntimeout: 20\n" +
			"# comment\n[list]\nformat = columns\nindex-url = https://not-for-install.sample.test\n",
		"second.conf": "[install]\nindex_url = https://two.sample.test/simple\n" +
			"trusted-host =\n    a.sample.test\n    b.sample.test\nfind-links = /opt/wheels https://files.sample.test/\n",
	})
	files := []string{filepath.Join(dir, "absent"), filepath.Join(dir, "first.conf"), filepath.Join(dir, "second.conf")}
	for name, test := range map[string]struct {
		environ []string
		want    string
	}{
		"files": {nil, "[global]\nfind-links = https://files.sample.test/\nindex-url = https://two.sample.test/simple\n" +
			"timeout = 20\ntrusted-host = a.sample.test\n\tb.sample.test\n"},
		"variables win": {
			[]string{"PIP_INDEX_URL=https://three.sample.test", "PIP_FIND_LINKS=/opt", "PIP_CERT=/x", "HOME=/root", "PIP_TIMEOUT="},
			"[global]\nindex-url = https://three.sample.test\ntrusted-host = a.sample.test\n\tb.sample.test\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := pipSettings(test.environ, files)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoanIsGivenBack(t *testing.T) {
	env := append([]string{"PATH=/bin", "PIP_CERT=/own.crt", "LANG=C"}, loanEnvironment()...)
	got := giveBack(env)
	if want := []string{"PATH=/bin", "PIP_CERT=/own.crt", "LANG=C"}; !slices.Equal(got, want) {
		t.Errorf("environment is %v, want %v", got, want)
	}
}

func TestAptSourcesFollowTheMachine(t *testing.T) {
	const mirror, security = "http://mirror.sample.test/debian/", "http://mirror.sample.test/security/"
	indexes := func(release string) []aptIndex {
		return []aptIndex{
			{mirror, release, "main", "Debian"},
			{mirror, release, "main", "Debian"},
			{mirror, release, "contrib", "Debian"},
			{mirror, release + "-backports", "main", "Debian"},
			{security, release + "-security", "main", "Debian"},
			{"https://third.sample.test/", release, "main", "Third"},
			{mirror, "sid", "main", "Debian"},
		}
	}
	want := "deb " + mirror + " bookworm main\ndeb " + security + " bookworm-security main\n"
	for _, release := range []string{"bookworm", "trixie"} {
		got, err := sourceLines(indexes(release), release)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %q, %v; want %q", release, got, err, want)
		}
	}
	for name, test := range map[string]struct {
		indexes []aptIndex
		host    string
		want    string
	}{
		"no mirror":    {nil, "bookworm", "lists none"},
		"no release":   {indexes("bookworm"), "", "lists none"},
		"other system": {[]aptIndex{{"http://archive.sample.test/", "noble", "main", "Ubuntu"}}, "noble", "lists none"},
		"password":     {[]aptIndex{{"http://me:secret@mirror.sample.test/", "bookworm", "main", "Debian"}}, "bookworm", "auth.conf.d"},
	} {
		_, err := sourceLines(test.indexes, test.host)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error is %v, want one that says %q and no secret", name, err, test.want)
		}
	}
}
