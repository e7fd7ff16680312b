package platform

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// HasBackend tells whether anybody has said where the stack's state is: the
// environment, the project, or a login. It asks no backend.
func (s *Stack) HasBackend() (bool, error) {
	if s.IsLocal() || os.Getenv("PULUMI_BACKEND_URL") != "" || os.Getenv("PULUMI_ACCESS_TOKEN") != "" {
		return true, nil
	}
	var project struct {
		Backend struct {
			URL string `json:"url"`
		} `json:"backend"`
	}
	raw, err := os.ReadFile(filepath.Join(s.Checkout, "Pulumi.yaml"))
	if err == nil {
		err = yaml.Unmarshal(raw, &project)
	}
	if err != nil {
		return false, fmt.Errorf("reading where the project keeps states: %w", err)
	}
	if project.Backend.URL != "" {
		return true, nil
	}
	logins, err := s.logins()
	if err != nil {
		return false, err
	}
	var login struct {
		Current string `json:"current"`
	}
	raw, err = os.ReadFile(filepath.Join(logins, "credentials.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &login)
	}
	if err != nil {
		return false, fmt.Errorf("reading where `pulumi login` went: %w", err)
	}
	return login.Current != "", nil
}

// logins is the directory in which this stack's pulumi looks for logins.
func (s *Stack) logins() (string, error) {
	// A pulumi that has yet to be built changes nothing about where logins are.
	_, exports, _ := s.pulumi()
	set := map[string]string{}
	for _, pair := range append(os.Environ(), exports...) {
		name, value, _ := strings.Cut(pair, "=")
		set[name] = value
	}
	for _, name := range []string{"PULUMI_CREDENTIALS_PATH", "PULUMI_HOME"} {
		if set[name] != "" {
			return set[name], nil
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("looking for logins: %w", err)
	}
	return filepath.Join(home, ".pulumi"), nil
}
