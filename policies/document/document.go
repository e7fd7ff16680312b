// Package document reads resources from files: what `pulumi preview --json` and
// `pulumi stack export` print, recorded graphs, and YAML manifests.
package document

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopkg.in/yaml.v3"

	"slipway.dev/slipway/policies/rule"
)

// The marks Pulumi puts in JSON for what it does not know or does not show.
const (
	UnknownMark  = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
	signatureKey = "4dabf18193072939515e22adb298388d"
	secretMark   = "1b47061264138c4ac30d75fd1eb44270"
	hiddenMark   = "[secret]"
)

// ErrEmpty is returned for a document without resources.
var ErrEmpty = errors.New("it holds no resource; give the output of `pulumi preview --json`, of `pulumi stack export`, or YAML manifests")

// Document is what was read.
type Document struct {
	Resources []*rule.Resource
	// Preview says that values may be unknown because nothing has run yet.
	Preview bool
}

// Read reads a file's content; name is for messages.
func Read(name string, raw []byte) (Document, error) {
	trimmed := bytes.TrimSpace(raw)
	var (
		doc Document
		err error
	)
	if bytes.HasPrefix(trimmed, []byte("{")) && isPulumi(trimmed) {
		doc, err = readPulumi(trimmed)
	} else {
		doc, err = readYAML(name, raw)
	}
	if err != nil {
		return Document{}, fmt.Errorf("reading %s: %w", name, err)
	}
	if len(doc.Resources) == 0 {
		return Document{}, fmt.Errorf("reading %s: %w", name, ErrEmpty)
	}
	return doc, nil
}

// isPulumi tells Pulumi's JSON from a manifest's.
func isPulumi(raw []byte) bool {
	var keys map[string]json.RawMessage
	if json.Unmarshal(raw, &keys) != nil {
		return true // let the reader say what is wrong
	}
	for _, key := range []string{"steps", "deployment", "resources", "config"} {
		if _, ok := keys[key]; ok {
			_, manifest := keys["apiVersion"]
			return !manifest
		}
	}
	return false
}

// state is a resource as Pulumi's JSON has it.
type state struct {
	URN          string         `json:"urn"`
	Type         string         `json:"type"`
	Inputs       map[string]any `json:"inputs"`
	Protect      bool           `json:"protect"`
	Delete       bool           `json:"delete"`
	Dependencies []string       `json:"dependencies"`
}

