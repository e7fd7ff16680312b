package admission_test

import (
	"fmt"
	"os"
	"path/filepath"

	"slipway.dev/slipway/components/admission"
)

// A file holds policies and the bindings that say where they hold.
func ExampleLoad() {
	dir, err := os.MkdirTemp("", "admission")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "policies.yaml")
	text := `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: fleet-no-latest}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}
  validations:
  - expression: object.spec.containers.all(c, !c.image.endsWith(":latest"))
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: fleet-no-latest}
spec: {policyName: fleet-no-latest, validationActions: [Deny]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		fmt.Println(err)
		return
	}
	found, err := admission.Load(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, binding := range found.Bindings {
		fmt.Println(binding.Spec.PolicyName, binding.Spec.ValidationActions)
	}
	// Output: fleet-no-latest [Deny]
}
