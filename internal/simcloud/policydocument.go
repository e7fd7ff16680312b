package simcloud

import (
	"encoding/json"
	"fmt"
	"slices"
)

// policyDocument writes the JSON that the statements describe, the way the
// official plugin does: single values stand alone, the version is the newer.
func policyDocument(q *query) (Props, error) {
	version := q.in.Text("version")
	if version == "" {
		version = "2012-10-17"
	}
	var list []any
	for _, name := range []string{"sourcePolicyDocuments", "overridePolicyDocuments"} {
		for i, text := range q.in.Texts(name) {
			document, problem := parsePolicy(text)
			if problem != "" {
				return nil, fmt.Errorf("%s[%d] %s", name, i, problem)
			}
			for _, s := range statements("", document) {
				list = append(list, map[string]any(s.Props))
			}
		}
	}
	for _, s := range q.in.Objects("statements") {
		written := map[string]any{"Effect": "Allow"}
		if effect := s.Text("effect"); effect != "" {
			written["Effect"] = effect
		}
		if sid := s.Text("sid"); sid != "" {
			written["Sid"] = sid
		}
		for from, to := range map[string]string{"actions": "Action", "notActions": "NotAction", "resources": "Resource", "notResources": "NotResource"} {
			if values := s.Texts(from); len(values) > 0 {
				written[to] = single(values)
			}
		}
		for from, to := range map[string]string{"principals": "Principal", "notPrincipals": "NotPrincipal"} {
			if who := writtenPrincipals(s.Objects(from)); who != nil {
				written[to] = who
			}
		}
		conditions := map[string]any{}
		for _, c := range s.Objects("conditions") {
			test, _ := conditions[c.Text("test")].(map[string]any)
			if test == nil {
				test = map[string]any{}
			}
			test[c.Text("variable")] = single(c.Texts("values"))
			conditions[c.Text("test")] = test
		}
		if len(conditions) > 0 {
			written["Condition"] = conditions
		}
		list = append(list, written)
	}
	document := map[string]any{"Version": version, "Statement": list}
	if id := q.in.Text("policyId"); id != "" {
		document["Id"] = id
	}
	pretty, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the policy: %w", err)
	}
	minified, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("writing the policy: %w", err)
	}
	return Props{"id": digest(10, string(minified)), "json": string(pretty), "minifiedJson": string(minified)}, nil
}

func single(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return toAny(sorted)
}

func writtenPrincipals(list []Props) any {
	if len(list) == 0 {
		return nil
	}
	who := map[string]any{}
	for _, p := range list {
		kind, ids := p.Text("type"), p.Texts("identifiers")
		if kind == "*" {
			return "*"
		}
		earlier := texts(who[kind])
		who[kind] = single(append(earlier, ids...))
	}
	return who
}
