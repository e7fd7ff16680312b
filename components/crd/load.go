package crd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"sigs.k8s.io/yaml"
)

// APIVersion and Kind name what a Definition is in the cluster.
const (
	APIVersion = "apiextensions.k8s.io/v1"
	Kind       = "CustomResourceDefinition"
)

// Definition is one custom resource definition, without descriptions.
type Definition struct {
	// Name is "<plural>.<group>", which Kubernetes demands.
	Name string
	spec map[string]any
}

// ErrNone is returned for a path below which there is no definition.
var ErrNone = errors.New("holds no CustomResourceDefinition")

// Load reads the definitions in a YAML file, or in all .yaml and .yml files
// directly below a directory, sorted by name. Anything that is not a
// definition of version v1 is an error, as is a name that occurs twice.
func Load(path string) ([]Definition, error) {
	files, err := manifests(path)
	if err != nil {
		return nil, err
	}
	var definitions []Definition
	origin := map[string]string{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading custom resource definitions: %w", err)
		}
		found, err := parse(raw)
		if err != nil {
			return nil, fmt.Errorf("reading custom resource definitions from %s: %w", file, err)
		}
		for _, definition := range found {
			if first, dup := origin[definition.Name]; dup {
				return nil, fmt.Errorf("reading custom resource definitions from %s: %s is already defined in %s",
					file, definition.Name, first)
			}
			origin[definition.Name] = file
		}
		definitions = append(definitions, found...)
	}
	if len(definitions) == 0 {
		return nil, fmt.Errorf("reading custom resource definitions: %s %w", path, ErrNone)
	}
	sort.Slice(definitions, func(i, j int) bool { return definitions[i].Name < definitions[j].Name })
	return definitions, nil
}

// manifests returns path itself or, of a directory, its YAML files.
func manifests(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading custom resource definitions: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var files []string
	for _, pattern := range []string{"*.yaml", "*.yml"} {
		matches, err := filepath.Glob(filepath.Join(path, pattern))
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", path, err)
		}
		files = append(files, matches...)
	}
	return files, nil
}

// separator is a YAML document boundary.
var separator = regexp.MustCompile(`(?m)^---[ \t]*(#.*)?$`)

func parse(raw []byte) ([]Definition, error) {
	var definitions []Definition
	for i, document := range separator.Split(string(raw), -1) {
		if blank([]byte(document)) {
			continue
		}
		var object struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Spec map[string]any `json:"spec"`
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			return nil, fmt.Errorf("document %d: %w", i+1, err)
		}
		switch {
		case object.APIVersion != APIVersion || object.Kind != Kind:
			return nil, fmt.Errorf("document %d is a %s of %s, want a %s of %s",
				i+1, quoted(object.Kind), quoted(object.APIVersion), Kind, APIVersion)
		case object.Metadata.Name == "":
			return nil, fmt.Errorf("document %d has no metadata.name", i+1)
		case len(object.Spec) == 0:
			return nil, fmt.Errorf("document %d, %s, has no spec", i+1, object.Metadata.Name)
		}
		definitions = append(definitions, Definition{
			Name: object.Metadata.Name,
			spec: strip(object.Spec).(map[string]any),
		})
	}
	return definitions, nil
}

// blank reports whether a document holds nothing but space and comments.
func blank(document []byte) bool {
	for line := range bytes.Lines(document) {
		if text := bytes.TrimSpace(line); len(text) > 0 && text[0] != '#' {
			return false
		}
	}
	return true
}

func quoted(s string) string {
	if s == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", s)
}

// strip returns a copy of a schema without its descriptions. A description is
// a string; a property that happens to be called description is a schema, and
// stays. Values that are data rather than schema are copied as they are.
func strip(value any) any {
	switch value := value.(type) {
	case map[string]any:
		kept := make(map[string]any, len(value))
		for key, inner := range value {
			if _, prose := inner.(string); prose && key == "description" {
				continue
			}
			if key == "default" || key == "enum" || key == "example" {
				if !schemaLike(key, inner) {
					kept[key] = inner
					continue
				}
			}
			kept[key] = strip(inner)
		}
		return kept
	case []any:
		kept := make([]any, 0, len(value))
		for _, inner := range value {
			kept = append(kept, strip(inner))
		}
		return kept
	default:
		return value
	}
}

// schemaLike tells a property named "default", "enum" or "example", which is a
// schema, from the keyword of that name, which is data.
func schemaLike(key string, value any) bool {
	fields, ok := value.(map[string]any)
	if !ok || key == "enum" {
		return ok
	}
	kind, typed := fields["type"].(string)
	return typed && strings.Contains(" object array string integer number boolean ", " "+kind+" ")
}
