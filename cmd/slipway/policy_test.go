package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	sound   = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\nroleRef: {kind: ClusterRole, name: view}\n"
	admin   = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: b}\nroleRef: {kind: ClusterRole, name: cluster-admin}\n"
	planned = `{"steps": [{"op": "create", "urn": "urn:pulumi:x::slipway::t::b", "newState": {"urn": "urn:pulumi:x::slipway::t::b",
"type": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding", "inputs": {"roleRef": {"name": "cluster-admin"}}}}]}`
)

// TestPolicyCheck: 2 is a broken rule, 1 a question that could not be answered.
func TestPolicyCheck(t *testing.T) {
	dir := t.TempDir()
	at := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	good, bad, steps := at("good.yaml", sound), at("bad.yaml", admin), at("preview.json", planned)
	for name, c := range map[string]struct {
		args  []string
		stdin string
		code  int
		says  string
	}{
		"files without fault":    {[]string{good}, "", 0, "0 mandatory"},
		"a broken rule":          {[]string{good, bad}, "", violated, "roleRef.name is cluster-admin"},
		"standard input":         {[]string{"-"}, admin, violated, "roleRef.name is cluster-admin"},
		"a preview":              {[]string{steps}, "", violated, "roleRef.name is cluster-admin"},
		"a preview for scanners": {[]string{steps, "--format=sarif"}, "", violated, `"uri": "` + steps + `"`},
		"input for scanners":     {[]string{"-", "--format=sarif"}, planned, violated, `"uri": "Pulumi.yaml"`},
		"a stack's settings":     {[]string{good, "--stack=prod"}, "", 0, "0 mandatory"},
		"a branch's settings":    {[]string{good, "--stack=pr-7"}, "", 0, "0 mandatory"},
		"a stack there is not":   {[]string{good, "--stack=pord"}, "", 1, `there is no stack "pord"`},
		"a file there is not":    {[]string{filepath.Join(dir, "none.yaml")}, "", 1, "give a file, or a stack that has a Pulumi.<stack>.yaml"},
		"a format there is not":  {[]string{good, "--format=xml"}, "", 1, `there is no format "xml"`},
		"no resource":            {[]string{"-"}, "", 1, "it holds no resource"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			cmd := policyCheckCommand()
			cmd.SilenceUsage, cmd.SilenceErrors = true, true
			cmd.SetArgs(c.args)
			cmd.SetIn(strings.NewReader(c.stdin))
			cmd.SetOut(&out)
			err := cmd.Execute()
			code, said := 0, out.String()
			if err != nil {
				code, said = 1, said+err.Error()
			}
			var own *exitError
			if errors.As(err, &own) {
				code = own.code
			}
			assert.Equal(t, c.code, code)
			assert.Contains(t, said, c.says)
		})
	}
}

// TestAStackIsNoFile: a file of a stack's name is taken for the file.
func TestAStackIsNoFile(t *testing.T) {
	here, err := os.Getwd()
	require.NoError(t, err)
	assert.True(t, isStack(here, "prod"))
	assert.False(t, isStack(here, "pord"))
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("prod", nil, 0o600))
	assert.False(t, isStack(here, "prod"))
}
