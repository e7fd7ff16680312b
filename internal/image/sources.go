package image

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
)

// suite is the Debian release the Dockerfiles are written for.
const suite = "bookworm"

// aptSources returns one-line apt sources for suite, from the Debian mirrors
// this machine itself installs from, so that a machine behind a mirror of its
// own needs no further setting. Third parties' repositories are left out.
func aptSources(ctx context.Context) ([]byte, error) {
	indexes, err := aptIndexes(ctx)
	if err != nil {
		return nil, err
	}
	if len(indexes) == 0 {
		// A machine that never ran apt-get update lists none.
		if _, err := output(ctx, "", "apt-get", "-q", "update"); err != nil {
			return nil, fmt.Errorf("reading this machine's package lists: %w", err)
		}
		if indexes, err = aptIndexes(ctx); err != nil {
			return nil, err
		}
	}
	return sourceLines(indexes, hostCodename())
}

// aptIndex is one list of packages that apt has.
type aptIndex struct{ uri, codename, component, origin string }

func aptIndexes(ctx context.Context) ([]aptIndex, error) {
	out, err := output(ctx, "", "apt-get", "indextargets",
		"--format", "$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(ORIGIN)", "Created-By: Packages")
	if err != nil {
		return nil, fmt.Errorf("asking apt for this machine's mirrors: %w", err)
	}
	var indexes []aptIndex
	for _, line := range strings.Fields(string(out)) {
		if field := strings.Split(line, "|"); len(field) == 4 {
			indexes = append(indexes, aptIndex{field[0], field[1], field[2], field[3]})
		}
	}
	return indexes, nil
}

// sourceLines turns the lists of a machine of release host into sources for
// suite: bookworm-security for trixie-security, and so on. No line means that
// the machine knows no Debian mirror.
func sourceLines(indexes []aptIndex, host string) ([]byte, error) {
	var lines []string
	for _, index := range indexes {
		rest, ofHost := strings.CutPrefix(index.codename, host)
		if index.origin != "Debian" || index.component != "main" || host == "" || !ofHost {
			continue
		}
		if rest != "" && rest != "-updates" && rest != "-security" {
			continue
		}
		if u, err := url.Parse(index.uri); err != nil || u.User != nil {
			return nil, fmt.Errorf("reading apt's sources: the address of %s holds a password or is malformed: "+
				"put credentials into /etc/apt/auth.conf.d, they must not reach an image", index.codename)
		}
		line := "deb " + index.uri + " " + suite + rest + " main"
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("looking for a Debian mirror: apt on this machine lists none for %q; "+
			"images are made from Debian %s packages, so add one to /etc/apt/sources.list.d and run apt-get update", host, suite)
	}
	return []byte(strings.Join(lines, "\n") + "\n"), nil
}

// hostCodename is the release this machine runs, empty when it does not say.
func hostCodename() string {
	raw, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return ""
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "VERSION_CODENAME="); ok {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}

// carried are the settings of this machine's apt that decide whether it can
// reach its mirror. Everything else is the image's own business.
var carried = []string{
	"Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-Date",
	"Acquire::Check-Valid-Until", "Acquire::Retries",
}

// aptSettings returns those settings of this machine, in apt's own syntax.
func aptSettings(ctx context.Context) (string, error) {
	out, err := output(ctx, "", "apt-config", "dump")
	if err != nil {
		return "", fmt.Errorf("reading this machine's apt settings: %w", err)
	}
	var kept strings.Builder
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(line, " ")
		if slices.ContainsFunc(carried, func(c string) bool {
			return name == c || strings.HasPrefix(name, c+"::")
		}) {
			kept.WriteString(line)
		}
	}
	return kept.String(), nil
}
