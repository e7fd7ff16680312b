package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// inside is where a directory of this machine appears during a build. Every
// Debian image has it, empty, so that mounting there leaves nothing behind.
const inside = "/mnt"

// loan is what a build borrows from this machine: how to reach package
// indexes through its proxies, and where downloads are kept. It is environment
// that every step sees. The values are constant, because they become part of
// the base image and so of every cached step; what differs between machines
// lies in the files they name. giveBack removes them from the result.
var loan = map[string]string{
	"APT_CONFIG":          inside + "/apt.conf",
	"CURL_CA_BUNDLE":      inside + "/ca-certificates.crt",
	"DEBIAN_FRONTEND":     "noninteractive",
	"GIT_SSL_CAINFO":      inside + "/ca-certificates.crt",
	"NODE_EXTRA_CA_CERTS": inside + "/ca-certificates.crt",
	"PIP_CACHE_DIR":       inside + "/pip",
	"PIP_CERT":            inside + "/ca-certificates.crt",
	"PIP_CONFIG_FILE":     inside + "/pip.conf",

	"PIP_DISABLE_PIP_VERSION_CHECK": "1",
	"PIP_ROOT_USER_ACTION":          "ignore",

	"REQUESTS_CA_BUNDLE": inside + "/ca-certificates.crt",
	"SSL_CERT_FILE":      inside + "/ca-certificates.crt",
}

// loanEnvironment lists the loan as an image's environment.
func loanEnvironment() []string {
	var env []string
	for _, name := range sortedKeys(loan) {
		env = append(env, name+"="+loan[name])
	}
	return env
}

// giveBack returns an image's environment without the loan. A variable that a
// Dockerfile set to something else is its own and stays.
func giveBack(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(entry string) bool {
		name, value, _ := strings.Cut(entry, "=")
		lent, ok := loan[name]
		return ok && lent == value
	})
}

// loanLimit is how large the downloads kept for one image may grow, in bytes,
// before they are thrown away: old versions of packages add up.
const loanLimit = 1 << 30

// lend fills dir, which a build sees as /mnt. Package downloads of earlier
// builds stay in it, up to loanLimit.
func (b *Builder) lend(ctx context.Context, dir string) error {
	if err := bound(dir, loanLimit); err != nil {
		return err
	}
	// apt makes the rest itself, owned by the user it downloads as.
	for _, sub := range []string{"apt/cache/archives", "apt/lists", "apt/log", "pip"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	sources, err := aptSources(ctx)
	if err != nil {
		return err
	}
	apt, err := aptSettings(ctx)
	if err != nil {
		return err
	}
	authorities, err := b.hostAuthorities(ctx)
	if err != nil {
		return err
	}
	pip, err := pipSettings(os.Environ(), pipFiles())
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"apt.conf":            []byte(aptLoan + apt),
		"sources.list":        sources,
		"ca-certificates.crt": authorities,
		"pip.conf":            pip,
	}
	for _, name := range sortedKeys(files) {
		if err := replaceFile(filepath.Join(dir, name), files[name]); err != nil {
			return err
		}
		// apt's download user reads them too.
		if err := os.Chmod(filepath.Join(dir, name), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// aptLoan moves everything apt keeps between runs out of the image.
const aptLoan = `Dir::Etc::SourceList "` + inside + `/sources.list";
Dir::Cache "` + inside + `/apt/cache";
Dir::Cache::srcpkgcache "";
Dir::State::Lists "` + inside + `/apt/lists";
Dir::Log "` + inside + `/apt/log";
Acquire::https::CAInfo "` + inside + `/ca-certificates.crt";
Binary::apt-get::APT::Keep-Downloaded-Packages "true";
`

// hostAuthorities returns the certificate authorities this machine trusts. A
// company's proxy is often among them, and without it no index answers.
func (b *Builder) hostAuthorities(ctx context.Context) ([]byte, error) {
	for _, path := range []string{os.Getenv("SSL_CERT_FILE"), certificatesPath} {
		if path == "" {
			continue
		}
		bundle, err := os.ReadFile(path)
		if err == nil {
			return bundle, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading this machine's certificate authorities: %w", err)
		}
	}
	return b.authorities(ctx)
}

// pipKeys are the settings of pip that say where packages come from. Others,
// such as paths on this machine, would not work inside.
var pipKeys = []string{
	"index-url", "extra-index-url", "find-links", "no-index", "trusted-host",
	"proxy", "timeout", "default-timeout", "retries",
}

// pipFiles lists pip's configuration files, later ones win.
func pipFiles() []string {
	files := []string{"/etc/pip.conf"}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".pip", "pip.conf"))
	}
	if config, err := os.UserConfigDir(); err == nil {
		files = append(files, filepath.Join(config, "pip", "pip.conf"))
	}
	if own := os.Getenv("PIP_CONFIG_FILE"); own != "" {
		files = append(files, own)
	}
	return files
}

// pipSettings gathers this machine's settings of where packages come from into
// one configuration file: those in files, then PIP_* variables of environ.
func pipSettings(environ, files []string) ([]byte, error) {
	values := map[string]string{}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading pip's settings: %w", err)
		}
		readPipFile(raw, values)
	}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if option, ok := strings.CutPrefix(name, "PIP_"); ok {
			values[strings.ToLower(strings.ReplaceAll(option, "_", "-"))] = value
		}
	}
	var out strings.Builder
	out.WriteString("[global]\n")
	for _, key := range sortedKeys(values) {
		value := strings.Join(remote(key, values[key]), "\n\t")
		if slices.Contains(pipKeys, key) && value != "" {
			fmt.Fprintf(&out, "%s = %s\n", key, value)
		}
	}
	return []byte(out.String()), nil
}

// remote splits a value into its words and drops directories of this machine.
func remote(key, value string) []string {
	words := strings.Fields(value)
	if key != "find-links" {
		return words
	}
	return slices.DeleteFunc(words, func(word string) bool { return !strings.Contains(word, "://") })
}

// readPipFile reads the [global] and [install] sections, the two that decide
// an install; [install] stands later in the usual file and wins, as in pip.
func readPipFile(raw []byte, values map[string]string) {
	section, key := "", ""
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		line := lines.Text()
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case trimmed[0] == '[':
			section, key = strings.Trim(trimmed, "[]"), ""
		case section != "global" && section != "install":
		case key != "" && (line[0] == ' ' || line[0] == '\t'):
			values[key] += " " + trimmed
		default:
			name, value, _ := strings.Cut(trimmed, "=")
			if colon := strings.IndexByte(trimmed, ':'); colon >= 0 && colon < len(name) {
				name, value = trimmed[:colon], trimmed[colon+1:]
			}
			key = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), "_", "-")
			values[key] = strings.TrimSpace(value)
		}
	}
}
