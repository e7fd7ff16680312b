package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestBadInputToACloudStack gives dev what is wrong about accounts, settings and
// tools: each is refused with what it is and where, before anything is made.
func TestBadInputToACloudStack(t *testing.T) {
	set := func(pairs ...string) (changes [][2]string) {
		for i := 0; i+1 < len(pairs); i += 2 {
			changes = append(changes, [2]string{"slipway:" + pairs[i], pairs[i+1]})
		}
		return changes
	}
	for title, test := range map[string]struct {
		changes [][2]string
		env     []string
		want    string
	}{
		"wrong account":       {nil, []string{"SLIPWAY_SIMULATION_ACCOUNT=999999999999"}, "AWS account ID not allowed: 999999999999"},
		"expired credentials": {nil, []string{"SLIPWAY_SIMULATION_CREDENTIALS=expired"}, "ExpiredToken"},
		"no credentials":      {nil, []string{"SLIPWAY_SIMULATION_CREDENTIALS=missing"}, "no valid credential sources found"},
		"wrong region":        {set("aws.region", "eu-west-1"), nil, `aws.network.zones[0]: "eu-central-1a" is not a zone of region "eu-west-1"`},
		"no region":           {set("aws.region", "frankfurt"), nil, `aws.region: "frankfurt" is not a region such as eu-central-1`},
		"no such region": {set("aws.region", "eu-zentral-1", "aws.network.zones[0]", "eu-zentral-1a", "aws.network.zones[1]", "eu-zentral-1b"), nil,
			`"eu-zentral-1", which is not a region`},
		"a zone that the region does not have": {set("aws.network.zones[1]", "eu-central-1f"), nil, "the region has no such zone: eu-central-1f"},
		"a range too small":                    {set("aws.network.cidr", "10.20.0.0/24"), nil, "aws.network.cidr: not a usable VPC range: 10.20.0.0/24 must be /16 to /22"},
		"a range of others":                    {set("aws.network.cidr", "54.20.0.0/18"), nil, "aws.network.cidr: not a usable VPC range: 54.20.0.0/18 is not private"},
		"ranges that overlap":                  {set("aws.cluster.serviceCIDR", "10.20.0.0/16"), nil, "aws.cluster.serviceCIDR: 10.20.0.0/16 overlaps aws.network.cidr = 10.20.0.0/18"},
		"an unknown machine":                   {set("aws.cluster.nodeGroups.general.instanceTypes[0]", "z9.large"), nil, `instanceTypes[0]: "z9.large" is not known here`},
		"an image without tag": {set("api.strategy", "blueGreen", "api.blueGreen.blue", "slipway.dev/api"), nil,
			`api.blueGreen.blue: "slipway.dev/api" is neither "checkout" nor the tag of an image`},
		"a tag that is none": {set("api.strategy", "blueGreen", "api.blueGreen.blue", "not a tag"), nil,
			`api.blueGreen.blue: "not a tag" is neither "checkout" nor the tag of an image`},
		"a domain of others":  {set("api.host", "api.other.example"), nil, `api.host: "api.other.example" is not inside dns.publicZone "dev.slipway.example"`},
		"a wrong passphrase":  {nil, []string{"PULUMI_CONFIG_PASSPHRASE=wrong"}, "incorrect passphrase"},
		"no bucket for state": {nil, []string{"PULUMI_BACKEND_URL=file:///nowhere/at/all"}, "/nowhere/at/all"},
		"throttled for ever":  {nil, []string{"SLIPWAY_SIMULATION_THROTTLE=1"}, "exceeded the maximum of 25 attempts"},
	} {
		t.Run(title, func(t *testing.T) {
			said, made, err := rehearse(t, "dev").Try(context.Background(), test.changes, test.env, "preview")
			require.Error(t, err)
			assert.Contains(t, said, test.want)
			assert.Zero(t, made)
		})
	}
	t.Run("no plugin", func(t *testing.T) {
		r := rehearse(t, "dev")
		r.Plugins = []string{bench.bin, filepath.Dir(r.Plugins[2])}
		said, _, err := r.Try(context.Background(), nil, nil, "preview")
		require.Error(t, err)
		assert.Contains(t, said, "no resource plugin 'pulumi-resource-aws' found in the workspace at version v6.83.2")
	})
	t.Run("a quota that is reached", func(t *testing.T) {
		said, _, err := rehearse(t, "dev").Try(context.Background(), nil, []string{"SLIPWAY_SIMULATION_QUOTAS=vpcs=0"}, "up", "--yes", "--skip-preview")
		require.Error(t, err)
		assert.Contains(t, said, "VpcLimitExceeded")
	})
	t.Run("locked by another", func(t *testing.T) {
		s := declared(t, "dev")
		config := s.begin("dev")
		locks := filepath.Join(s.backend, ".pulumi", "locks", "organization", "slipway", "dev")
		require.NoError(t, os.MkdirAll(locks, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(locks, "elsewhere.json"),
			[]byte(`{"pid":1,"username":"bob","hostname":"elsewhere","timestamp":"2026-01-02T03:04:05Z"}`), 0o600))
		said, ok := s.run("up", "--yes", "--skip-preview", "--stack", "dev", "--config-file", config)
		assert.False(t, ok)
		assert.Contains(t, said, "the stack is currently locked by 1 lock(s)")
		assert.Contains(t, said, "bob@elsewhere (pid 1)")
	})
	t.Run("no bucket for state on S3", func(t *testing.T) {
		address := strings.Replace(newServer(t).address(), "s3://"+bucket, "s3://nowhere", 1)
		said, made, err := rehearse(t, "dev").Try(context.Background(), nil, append(credentials(), "PULUMI_BACKEND_URL="+address), "preview")
		require.Error(t, err)
		assert.Contains(t, said, "NoSuchBucket")
		assert.Zero(t, made)
	})
	t.Run("a key that is not there", func(t *testing.T) {
		const key = "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000"
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte("name: slipway\nruntime: go\n"), 0o600))
		init := exec.Command(filepath.Join(bench.bin, "pulumi"), "--non-interactive", "stack", "init", "dev", "--secrets-provider", "awskms:///"+key+"?region=eu-central-1&awssdk=v2")
		init.Dir = dir
		init.Env = append(append(os.Environ(), credentials()...), "PULUMI_BACKEND_URL=file://"+dir, "PULUMI_HOME="+t.TempDir(),
			"PULUMI_SKIP_UPDATE_CHECK=true", "AWS_ENDPOINT_URL_KMS="+noKeys(t, key))
		said, err := init.CombinedOutput()
		require.Error(t, err)
		assert.Contains(t, string(said), "NotFoundException")
		assert.Contains(t, string(said), key)
		assert.NoFileExists(t, filepath.Join(dir, ".pulumi", "stacks", "slipway", "dev.json"))
	})
}

