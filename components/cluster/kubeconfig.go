package cluster

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// Errors that a caller can act on: by creating the file, or by renewing the
// credentials in it.
var (
	ErrMissing = errors.New("the kubeconfig does not exist")
	ErrExpired = errors.New("the credentials have expired")
)

// kubeconfig is the part of a kubeconfig that must be understood to reduce it
// to one context. The bodies of clusters and users stay maps, so that fields
// unknown here reach the provider unchanged.
type kubeconfig struct {
	APIVersion     string         `json:"apiVersion"`
	Kind           string         `json:"kind"`
	Clusters       []namedCluster `json:"clusters"`
	Contexts       []namedContext `json:"contexts"`
	CurrentContext string         `json:"current-context"`
	Users          []namedUser    `json:"users"`
}

type namedCluster struct {
	Name    string         `json:"name"`
	Cluster map[string]any `json:"cluster"`
}

type namedContext struct {
	Name    string  `json:"name"`
	Context context `json:"context"`
}

type context struct {
	Cluster   string `json:"cluster"`
	User      string `json:"user"`
	Namespace string `json:"namespace,omitempty"`
}

type namedUser struct {
	Name string         `json:"name"`
	User map[string]any `json:"user"`
}

// source is where a kubeconfig came from.
type source struct {
	// name is how errors call it; dir is what relative paths in it start from,
	// empty for a kubeconfig given as content.
	name, dir string
	content   []byte
}

// open reads a kubeconfig given as path or as content.
func open(given string) (source, error) {
	if strings.TrimSpace(given) == "" {
		return source{}, errors.New("kubeconfig: is empty, must be the path of a kubeconfig or its content")
	}
	if strings.ContainsAny(given, "\n{") {
		return source{name: "kubeconfig", content: []byte(given)}, nil
	}
	path := given
	if rest, home := strings.CutPrefix(given, "~/"); home {
		dir, err := os.UserHomeDir()
		if err != nil {
			return source{}, fmt.Errorf("kubeconfig %s: finding the home directory: %w", given, err)
		}
		path = filepath.Join(dir, rest)
	}
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return source{}, fmt.Errorf("kubeconfig %s: %w; correct the path, or create the cluster that writes it",
			given, ErrMissing)
	case err != nil:
		return source{}, fmt.Errorf("kubeconfig %s: %w; it must be a file this user can read", given, err)
	case len(strings.TrimSpace(string(content))) == 0:
		return source{}, fmt.Errorf("kubeconfig %s: the file is empty; write the cluster's kubeconfig to it again", given)
	}
	return source{name: "kubeconfig " + given, dir: filepath.Dir(path), content: content}, nil
}

// plan is a kubeconfig that was found to be usable.
type plan struct {
	// content is the kubeconfig reduced to one context, files read in. Secret.
	content string
	// name is the cluster entry's name; identifier tells clusters apart.
	name, identifier string
	// expires is when the client certificate ends; zero without one. Tokens are
	// short-lived by design and renewed by whoever issued them.
	expires time.Time
}

// resolve turns args into a plan, or reports every fault it finds. Times are
// compared with at.
func resolve(args Args, at time.Time) (plan, error) {
	from, err := open(args.Kubeconfig)
	if err != nil {
		return plan{}, err
	}
	var config kubeconfig
	if err := yaml.Unmarshal(from.content, &config); err != nil {
		return plan{}, fmt.Errorf("%s: is not a kubeconfig: %w", from.name, err)
	}
	if config.Kind != "" && config.Kind != "Config" {
		return plan{}, fmt.Errorf("%s: kind: is %q, must be Config", from.name, config.Kind)
	}
	picked, err := config.pick(args.Context)
	if err != nil {
		return plan{}, fmt.Errorf("%s: %w", from.name, err)
	}
	check := checker{at: at, dir: from.dir}
	check.cluster(picked.Clusters[0])
	check.user(picked.Users[0])
	if len(check.faults) > 0 {
		return plan{}, fmt.Errorf("%s: %w", from.name, errors.Join(check.faults...))
	}
	content, err := yaml.Marshal(picked)
	if err != nil {
		return plan{}, fmt.Errorf("%s: writing it reduced to context %q: %w", from.name, picked.CurrentContext, err)
	}
	resolved := plan{
		content: string(content), name: picked.Clusters[0].Name,
		identifier: args.Identifier, expires: check.expires,
	}
	if resolved.identifier == "" {
		resolved.identifier = resolved.name
	}
	return resolved, nil
}

