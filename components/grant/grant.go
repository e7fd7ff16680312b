package grant

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Statement allows something, or denies it.
type Statement struct {
	// Sid names the statement, in letters and digits.
	Sid string
	// Deny forbids, whatever else allows. Default: allow.
	Deny bool
	// Principals is for whom, by kind: AWS, Service or Federated. It belongs
	// into policies of resources and roles, and is left out in others.
	Principals Conditions
	// Actions are such as "s3:GetObject".
	Actions []string
	// Resources are ARNs. Left out in the trust policy of a role.
	Resources []string
	// NotResources are ARNs of what is not meant, for a statement that denies all
	// the rest. It takes the place of Resources.
	NotResources []string
	// When holds conditions, by operator and key.
	When map[string]Conditions
}

// Conditions maps a key to the values it may have.
type Conditions map[string][]string

// MarshalJSON writes a single value as such, as AWS gives it back.
func (c Conditions) MarshalJSON() ([]byte, error) {
	written := make(map[string]any, len(c))
	for key, values := range c {
		written[key] = values
		if len(values) == 1 {
			written[key] = values[0]
		}
	}
	return json.Marshal(written)
}

// version is the current version of the policy language, not a date of ours.
const version = "2012-10-17"

type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid         string `json:",omitempty"`
	Effect      string
	Principal   any                   `json:",omitempty"`
	Action      []string              `json:",omitempty"`
	Resource    []string              `json:",omitempty"`
	NotResource []string              `json:",omitempty"`
	Condition   map[string]Conditions `json:",omitempty"`
}

// Document is the policy that the statements make.
func Document(statements ...Statement) (string, error) {
	made := document{Version: version}
	for _, s := range statements {
		effect := "Allow"
		if s.Deny {
			effect = "Deny"
		}
		var principal any
		if len(s.Principals) > 0 {
			principal = s.Principals
		}
		if everyone, ok := s.Principals["*"]; ok && len(everyone) == 0 {
			principal = "*"
		}
		made.Statement = append(made.Statement, statement{
			Sid: s.Sid, Effect: effect, Principal: principal, Action: s.Actions, Resource: s.Resources,
			NotResource: s.NotResources, Condition: s.When,
		})
	}
	raw, err := json.Marshal(made)
	if err != nil {
		return "", fmt.Errorf("writing an IAM policy: %w", err)
	}
	return string(raw), nil
}

// Everyone is the principal "*", for statements that deny, or whose conditions
// say who is meant.
func Everyone() Conditions { return Conditions{"*": nil} }

// Services are AWS services as principals.
func Services(names ...string) Conditions { return Conditions{"Service": names} }

// Later is a document over values that are known once other resources exist,
// in the order given.
func Later(build func(known []string) []Statement, values ...pulumi.StringInput) pulumi.StringOutput {
	return pulumi.StringArray(values).ToStringArrayOutput().ApplyT(func(known []string) (string, error) {
		return Document(build(known)...)
	}).(pulumi.StringOutput)
}
