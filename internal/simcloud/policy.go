package simcloud

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// policyKind is what a policy document is attached to.
type policyKind int

const (
	// identityPolicy says what its bearer may do.
	identityPolicy policyKind = iota
	// resourcePolicy says who may do something to what bears it.
	resourcePolicy
	// trustPolicy says who may become a role.
	trustPolicy
)

var policyAction = regexp.MustCompile(`^(?:\*|[a-z0-9-]+:[A-Za-z0-9*?]+)$`)

// statement is one statement of a policy document.
type statement struct {
	Props
	path string
}

// checkPolicy reports what AWS finds malformed in a policy document. A value
// that is unset or not known yet is left alone.
func checkPolicy(kind policyKind, path string, value any, report fault) {
	if value == nil || HasUnknown(value) {
		return
	}
	document, problem := parsePolicy(value)
	if problem != "" {
		report(path, problem)
		return
	}
	checkNames(path, document, words("Version Id Statement"), report)
	if version := document["Version"]; version != nil && version != "2012-10-17" && version != "2008-10-17" {
		report(path+".Version", fmt.Sprintf("is %v, must be 2012-10-17", version))
	}
	list := statements(path, document)
	if len(list) == 0 {
		report(path+".Statement", "is required and not set")
	}
	sids := map[string]bool{}
	for _, s := range list {
		checkNames(s.path, s.Props, words("Sid Effect Principal NotPrincipal Action NotAction Resource NotResource Condition"), report)
		if effect := s.Props["Effect"]; effect != "Allow" && effect != "Deny" {
			report(s.path+".Effect", fmt.Sprintf("is %v, must be Allow or Deny", effect))
		}
		if sid := s.Text("Sid"); sid != "" {
			if sids[sid] {
				report(s.path+".Sid", fmt.Sprintf("%q is used twice in the policy", sid))
			}
			sids[sid] = true
		}
		s.check(kind, report)
	}
}

func (s statement) check(kind policyKind, report fault) {
	actions := append(texts(s.Props["Action"]), texts(s.Props["NotAction"])...)
	if len(actions) == 0 {
		report(s.path+".Action", "is required and not set")
	}
	for _, action := range actions {
		switch {
		case !policyAction.MatchString(action):
			report(s.path+".Action", fmt.Sprintf("is %q, must be service:Action", action))
		case kind == trustPolicy && !strings.HasPrefix(action, "sts:"):
			report(s.path+".Action", fmt.Sprintf("is %q, but a trust policy may only have STS actions", action))
		}
	}
	principal := s.Props["Principal"] != nil || s.Props["NotPrincipal"] != nil
	if resources := s.Props["Resource"] != nil || s.Props["NotResource"] != nil; resources == (kind == trustPolicy) {
		report(s.path+".Resource", map[bool]string{true: "is not for a trust policy", false: "is required and not set"}[resources])
	}
	if principal == (kind == identityPolicy) {
		report(s.path+".Principal", map[bool]string{true: "is not for a policy of an identity", false: "is required and not set"}[principal])
	}
	object, ok := s.Props["Principal"].(map[string]any)
	if !ok {
		return
	}
	checkNames(s.path+".Principal", object, words("AWS Service Federated CanonicalUser"), report)
	for _, service := range texts(object["Service"]) {
		if !servicePrincipal.MatchString(service) {
			report(s.path+".Principal.Service", fmt.Sprintf("is %q, must be the name of a service such as ec2.amazonaws.com", service))
		}
	}
}

var servicePrincipal = regexp.MustCompile(`^[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:amazonaws\.com|amazonaws\.com\.cn|aws\.internal|aws\.com)$`)

func checkNames(path string, object map[string]any, known []string, report fault) {
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(known, name) {
			report(path+"."+name, "is not an element of a policy; there are "+strings.Join(known, ", "))
		}
	}
}

// parsePolicy reads a document given as JSON text or as an object.
func parsePolicy(value any) (Props, string) {
	switch v := value.(type) {
	case string:
		var document map[string]any
		if err := json.Unmarshal([]byte(v), &document); err != nil {
			return nil, fmt.Sprintf("is no JSON object: %v", err)
		}
		return document, ""
	case map[string]any:
		return v, ""
	default:
		return nil, "must be a policy document, not " + typeName(value)
	}
}

func statements(path string, document Props) []statement {
	switch s := document["Statement"].(type) {
	case map[string]any:
		return []statement{{s, path + ".Statement"}}
	case []any:
		var list []statement
		for i, element := range s {
			object, _ := element.(map[string]any)
			list = append(list, statement{object, fmt.Sprintf("%s.Statement[%d]", path, i)})
		}
		return list
	}
	return nil
}

// texts are the strings of a value that is one string or a list of them.
func texts(value any) []string {
	if s, ok := value.(string); ok {
		return []string{s}
	}
	return Props{"list": value}.Texts("list")
}

// trusts tells whether a role's trust policy lets the service or the account's
// provider in.
func trusts(role *Record, principal string) bool {
	if role == nil {
		return false
	}
	document, _ := parsePolicy(role.Properties["assumeRolePolicy"])
	for _, s := range statements("", document) {
		object, _ := s.Props["Principal"].(map[string]any)
		if s.Props["Effect"] != "Allow" {
			continue
		}
		for _, kind := range []string{"Service", "Federated", "AWS"} {
			if slices.Contains(texts(object[kind]), principal) {
				return true
			}
		}
	}
	return false
}

// lets tells whether the document allows the service's principal an action.
func lets(document Props, principal, action string) bool {
	for _, s := range statements("", document) {
		object, _ := s.Props["Principal"].(map[string]any)
		if s.Props["Effect"] != "Allow" || !slices.Contains(texts(object["Service"]), principal) {
			continue
		}
		for _, allowed := range texts(s.Props["Action"]) {
			if wildcard(allowed, action) {
				return true
			}
		}
	}
	return false
}

// wildcard matches * and ? as policies do, without regard to case.
func wildcard(pattern, text string) bool {
	quoted := regexp.QuoteMeta(strings.ToLower(pattern))
	quoted = strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(quoted)
	matched, err := regexp.MatchString("^(?:"+quoted+")$", strings.ToLower(text))
	return err == nil && matched
}
