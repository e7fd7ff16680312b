package redact

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSecretsAreFoundInEveryForm(t *testing.T) {
	const password, pem = `corre"ct horse&`, "-----BEGIN KEY-----\nAAAABBBBCCCCDDDDEEEE\n-----END KEY-----"
	hide := New([]string{password, pem, "no", "corr"}, []string{"AWS_SECRET_ACCESS_KEY=abcdefgh", "GH_TOKEN=", "HOME=/home/ada", "KEYMAP=quertz"})
	for text, want := range map[string]string{
		"password " + password + " is wrong":                "password [secret] is wrong",
		`{"password":"corre\"ct horse\u0026"}`:              `{"password":"[secret]"}`,
		"postgres://u:corre%22ct+horse%26@db":               "postgres://u:[secret]@db",
		"postgres://u:corre%22ct%20horse&@db":               "postgres://u:[secret]@db",
		base64.StdEncoding.EncodeToString([]byte(password)): "[secret]",
		"key:\n    AAAABBBBCCCCDDDDEEEE\n":                  "key:\n    [secret]\n",
		"signed with abcdefgh in /home/ada":                 "signed with [secret] in /home/ada",
		"no such quertz":                                    "no such quertz",
	} {
		require.Equal(t, want, hide.In(text))
	}
	require.Equal(t, "as it is", Text{}.In("as it is"))
}