func readPulumi(raw []byte) (Document, error) {
	var file struct {
		Steps []struct {
			Op       string `json:"op"`
			URN      string `json:"urn"`
			OldState *state `json:"oldState"`
			NewState *state `json:"newState"`
		} `json:"steps"`
		Deployment *struct {
			Resources []state `json:"resources"`
		} `json:"deployment"`
		Resources []state `json:"resources"`
		Preview   bool    `json:"preview"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return Document{}, fmt.Errorf("decoding JSON: %w", err)
	}
	doc := Document{Preview: file.Preview || file.Steps != nil}
	add := func(s *state, op rule.Operation) error {
		r, err := resource(s)
		if err != nil {
			return err
		}
		r.Operation = op
		doc.Resources = append(doc.Resources, r)
		return nil
	}
	for _, step := range file.Steps {
		op, s := rule.None, step.NewState
		switch step.Op {
		case "create":
			op = rule.Create
		case "update":
			op = rule.Update
		case "replace":
			op = rule.Replace
		case "create-replacement", "delete-replaced", "discard-replaced", "remove-pending-replace", "read-discard", "read-replacement":
			continue // the replace step stands for them
		case "delete", "discard":
			op, s = rule.Delete, step.OldState
		}
		if s == nil {
			continue
		}
		if err := add(s, op); err != nil {
			return Document{}, err
		}
	}
	states := file.Resources
	if file.Deployment != nil {
		states = file.Deployment.Resources
	}
	for i := range states {
		if states[i].Delete {
			continue // a replaced resource that is still to be removed
		}
		if err := add(&states[i], rule.None); err != nil {
			return Document{}, err
		}
	}
	return doc, nil
}

func resource(s *state) (*rule.Resource, error) {
	name := s.URN[strings.LastIndex(s.URN, "::")+1:]
	name = strings.TrimPrefix(name, ":")
	if s.Type == "" {
		return nil, fmt.Errorf("resource %q has no type", s.URN)
	}
	properties, _ := marked(s.Inputs).(map[string]any)
	r, err := rule.New(s.Type, name, properties)
	if err != nil {
		return nil, err
	}
	r.URN, r.Protect, r.Dependencies = s.URN, s.Protect, s.Dependencies
	return r, nil
}

// marked turns Pulumi's marks into Unknown and Secret.
func marked(value any) any {
	switch v := value.(type) {
	case string:
		switch v {
		case UnknownMark:
			return rule.Unknown{}
		case hiddenMark:
			return rule.Secret{}
		}
		return v
	case []any:
		for i := range v {
			v[i] = marked(v[i])
		}
		return v
	case map[string]any:
		if v[signatureKey] == secretMark {
			plain, ok := v["plaintext"].(string)
			var inner any
			if !ok || json.Unmarshal([]byte(plain), &inner) != nil {
				return rule.Secret{}
			}
			return rule.Secret{Value: marked(inner)}
		}
		for key := range v {
			v[key] = marked(v[key])
		}
		return v
	default:
		return v
	}
}

func readYAML(name string, raw []byte) (Document, error) {
	var doc Document
	decoder := yaml.NewDecoder(bytes.NewReader(raw))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return doc, nil
		}
		if err != nil {
			return Document{}, fmt.Errorf("decoding YAML: %w", err)
		}
		if err := aliases(&node); err != nil {
			return Document{}, err
		}
		var tree map[string]any
		if err := node.Decode(&tree); err != nil {
			return Document{}, fmt.Errorf("line %d: a manifest must be a mapping: %w", node.Line, err)
		}
		found, err := manifests(name, node.Content[0].Line, tree)
		if err != nil {
			return Document{}, fmt.Errorf("line %d: %w", node.Content[0].Line, err)
		}
		doc.Resources = append(doc.Resources, found...)
	}
}

// aliases refuses documents whose aliases would make them huge.
func aliases(node *yaml.Node) error {
	count := 0
	var walk func(*yaml.Node) error
	walk = func(n *yaml.Node) error {
		if n.Kind == yaml.AliasNode {
			if count++; count > 1000 {
				return fmt.Errorf("line %d: more than 1000 aliases", n.Line)
			}
		}
		for _, inner := range n.Content {
			if err := walk(inner); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(node)
}

// manifests makes resources of one document: an object, a list of them, or a
// Pulumi resource written as type, name and inputs.
func manifests(file string, line int, tree map[string]any) ([]*rule.Resource, error) {
	if len(tree) == 0 {
		return nil, nil
	}
	if token, ok := tree["type"].(string); ok && tree["apiVersion"] == nil {
		name, _ := tree["name"].(string)
		inputs, _ := tree["inputs"].(map[string]any)
		r, err := rule.New(token, name, inputs)
		if err != nil {
			return nil, err
		}
		r.URN = "urn:pulumi:example::slipway::" + token + "::" + name
		if on, ok := tree["dependsOn"].(string); ok {
			r.Dependencies = []string{"urn:pulumi:example::slipway::" + on}
		}
		r.File, r.Line = file, line
		return []*rule.Resource{r}, nil
	}
	version, _ := tree["apiVersion"].(string)
	kind, _ := tree["kind"].(string)
	if version == "" || kind == "" {
		return nil, errors.New("it has no apiVersion and kind")
	}
	if items, ok := tree["items"].([]any); ok && strings.HasSuffix(kind, "List") {
		var found []*rule.Resource
		for i, one := range items {
			object, ok := one.(map[string]any)
			if !ok {
				return nil, fmt.Errorf("items[%d] is no object", i)
			}
			inner, err := manifests(file, line, object)
			if err != nil {
				return nil, fmt.Errorf("items[%d]: %w", i, err)
			}
			found = append(found, inner...)
		}
		return found, nil
	}
	if !strings.Contains(version, "/") {
		version = "core/" + version
	}
	name := ""
	if meta, ok := tree["metadata"].(map[string]any); ok {
		name, _ = meta["name"].(string)
	}
	r, err := rule.New("kubernetes:"+version+":"+kind, name, tree)
	if err != nil {
		return nil, err
	}
	r.File, r.Line = file, line
	return []*rule.Resource{r}, nil
}
