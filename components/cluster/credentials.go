package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// user judges how the kubeconfig's user proves who it is. A user of an exec
// plugin is left to that plugin; everything else must be usable as it stands.
func (c *checker) user(entry namedUser) {
	at := fmt.Sprintf("users[%s]", entry.Name)
	if plugin, ok := entry.User["exec"].(map[string]any); ok {
		if command, _ := plugin["command"].(string); command == "" {
			c.fault(at+".exec.command", "is not set, must be the program that obtains credentials")
		}
		return
	}
	faults := len(c.faults)
	certificate := c.inline(at, entry.User, "client-certificate")
	key := c.inline(at, entry.User, "client-key")
	token := c.token(at, entry.User)
	switch {
	case len(c.faults) > faults:
		return // what is missing below follows from a fault reported already
	case certificate != nil && key == nil:
		c.fault(at+".client-key-data", "is not set, but client-certificate-data is")
	case certificate == nil && key != nil:
		c.fault(at+".client-certificate-data", "is not set, but client-key-data is")
	case certificate != nil:
		c.certificate(at, certificate, key)
	case token != "":
		c.bearer(at, token)
	case entry.User["username"] == nil && entry.User["auth-provider"] == nil:
		c.fault(at, "has no credentials: neither client certificate, token, nor exec plugin")
	}
}

func (c *checker) certificate(at string, certificate, key []byte) {
	chain, err := certificates(certificate)
	if err != nil {
		c.fault(at+".client-certificate-data", "%w", err)
		return
	}
	if _, err := tls.X509KeyPair(certificate, key); err != nil {
		c.fault(at+".client-key-data", "does not belong to the client certificate: %w", err)
	}
	c.lifetime(at+".client-certificate-data", chain[0].NotBefore, chain[0].NotAfter)
	c.expires = chain[0].NotAfter
}

// token returns a bearer token, given directly or in a file. A token file
// keeps its path, made absolute: whoever wrote it goes on renewing it.
func (c *checker) token(at string, body map[string]any) string {
	if token, ok := body["token"].(string); ok && token != "" {
		return token
	}
	path, ok := body["tokenFile"].(string)
	if !ok || path == "" {
		return ""
	}
	if !filepath.IsAbs(path) {
		if c.dir == "" {
			c.fault(at+".tokenFile", "%q is relative, which means nothing in a kubeconfig given as content", path)
			return ""
		}
		path = filepath.Join(c.dir, path)
		body["tokenFile"] = path
	}
	content, err := os.ReadFile(path)
	switch token := strings.TrimSpace(string(content)); {
	case err != nil:
		c.fault(at+".tokenFile", "%w", err)
		return ""
	case token == "":
		c.fault(at+".tokenFile", "%s is empty", path)
		return ""
	default:
		return token
	}
}

// bearer looks at the lifetime of a token that carries one. Others are opaque
// and only the API server can judge them.
func (c *checker) bearer(at, token string) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return
	}
	var claims struct {
		Expires   int64 `json:"exp"`
		NotBefore int64 `json:"nbf"`
	}
	if json.Unmarshal(payload, &claims) != nil || claims.Expires == 0 {
		return
	}
	c.lifetime(at+".token", time.Unix(claims.NotBefore, 0), time.Unix(claims.Expires, 0))
}

func (c *checker) lifetime(path string, from, until time.Time) {
	switch {
	case c.at.After(until):
		c.fault(path, "%w on %s; fetch the cluster's kubeconfig again",
			ErrExpired, until.UTC().Format(time.RFC3339))
	case c.at.Before(from):
		c.fault(path, "is valid only from %s on; check this machine's clock", from.UTC().Format(time.RFC3339))
	}
}

// certificates parses a PEM file that must hold certificates and nothing else.
func certificates(content []byte) ([]*x509.Certificate, error) {
	var parsed []*x509.Certificate
	for {
		var block *pem.Block
		if block, content = pem.Decode(content); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a PEM block of type %q, want CERTIFICATE", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("holds a certificate that cannot be read: %w", err)
		}
		parsed = append(parsed, certificate)
	}
	if len(parsed) == 0 {
		return nil, errors.New("holds no PEM certificate")
	}
	return parsed, nil
}