// TestAStackStaysWhereItStands gives stacks that stand the settings of another
// region or account, with whatever credentials fit: nothing may be made there,
// and nothing that stands be touched.
func TestAStackStaysWhereItStands(t *testing.T) {
	const other = "444455556666"
	region := [][2]string{{"slipway:aws.region", "eu-west-1"}, {"slipway:aws.network.zones[0]", "eu-west-1a"}, {"slipway:aws.network.zones[1]", "eu-west-1b"}}
	moved := [][2]string{{"slipway:aws.account", other}}
	there := []string{"SLIPWAY_SIMULATION_ACCOUNT=" + other, "SLIPWAY_SIMULATION_IDENTITY=arn:aws:iam::" + other + ":role/slipway-dev-deploy"}
	elsewhere := "the stack stands elsewhere: aws.region is eu-west-1, but stack dev stands in eu-central-1"
	taken := "the stack stands elsewhere: aws.account is " + other + ", but stack dev stands in " + account
	preview, up := []string{"preview"}, []string{"up", "--yes", "--skip-preview"}
	for title, test := range map[string]struct {
		stack   string
		changes [][2]string
		env     []string
		args    []string
		want    string
	}{
		"preview of another region":              {"dev", region, nil, preview, elsewhere},
		"update to another region":               {"dev", region, nil, up, elsewhere},
		"update of the account's stack":          {"account", region[:1], nil, up, strings.Replace(elsewhere, "stack dev", "stack account", 1)},
		"preview of another account":             {"dev", moved, nil, preview, taken},
		"preview with the other's credentials":   {"dev", moved, there, preview, taken},
		"update with the other's credentials":    {"dev", moved, there, up, taken},
		"credentials of another account":         {"dev", nil, there, up, "AWS account ID not allowed: " + other},
		"the shell's region is not the stack's":  {"dev", nil, []string{"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1"}, preview, ""},
		"another region in both, and in a shell": {"dev", region, []string{"AWS_REGION=eu-west-1"}, preview, elsewhere},
	} {
		t.Run(title, func(t *testing.T) {
			r := rehearse(t, test.stack)
			recorded, err := r.Release()
			require.NoError(t, err)
			said, made, err := r.TryStanding(context.Background(), recorded, test.changes, test.env, test.args...)
			assert.Zero(t, made)
			if test.want == "" {
				require.NoError(t, err)
				assert.NotContains(t, said, "+-pulumi:providers:aws")
				return
			}
			require.Error(t, err)
			assert.Contains(t, said, test.want)
			assert.NotContains(t, said, "replaced")
		})
	}
}

