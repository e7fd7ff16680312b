package lab

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// ensureEncryption makes the configuration by which the API server encrypts
// secrets before they reach etcd. The key is made once: without it no stored
// secret can be read. There is no identity provider in it, so a secret that
// somebody planted in clear is refused rather than served.
func ensureEncryption(file string) error {
	if _, err := os.Stat(file); err == nil {
		return os.Chmod(file, 0o600)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("looking for the encryption key: %w", err)
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("generating the encryption key: %w", err)
	}
	return writeFile(file, encryptionConfig(key), 0o600)
}

func encryptionConfig(key []byte) []byte {
	return fmt.Appendf(nil, `apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources: [secrets]
    providers:
      - secretbox:
          keys:
            - name: lab
              secret: %s
`, base64.StdEncoding.EncodeToString(key))
}
