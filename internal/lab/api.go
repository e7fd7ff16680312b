package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// apiClient speaks to the lab's API server as the lab itself. It knows the few
// calls the lab makes, so that the CLI needs no Kubernetes client library.
type apiClient struct {
	base string
	http *http.Client
}

// apiError is an answer other than 2xx.
type apiError struct {
	Code    int
	Method  string
	Path    string
	Message string
}

func (e *apiError) Error() string {
	return fmt.Sprintf("%s %s: the API server answers %d: %s", e.Method, e.Path, e.Code, e.Message)
}

func isNotFound(err error) bool {
	var api *apiError
	return errors.As(err, &api) && api.Code == http.StatusNotFound
}

// api returns the client, made once the certificates exist.
func (l *Lab) api() (*apiClient, error) {
	l.clientMu.Lock()
	defer l.clientMu.Unlock()
	if l.client != nil {
		return l.client, nil
	}
	pair, err := tls.LoadX509KeyPair(l.pki("lab.crt"), l.pki("lab.key"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: run `slipway lab up`", ErrNoLab)
	} else if err != nil {
		return nil, fmt.Errorf("loading the lab's certificate: %w", err)
	}
	pool, err := l.trust()
	if err != nil {
		return nil, err
	}
	l.client = &apiClient{base: serverURL(), http: &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 8,
		ForceAttemptHTTP2:   true,
	}}}
	return l.client, nil
}

func (c *apiClient) get(ctx context.Context, path string, into any) error {
	return c.do(ctx, http.MethodGet, path, "", nil, into)
}

// do sends one request. A nil into ignores the answer's body.
func (c *apiClient) do(ctx context.Context, method, path, contentType string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	request.Header.Set("Accept", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s %s: reading the answer: %w", method, path, err)
	}
	if response.StatusCode/100 != 2 {
		var status struct{ Message string }
		message := strings.TrimSpace(string(answer))
		if json.Unmarshal(answer, &status) == nil && status.Message != "" {
			message = status.Message
		}
		return &apiError{response.StatusCode, method, path, message}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: parsing the answer: %w", method, path, err)
	}
	return nil
}

// apply makes the object what the manifest says, by server-side apply.
func (c *apiClient) apply(ctx context.Context, o object) error {
	path, err := o.path()
	if err != nil {
		return err
	}
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", o, err)
	}
	err = c.do(ctx, http.MethodPatch, path+"?fieldManager=slipway-lab&force=true", "application/apply-patch+yaml", body, nil)
	if err != nil {
		return fmt.Errorf("applying %s: %w", o, err)
	}
	return nil
}

func (c *apiClient) exists(ctx context.Context, o object) (bool, error) {
	path, err := o.path()
	if err != nil {
		return false, err
	}
	err = c.get(ctx, path, nil)
	if isNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

func (c *apiClient) merge(ctx context.Context, path string, patch any) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return fmt.Errorf("encoding a change of %s: %w", path, err)
	}
	return c.do(ctx, http.MethodPatch, path, "application/merge-patch+json", body, nil)
}

// object is one Kubernetes object as data.
type object map[string]any

func (o object) String() string {
	if ns := o.namespace(); ns != "" {
		return fmt.Sprintf("%s %s/%s", o["kind"], ns, o.name())
	}
	return fmt.Sprintf("%s %s", o["kind"], o.name())
}

func (o object) metadata(field string) string {
	metadata, _ := o["metadata"].(map[string]any)
	value, _ := metadata[field].(string)
	return value
}

func (o object) name() string      { return o.metadata("name") }
func (o object) namespace() string { return o.metadata("namespace") }

// plurals are the kinds that lab manifests may hold. Lower case plus s is
// right for all but the ones listed with a value.
var plurals = map[string]string{
	"Namespace": "", "ServiceAccount": "", "ConfigMap": "", "Secret": "", "Service": "", "Deployment": "",
	"ClusterRole": "", "ClusterRoleBinding": "", "Role": "", "RoleBinding": "", "APIService": "",
	"PodDisruptionBudget": "", "NetworkPolicy": "networkpolicies", "PriorityClass": "priorityclasses",
}

func (o object) path() (string, error) {
	kind, _ := o["kind"].(string)
	version, _ := o["apiVersion"].(string)
	plural, known := plurals[kind]
	if !known || version == "" || o.name() == "" {
		return "", fmt.Errorf("manifest %s of version %q is of no kind the lab applies", o, version)
	}
	if plural == "" {
		plural = strings.ToLower(kind) + "s"
	}
	prefix := "/apis/" + version
	if !strings.Contains(version, "/") {
		prefix = "/api/" + version
	}
	if ns := o.namespace(); ns != "" {
		prefix += "/namespaces/" + ns
	}
	return prefix + "/" + plural + "/" + o.name(), nil
}
