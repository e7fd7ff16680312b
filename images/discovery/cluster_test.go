package main

import (
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	pods = `{"items": [
{"metadata": {"name": "a"}, "spec": {"nodeName": "n1", "containers": [{"ports": [{"name": "web", "containerPort": 80}, {"name": "metrics", "containerPort": 9000}]}]}, "status": {"phase": "Running", "podIP": "10.0.0.1"}},
{"metadata": {"name": "b"}, "spec": {"nodeName": "n2", "containers": [{"ports": [{"name": "metrics", "containerPort": 9000}]}]}, "status": {"phase": "Running", "podIP": "fd00::2"}},
{"metadata": {"name": "other-port"}, "spec": {"containers": [{"ports": [{"name": "web", "containerPort": 80}]}]}, "status": {"phase": "Running", "podIP": "10.0.0.3"}},
{"metadata": {"name": "ended"}, "spec": {"containers": [{"ports": [{"name": "metrics", "containerPort": 9000}]}]}, "status": {"phase": "Succeeded", "podIP": "10.0.0.4"}},
{"metadata": {"name": "no-address"}, "spec": {"containers": [{"ports": [{"name": "metrics", "containerPort": 9000}]}]}, "status": {"phase": "Pending"}}]}`
	nodes    = `{"items": [{"metadata": {"name": "n1"}, "status": {"addresses": [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "10.1.0.1"}]}}]}`
	slicesOf = `{"items": [{"ports": [{"name": "https", "port": 6443}, {"name": "other", "port": 1}], "endpoints": [
{"addresses": ["10.2.0.1"]}, {"addresses": ["10.2.0.2"], "conditions": {"ready": false}}, {"addresses": ["10.2.0.3"], "conditions": {"ready": true}}]}]}`
)

// fake is a Kubernetes API that answers what it is given, by path with query,
// and a discovery that asks it.
func fake(t *testing.T, answers map[string]string) *httptest.Server {
	t.Helper()
	api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, known := answers[r.URL.RequestURI()]
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "who are you", http.StatusUnauthorized)
			return
		}
		if !known {
			http.Error(w, "no answer to "+r.URL.RequestURI(), http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(api.Close)
	dir := t.TempDir()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	for name, content := range map[string]string{"ca.crt": string(authority), "token": "secret\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := newCluster(api.URL, dir)
	if err != nil {
		t.Fatal(err)
	}
	made := httptest.NewServer(c.handler())
	t.Cleanup(made.Close)
	return made
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	res, err := http.Get(url) //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(raw))
}

func TestTargets(t *testing.T) {
	server := fake(t, map[string]string{
		"/api/v1/namespaces/ns/pods?labelSelector=app%3Dx":   pods,
		"/api/v1/namespaces/none/pods?labelSelector=app%3Dx": `{"items": []}`,
		"/api/v1/nodes?": nodes,
		"/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes": slicesOf,
	})
	for question, want := range map[string]string{
		"/pods?namespace=ns&selector=app%3Dx&port=metrics": `[{"targets":["10.0.0.1:9000"],"labels":{"namespace":"ns","node":"n1","pod":"a"}},` +
			`{"targets":["[fd00::2]:9000"],"labels":{"namespace":"ns","node":"n2","pod":"b"}}]`,
		"/pods?namespace=ns&selector=app%3Dx&port=1234": `[{"targets":["10.0.0.1:1234"],"labels":{"namespace":"ns","node":"n1","pod":"a"}},` +
			`{"targets":["[fd00::2]:1234"],"labels":{"namespace":"ns","node":"n2","pod":"b"}},` +
			`{"targets":["10.0.0.3:1234"],"labels":{"namespace":"ns","node":"","pod":"other-port"}}]`,
		// An empty list, not null: Prometheus refuses that.
		"/pods?namespace=none&selector=app%3Dx&port=metrics": `[]`,
		"/nodes?port=10250": `[{"targets":["10.1.0.1:10250"],"labels":{"node":"n1"}}]`,
		"/endpoints?namespace=default&service=kubernetes&port=https": `[{"targets":["10.2.0.1:6443"],"labels":{}},{"targets":["10.2.0.3:6443"],"labels":{}}]`,
	} {
		if status, got := get(t, server.URL+question); status != http.StatusOK || got != want {
			t.Errorf("%s:\ngot  %d %s\nwant %s", question, status, got, want)
		}
	}
}

// An API that does not answer must not look like a cluster without targets.
func TestNoAnswerIsNoEmptyList(t *testing.T) {
	server := fake(t, nil)
	for question, want := range map[string]int{
		"/pods?namespace=ns&selector=app%3Dx&port=metrics": http.StatusBadGateway,
		"/nodes?port=10250":                       http.StatusBadGateway,
		"/pods?namespace=ns&port=metrics":         http.StatusBadRequest,
		"/pods?selector=app%3Dx&port=metrics":     http.StatusBadRequest,
		"/nodes?port=kubelet":                     http.StatusBadRequest,
		"/endpoints?namespace=default&port=https": http.StatusBadRequest,
		"/secrets": http.StatusNotFound,
	} {
		if status, body := get(t, server.URL+question); status != want {
			t.Errorf("%s: got %d %s, want %d", question, status, body, want)
		}
	}
}
