package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answerLimit bounds what is read of one answer: some thousand pods.
const answerLimit = 64 << 20

// cluster asks a Kubernetes API.
type cluster struct {
	base   string
	token  string
	client *http.Client
}

// newCluster asks the API at base with the token and authority in dir.
func newCluster(base, dir string) (*cluster, error) {
	pem, err := os.ReadFile(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's authority: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", filepath.Join(dir, "ca.crt"))
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: authorities, MinVersion: tls.VersionTLS12},
		IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 2,
	}
	return &cluster{base, filepath.Join(dir, "token"), &http.Client{Transport: transport, Timeout: 15 * time.Second}}, nil
}

// list decodes the answer to one list request.
func (c *cluster) list(ctx context.Context, path string, query url.Values, into any) error {
	// The kubelet replaces the token before it ends.
	token, err := os.ReadFile(c.token)
	if err != nil {
		return fmt.Errorf("reading the token: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Accept", "application/json")
	res, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("asking the Kubernetes API: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // read to its end or given up
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the Kubernetes API for %s: %s", path, res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, answerLimit)).Decode(into); err != nil {
		return fmt.Errorf("reading the Kubernetes API's answer for %s: %w", path, err)
	}
	return nil
}

// target is one entry of Prometheus's HTTP service discovery.
type target struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

type metadata struct{ Name, Namespace string }

// pods are those of a namespace that selector finds and that have not ended,
// each at the port of this name, or at this number.
func (c *cluster) pods(ctx context.Context, q url.Values) ([]target, error) {
	namespace, port := q.Get("namespace"), q.Get("port")
	if namespace == "" || q.Get("selector") == "" || port == "" {
		return nil, errIncomplete
	}
	var found struct {
		Items []struct {
			Metadata metadata
			Spec     struct {
				NodeName   string
				Containers []struct {
					Ports []struct {
						Name          string
						ContainerPort int
					}
				}
			}
			Status struct{ Phase, PodIP string }
		}
	}
	path := "/api/v1/namespaces/" + url.PathEscape(namespace) + "/pods"
	if err := c.list(ctx, path, url.Values{"labelSelector": {q.Get("selector")}}, &found); err != nil {
		return nil, err
	}
	targets := []target{}
	for _, pod := range found.Items {
		if pod.Status.PodIP == "" || pod.Status.Phase == "Succeeded" || pod.Status.Phase == "Failed" {
			continue
		}
		number := port
		if _, err := strconv.Atoi(port); err != nil {
			number = ""
			for _, container := range pod.Spec.Containers {
				for _, one := range container.Ports {
					if one.Name == port {
						number = strconv.Itoa(one.ContainerPort)
					}
				}
			}
		}
		if number == "" {
			continue
		}
		targets = append(targets, target{
			[]string{net.JoinHostPort(pod.Status.PodIP, number)},
			map[string]string{"namespace": namespace, "pod": pod.Metadata.Name, "node": pod.Spec.NodeName},
		})
	}
	return targets, nil
}

// nodes are all of them, at one port of their own.
func (c *cluster) nodes(ctx context.Context, q url.Values) ([]target, error) {
	if _, err := strconv.Atoi(q.Get("port")); err != nil {
		return nil, errIncomplete
	}
	var found struct {
		Items []struct {
			Metadata metadata
			Status   struct {
				Addresses []struct{ Type, Address string }
			}
		}
	}
	if err := c.list(ctx, "/api/v1/nodes", nil, &found); err != nil {
		return nil, err
	}
	targets := []target{}
	for _, node := range found.Items {
		for _, address := range node.Status.Addresses {
			if address.Type == "InternalIP" {
				targets = append(targets, target{
					[]string{net.JoinHostPort(address.Address, q.Get("port"))}, map[string]string{"node": node.Metadata.Name},
				})
				break
			}
		}
	}
	return targets, nil
}

// endpoints are the ready ones behind a Service, which need not be pods.
func (c *cluster) endpoints(ctx context.Context, q url.Values) ([]target, error) {
	namespace, service, port := q.Get("namespace"), q.Get("service"), q.Get("port")
	if namespace == "" || service == "" || port == "" {
		return nil, errIncomplete
	}
	var found struct {
		Items []struct {
			Endpoints []struct {
				Addresses  []string
				Conditions struct{ Ready *bool }
			}
			Ports []struct {
				Name string
				Port int
			}
		}
	}
	path := "/apis/discovery.k8s.io/v1/namespaces/" + url.PathEscape(namespace) + "/endpointslices"
	if err := c.list(ctx, path, url.Values{"labelSelector": {"kubernetes.io/service-name=" + service}}, &found); err != nil {
		return nil, err
	}
	var addresses []string
	for _, slice := range found.Items {
		for _, one := range slice.Ports {
			for _, endpoint := range slice.Endpoints {
				// Not said is ready.
				if one.Name != port || endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready {
					continue
				}
				for _, address := range endpoint.Addresses {
					addresses = append(addresses, net.JoinHostPort(address, strconv.Itoa(one.Port)))
				}
			}
		}
	}
	slices.Sort(addresses)
	targets := []target{}
	for _, address := range slices.Compact(addresses) {
		targets = append(targets, target{[]string{address}, map[string]string{}})
	}
	return targets, nil
}

var errIncomplete = errors.New("the question lacks something; see the comment of this program")

// handler answers the three questions.
func (c *cluster) handler() http.Handler {
	mux := http.NewServeMux()
	for path, find := range map[string]func(context.Context, url.Values) ([]target, error){
		"GET /pods": c.pods, "GET /nodes": c.nodes, "GET /endpoints": c.endpoints,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			targets, err := find(r.Context(), r.URL.Query())
			switch {
			case errors.Is(err, errIncomplete):
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			case err != nil:
				// Any answer would replace the targets that Prometheus has.
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(targets) // whoever asked has gone
		})
	}
	return mux
}
