package admission

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// The kinds of a file, all of apiVersion.
const (
	apiVersion  = "admissionregistration.k8s.io/v1"
	policyKind  = "ValidatingAdmissionPolicy"
	bindingKind = "ValidatingAdmissionPolicyBinding"
)

// Policies are policies and where they hold.
type Policies struct {
	Policies []admissionv1.ValidatingAdmissionPolicy
	Bindings []admissionv1.ValidatingAdmissionPolicyBinding
}

// Load reads a file of policies and bindings. Another kind in it, and a field
// that the kind does not have, is an error that names file and document.
func Load(path string) (Policies, error) {
	file, err := os.Open(path)
	if err != nil {
		return Policies{}, fmt.Errorf("reading admission policies: %w", err)
	}
	defer func() { _ = file.Close() }()
	var found Policies
	documents := utilyaml.NewYAMLReader(bufio.NewReader(file))
	for n := 1; ; n++ {
		raw, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err == nil {
			err = found.add(raw)
		}
		if err != nil {
			return Policies{}, fmt.Errorf("reading admission policies from %s: document %d: %w", path, n, err)
		}
	}
}

func (p *Policies) add(raw []byte) error {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal(raw, &head); err != nil {
		return err
	}
	switch {
	case head.APIVersion == apiVersion && head.Kind == policyKind:
		var policy admissionv1.ValidatingAdmissionPolicy
		if err := yaml.UnmarshalStrict(raw, &policy); err != nil {
			return err
		}
		p.Policies = append(p.Policies, policy)
	case head.APIVersion == apiVersion && head.Kind == bindingKind:
		var binding admissionv1.ValidatingAdmissionPolicyBinding
		if err := yaml.UnmarshalStrict(raw, &binding); err != nil {
			return err
		}
		p.Bindings = append(p.Bindings, binding)
	default:
		return fmt.Errorf("is a %q of %q, want a %s or %s of %s", head.Kind, head.APIVersion, policyKind, bindingKind, apiVersion)
	}
	return nil
}