// pick returns a kubeconfig with one context, and the cluster and user that
// this context names.
func (k kubeconfig) pick(wanted string) (kubeconfig, error) {
	names := make([]string, 0, len(k.Contexts))
	for _, candidate := range k.Contexts {
		names = append(names, candidate.Name)
	}
	sort.Strings(names)
	known := "it has " + strings.Join(names, ", ")
	if len(names) == 0 {
		return kubeconfig{}, errors.New("contexts: there is none; it is empty or not a kubeconfig")
	}
	if wanted == "" {
		wanted = k.CurrentContext
	}
	if wanted == "" {
		return kubeconfig{}, fmt.Errorf("current-context: is not set; choose a context (%s)", known)
	}
	picked := kubeconfig{APIVersion: "v1", Kind: "Config", CurrentContext: wanted}
	for _, candidate := range k.Contexts {
		if candidate.Name == wanted && len(picked.Contexts) == 0 {
			picked.Contexts = append(picked.Contexts, candidate)
		}
	}
	if len(picked.Contexts) == 0 {
		return kubeconfig{}, fmt.Errorf("contexts: there is no context %q (%s)", wanted, known)
	}
	chosen := picked.Contexts[0].Context
	for _, candidate := range k.Clusters {
		if candidate.Name == chosen.Cluster && len(picked.Clusters) == 0 {
			picked.Clusters = append(picked.Clusters, candidate)
		}
	}
	for _, candidate := range k.Users {
		if candidate.Name == chosen.User && len(picked.Users) == 0 {
			picked.Users = append(picked.Users, candidate)
		}
	}
	var faults []error
	if len(picked.Clusters) == 0 {
		faults = append(faults, fmt.Errorf("contexts[%s].cluster: there is no cluster %q", wanted, chosen.Cluster))
	}
	if len(picked.Users) == 0 {
		faults = append(faults, fmt.Errorf("contexts[%s].user: there is no user %q", wanted, chosen.User))
	}
	return picked, errors.Join(faults...)
}

// checker judges the bodies of one cluster and one user, and replaces the
// paths in them by what the files hold.
type checker struct {
	at      time.Time
	dir     string
	faults  []error
	expires time.Time
}

func (c *checker) fault(path, format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...)))
}

func (c *checker) cluster(entry namedCluster) {
	at := fmt.Sprintf("clusters[%s]", entry.Name)
	server, _ := entry.Cluster["server"].(string)
	switch address, err := url.Parse(server); {
	case server == "":
		c.fault(at+".server", "is not set, must be the URL of the API server")
	case err != nil || address.Host == "":
		c.fault(at+".server", "%q is not a URL such as https://10.0.0.1:6443", server)
	case address.Scheme != "https":
		c.fault(at+".server", "%q is not an https URL; credentials would cross the network in the clear", server)
	}
	if data := c.inline(at, entry.Cluster, "certificate-authority"); data != nil {
		if _, err := certificates(data); err != nil {
			c.fault(at+".certificate-authority-data", "%w", err)
		}
	}
}

// inline returns what a field such as "client-key" holds, either as data in
// base64 or as the path of a file. A file's content takes the path's place.
func (c *checker) inline(at string, body map[string]any, key string) []byte {
	if encoded, ok := body[key+"-data"].(string); ok && encoded != "" {
		delete(body, key)
		data, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			c.fault(at+"."+key+"-data", "is not base64: %w", err)
			return nil
		}
		return data
	}
	path, ok := body[key].(string)
	if !ok || path == "" {
		return nil
	}
	if !filepath.IsAbs(path) {
		if c.dir == "" {
			c.fault(at+"."+key, "%q is relative, which means nothing in a kubeconfig given as content", path)
			return nil
		}
		path = filepath.Join(c.dir, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		c.fault(at+"."+key, "%w", err)
		return nil
	}
	delete(body, key)
	body[key+"-data"] = base64.StdEncoding.EncodeToString(data)
	return data
}
