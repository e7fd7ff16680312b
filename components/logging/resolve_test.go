package logging

import (
	"path"
	"strings"
	"testing"
)

func matches(t *testing.T, globs []string, file string) bool {
	t.Helper()
	for _, glob := range globs {
		found, err := path.Match(glob, inPod().Logs+"/"+file)
		if err != nil {
			t.Fatal(err)
		}
		if found {
			return true
		}
	}
	return false
}

func TestFaultsNameTheirPath(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*Args)
		want  string
	}{
		"image":           {func(a *Args) { a.Image = "" }, "image: is empty"},
		"namespace":       {func(a *Args) { a.Namespace = "A" }, `namespace: "A" is not`},
		"profile":         {func(a *Args) { a.Profile = "none" }, `profile: "none" is none of standard, off`},
		"line":            {func(a *Args) { a.MaxLineBytes = 10 }, "maxLineBytes: is 10, must be 1024"},
		"class name":      {func(a *Args) { a.Classes[0].Name = "Access log" }, `classes[0].name: "Access log" must be`},
		"class twice":     {func(a *Args) { a.Classes[1].Name = "access" }, `classes[1].name: "access" is used twice`},
		"days":            {func(a *Args) { a.Classes[0].Days = 0 }, "classes[0].days: is 0, must be 1"},
		"disk":            {func(a *Args) { a.Classes[0].DiskMiB = 1 }, "classes[0].diskMiB: is 1, must be at least 4"},
		"no rest":         {func(a *Args) { a.Classes = a.Classes[:2] }, "classes: hold 0 without namespaces"},
		"two rests":       {func(a *Args) { a.Classes[0].Namespaces = nil }, "classes: hold 2 without namespaces"},
		"namespace twice": {func(a *Args) { a.Classes[1].Namespaces[0] = "slipway-ingress" }, "classes[1].namespaces[0]: slipway-ingress belongs to access already"},
		"namespace name":  {func(a *Args) { a.Classes[1].Namespaces[0] = "*" }, `classes[1].namespaces[0]: "*" is not`},
		"bucket":          {func(a *Args) { a.S3 = bucket(); a.S3.Bucket = "" }, `s3.bucket: is "" in region "eu-central-1"`},
		"region":          {func(a *Args) { a.S3 = bucket(); a.S3.Region = "" }, `in region "", both must`},
		"minutes":         {func(a *Args) { a.S3 = bucket(); a.S3.Minutes = 61 }, "s3.minutes: is 61, must be 1 to 60"},
		"role":            {func(a *Args) { a.S3 = bucket(); a.S3.Role = nil }, "s3.role: is missing"},
		"annotation":      {func(a *Args) { a.S3 = bucket(); a.S3.RoleAnnotation = "" }, "s3.role: is missing"},
		"spans' days":     {func(a *Args) { a.Traces = traced().Traces; a.Traces.Days = 0 }, "traces.days: is 0, must be 1"},
		"spans' disk":     {func(a *Args) { a.Traces = traced().Traces; a.Traces.DiskMiB = 3 }, "traces.diskMiB: is 3, must be at least 4"},
		"no senders":      {func(a *Args) { a.Traces = traced().Traces; a.Traces.Namespaces = nil }, "traces.namespaces: is empty"},
		"sender":          {func(a *Args) { a.Traces = traced().Traces; a.Traces.Namespaces[1] = "*" }, `traces.namespaces[1]: "*" is not`},
		"spans' class":    {func(a *Args) { a.Classes[0].Name = "traces" }, `classes[0].name: "traces" is the class of spans`},
		"inside":          {func(a *Args) { a.S3 = bucket(); a.S3.Inside = []string{"10.0.0.0"} }, "s3.inside[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			broken := args()
			test.spoil(&broken)
			_, err := resolve(broken)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want it to say %s", err, test.want)
			}
		})
	}
}

func TestFaultsAreReportedTogether(t *testing.T) {
	broken := args()
	broken.Image, broken.S3 = "", &S3{Inside: []string{"x"}}
	_, err := resolve(broken)
	for _, path := range []string{"image: ", "s3.bucket: ", "s3.minutes: ", "s3.role: ", "s3.inside[0]"} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s is not in %v", path, err)
		}
	}
}

func TestResolveLeavesTheCallersArgsAlone(t *testing.T) {
	given := traced()
	p, err := resolve(given)
	if err != nil {
		t.Fatal(err)
	}
	p.Classes[0].Days, p.Classes[1].Namespaces[0], p.Traces.Namespaces[0] = 99, "changed", "changed"
	if given.Classes[0].Days != 7 || given.Classes[1].Namespaces[0] != "slipway-database" || given.Traces.Namespaces[0] != "slipway-ingress" {
		t.Errorf("they became %+v", given)
	}
}
