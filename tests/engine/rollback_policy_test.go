package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/internal/rollback"
)

// ruling writes a policy pack that says something about a resource whose URN
// has an end, of which the level may be another in a preview than in an update. It notes in
// a file how often it was started.
func ruling(t *testing.T, inPreview, inUpdate, about string) (pack string, starts func() int) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "module")
	require.NoError(t, os.CopyFS(dir, os.DirFS(bench.module)))
	notes := filepath.Join(t.TempDir(), "notes")
	pack = filepath.Join(dir, "policypack")
	source := `package main

import (
	"context"
	"os"
	"strings"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"
)

func main() {
	notes, err := os.OpenFile("NOTES", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = notes.WriteString("started\n")
	}
	if err == nil {
		err = policyx.Main(pack)
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

func pack(ctx *pulumi.Context) (policyx.PolicyPack, error) {
	level := policyx.EnforcementLevelUPDATE
	if ctx.DryRun() {
		level = policyx.EnforcementLevelPREVIEW
	}
	rule := policyx.NewResourceValidationPolicy("nothing-old", policyx.ResourceValidationPolicyArgs{
		Description:      "Nothing old.",
		EnforcementLevel: level,
		ValidateResource: func(_ context.Context, args policyx.ResourceValidationArgs) error {
			if strings.HasSuffix(string(args.Resource.URN), "ABOUT") {
				args.Manager.ReportViolation("this is old", args.Resource.URN)
			}
			return nil
		},
	})
	return policyx.NewPolicyPack("ruling", semver.MustParse("0.1.0"), policyx.EnforcementLevelAdvisory, []policyx.Policy{rule})
}
`
	source = strings.NewReplacer("NOTES", notes, "ABOUT", about, "LevelUPDATE", "Level"+inUpdate, "LevelPREVIEW", "Level"+inPreview).Replace(source)
	require.NoError(t, os.WriteFile(filepath.Join(pack, "main.go"), []byte(source), 0o600))
	return pack, func() int {
		said, err := os.ReadFile(notes)
		require.NoError(t, err)
		return strings.Count(string(said), "\n")
	}
}

// TestRollbackIsHeldToPolicies asks today's policies about an old program: what
// they forbid is refused, and they are asked again by the update only about
// what the preview could not tell them.
func TestRollbackIsHeldToPolicies(t *testing.T) {
	s := newShop(t)
	s.release("one", sign, item{Kind: "pet", Name: "old", Keeper: "1"})
	s.release("two", sign2)

	forbidden := s.to("1")
	pack, _ := ruling(t, "Mandatory", "Mandatory", "::old")
	forbidden.Policies = []string{pack}
	said := s.refused(forbidden, rollback.ErrPolicy)
	require.Contains(t, said, "old: nothing-old: ")
	require.Contains(t, said, "this is old")

	surprised := s.to("1")
	pack, starts := ruling(t, "Advisory", "Mandatory", "::old")
	surprised.Policies = []string{pack}
	_, err := surprised.Run(t.Context(), testWriter{t})
	require.ErrorContains(t, err, "run the same command again to continue")
	require.NotContains(t, s.outputs(), "old", "what the update's policies forbid was made")
	require.Equal(t, 2, starts(), "the update has to ask")

	silent := s.to("1")
	pack, starts = ruling(t, "Disabled", "Disabled", "::old")
	silent.Policies = []string{pack}
	require.True(t, s.mustRollBack(silent).Applied)
	require.Contains(t, s.outputs(), "old")
	require.Equal(t, 1, starts(), "the preview has been told everything")
}
