package source

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Migrating is the file of a checkout that lists what migrates its service's
// database: files and directories below its own directory, one a line; # begins a
// comment. It belongs to the checkout, because whoever builds the image of an
// older commit has to name it as that commit's program does.
const Migrating = "app/migrating.txt"

// Migrations is the tag of the image that migrates the service's database. It
// stays when a release changes neither a migration nor what runs them. The rest
// of such an image is that of the release it was first made for, and is not run.
//
// Checkouts without the list have no such image: os.ErrNotExist.
func Migrations(checkout string) (string, error) {
	list := filepath.Join(checkout, filepath.FromSlash(Migrating))
	raw, err := os.ReadFile(list)
	if err != nil {
		return "", fmt.Errorf("reading what migrates the database: %w", err)
	}
	names := []string{filepath.Base(list)}
	for line := range strings.Lines(string(raw)) {
		name, _, _ := strings.Cut(line, "#")
		if name = strings.TrimSpace(name); name != "" {
			names = append(names, name)
		}
	}
	return Part(filepath.Dir(list), names...)
}
