package platform

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"slipway.dev/slipway/internal/paths"
)

// ErrNoPassphrase is returned for a stack whose secrets nothing opens.
var ErrNoPassphrase = errors.New("the passphrase that opens the stack's secrets is not there")

// Pulumi's variables for a passphrase, of which the first wins.
//
//nolint:gosec // names, not what they hold
const (
	passphraseVariable     = "PULUMI_CONFIG_PASSPHRASE"
	passphraseFileVariable = "PULUMI_CONFIG_PASSPHRASE_FILE"
)

func passphraseFile() string { return filepath.Join(paths.Pulumi(), "passphrase") }

// drawPassphrase makes this machine's passphrase, once. With a second one the
// stacks that are there could be neither read nor updated, and the first error
// about it would be one of decryption.
func (s *Stack) drawPassphrase() error {
	return writeOnce(passphraseFile(), func() ([]byte, error) {
		if encrypted := encryptedHere(); encrypted != "" {
			return nil, fmt.Errorf("preparing stack %s: %w: %s is missing, and %s was encrypted with it. Put the file back from where you keep a copy. "+
				"If there is none, the secrets are lost: slipway lab down --purge drops state and data of this machine's stacks, and make up begins anew",
				s.Name, ErrNoPassphrase, passphraseFile(), encrypted)
		}
		raw := make([]byte, 24)
		if _, err := rand.Read(raw); err != nil {
			return nil, fmt.Errorf("drawing a passphrase: %w", err)
		}
		return []byte(base64.RawURLEncoding.EncodeToString(raw)), nil
	})
}

// encryptedHere names a file of this machine's backend that only the passphrase
// opens, empty for none.
func encryptedHere() string {
	for _, pattern := range []string{"*.salt", filepath.Join(".pulumi", "stacks", "*", "*.json*")} {
		if found, _ := filepath.Glob(filepath.Join(paths.Pulumi(), pattern)); len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// checkPassphrase refuses a stack elsewhere that is encrypted with a passphrase
// when the environment has none.
func (s *Stack) checkPassphrase() error {
	written, err := readStackFile(s.file)
	if err != nil {
		return err
	}
	if _, given := os.LookupEnv(passphraseVariable); given || written.Salt == "" {
		return nil
	}
	const remedy = "set " + passphraseVariable + ", or " + passphraseFileVariable + " to a file that holds it; who made the stack has it"
	file := os.Getenv(passphraseFileVariable)
	if file == "" {
		return fmt.Errorf("preparing stack %s: %w: %s has an encryptionsalt; %s", s.Name, ErrNoPassphrase, s.file, remedy)
	}
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("preparing stack %s: %w: %s=%s: %w; %s", s.Name, ErrNoPassphrase, passphraseFileVariable, file, err, remedy)
	}
	return nil
}