// TestAKeyThatDoesNotOpenTheState: a stack that stands, whose key is gone, is
// not ours, or is another stack's, is left as it is.
func TestAKeyThatDoesNotOpenTheState(t *testing.T) {
	service := &keyService{}
	address := httptest.NewServer(service)
	t.Cleanup(address.Close)
	s := newStack(t)
	s.env = append(s.env, append(credentials(), "AWS_ENDPOINT_URL_KMS="+address.URL)...)
	s.must("stack", "rm", "test", "--yes")
	const key = "awskms:///arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-00000000000%d?region=eu-central-1&awssdk=v2"
	config := filepath.Join(s.dir, "Pulumi.test.yaml")
	s.must("stack", "init", "other", "--secrets-provider", fmt.Sprintf(key, 1))
	others, err := os.ReadFile(filepath.Join(s.dir, "Pulumi.other.yaml"))
	require.NoError(t, err)
	s.must("stack", "init", "test", "--secrets-provider", fmt.Sprintf(key, 1))
	s.must("config", "set", "--stack", "test", "--secret", "hidden", "battery staple")
	s.up("--stack", "test")
	own, err := os.ReadFile(config)
	require.NoError(t, err)
	wrapped := regexp.MustCompile(`(?m)^encryptedkey: .*$`)
	require.Regexp(t, wrapped, string(own))
	state := filepath.Join(s.backend, ".pulumi", "stacks")
	before := tree(t, state)
	for title, test := range map[string]struct {
		config  []byte
		refused string
		want    string
	}{
		"deleted":           {own, "KMSInvalidStateException", "KMSInvalidStateException"},
		"not for us":        {own, "AccessDeniedException", "AccessDeniedException"},
		"of another stack":  {wrapped.ReplaceAll(own, wrapped.Find(others)), "", "message authentication failed"},
		"opened, as before": {own, "", ""},
	} {
		t.Run(title, func(t *testing.T) {
			require.NoError(t, os.WriteFile(config, test.config, 0o600))
			service.refuse.Store(&test.refused)
			said, ok := s.run("preview", "--stack", "test")
			assert.Equal(t, test.want == "", ok)
			assert.Contains(t, said, test.want)
			if test.want == "" {
				return
			}
			said, ok = s.run("up", "--yes", "--skip-preview", "--stack", "test")
			assert.False(t, ok)
			assert.Contains(t, said, test.want)
			assert.Equal(t, before, tree(t, state), "the state was touched")
		})
	}
}

// tree are the files below a directory, each with the digest of what is in it.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		files[path] = fmt.Sprintf("%x", sha256.Sum256(body))
		return err
	}))
	return files
}

// keyService wraps data keys as Amazon's key service does, in a form that only
// it can open, unless it is told to refuse.
type keyService struct {
	// refuse is the code with which it refuses to decrypt; empty means that it
	// does not.
	refuse atomic.Pointer[string]
}

func (k *keyService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Plaintext, CiphertextBlob []byte }
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := map[string]any{"KeyId": "key"}
	const mark = "wrapped:"
	switch refuse := k.refuse.Load(); {
	case r.Header.Get("X-Amz-Target") == "TrentService.Encrypt":
		answer["CiphertextBlob"] = append([]byte(mark), asked.Plaintext...)
	case refuse != nil && *refuse != "":
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]any{"__type": *refuse, "message": "this key is not for you"}
	default:
		answer["Plaintext"] = bytes.TrimPrefix(asked.CiphertextBlob, []byte(mark))
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// credentials are for services that the test itself runs.
func credentials() []string {
	return []string{"AWS_ACCESS_KEY_ID=slipway", "AWS_SECRET_ACCESS_KEY=correct horse", "AWS_REGION=eu-central-1", "AWS_EC2_METADATA_DISABLED=true"}
}

// noKeys answers as Amazon's key service does to whoever names a key that it
// does not have.
func noKeys(t *testing.T, key string) string {
	t.Helper()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `{"__type":"NotFoundException","message":"Key '%s' does not exist"}`, key)
	}))
	t.Cleanup(service.Close)
	return service.URL
}
