package logging

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Defaults of Args.
const (
	DefaultNamespace    = "slipway-logging"
	DefaultMaxLineBytes = 32 << 10
)

// Profile says what is removed from a record before it is stored.
type Profile string

const (
	// Standard truncates addresses to their network and removes credentials,
	// e-mail addresses and query strings.
	Standard Profile = "standard"
	// Off stores what programs wrote.
	Off Profile = "off"
)

// Profiles lists what Args.Profile accepts.
func Profiles() []string { return []string{string(Standard), string(Off)} }

// Args describes which logs are kept, and how.
type Args struct {
	// Namespace is created for the collectors, and its own logs are not read.
	// Default: slipway-logging. A change replaces them; the archive stays.
	Namespace string
	// Image is the collector's. Required. A change rolls the pods, one node
	// after the other; what is written meanwhile is read afterwards.
	Image string
	// Classes divide the logs by namespace. At least one; exactly one names no
	// namespaces and gets what no other class does.
	Classes []Class
	// Profile is Standard or Off. Default: Standard. A change holds for what is
	// read from then on; what is stored stays as it is.
	Profile Profile
	// MaxLineBytes is where a text of a record is cut, 1024 to 1048576. Default:
	// 32768.
	MaxLineBytes int
	// MonitoringNamespace may scrape metrics. Empty: nobody may.
	MonitoringNamespace string
	// Traces takes spans as well. Nil: nobody may send any. Spans are redacted and
	// kept by the same rules. A change rolls the pods; what is sent meanwhile is sent
	// again, for some seconds, and then lost.
	Traces *Traces
	// S3 is a bucket that gets a copy of every file of the archive. Nil: logs are
	// on the nodes alone. A change rolls the pods, which then copy what has no copy
	// yet: what was copied to another bucket has one. Taking it away leaves what was
	// copied.
	S3 *S3
}

// Class is a kind of log with a time and a share of the disk of its own.
type Class struct {
	// Name is part of file names: lower-case letters.
	Name string
	// Namespaces are those whose pods' logs belong to the class; none, for the
	// class of everything else.
	Namespaces []string
	// Days is how long a record is kept at most, 1 to 3650. A change takes effect
	// within a minute of the pods' rollout, for what is stored already too.
	Days int
	// DiskMiB is how much of each node's disk the class may take, compressed; at
	// least 4. When it is full, the oldest records go before their time.
	DiskMiB int
}

// plan is Args with its defaults, found to be free of faults.
type plan struct{ Args }

var (
	namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	className     = regexp.MustCompile(`^[a-z]{1,32}$`)
)

func resolve(args Args) (plan, error) {
	var faults []error
	fault := func(path, format string, values ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
	}
	p := plan{Args: args}
	p.Namespace = cmp.Or(args.Namespace, DefaultNamespace)
	p.Profile = cmp.Or(args.Profile, Standard)
	p.MaxLineBytes = cmp.Or(args.MaxLineBytes, DefaultMaxLineBytes)
	p.Classes = slices.Clone(args.Classes)
	if !namespaceName.MatchString(p.Namespace) {
		fault("namespace", "%q is not a namespace name", p.Namespace)
	}
	if p.Image == "" {
		fault("image", "is empty, must name the collector's image")
	}
	if !slices.Contains(Profiles(), string(p.Profile)) {
		fault("profile", "%q is none of %s", p.Profile, strings.Join(Profiles(), ", "))
	}
	if p.MaxLineBytes < 1024 || p.MaxLineBytes > 1<<20 {
		fault("maxLineBytes", "is %d, must be 1024 to 1048576", p.MaxLineBytes)
	}
	rest, names, namespaces := 0, map[string]bool{}, map[string]string{}
	for i, class := range p.Classes {
		path := fmt.Sprintf("classes[%d]", i)
		p.Classes[i].Namespaces = slices.Clone(class.Namespaces)
		if !className.MatchString(class.Name) {
			fault(path+".name", "%q must be 1 to 32 lower-case letters", class.Name)
		} else if names[class.Name] {
			fault(path+".name", "%q is used twice", class.Name)
		}
		if class.Name == TracesClass {
			fault(path+".name", "%q is the class of spans; take another name", class.Name)
		}
		names[class.Name] = true
		if len(class.Namespaces) == 0 {
			rest++
		}
		for j, namespace := range class.Namespaces {
			at := fmt.Sprintf("%s.namespaces[%d]", path, j)
			if !namespaceName.MatchString(namespace) {
				fault(at, "%q is not a namespace name", namespace)
			} else if other, dup := namespaces[namespace]; dup {
				fault(at, "%s belongs to %s already", namespace, other)
			}
			namespaces[namespace] = class.Name
		}
		checkKept(path, class.Days, class.DiskMiB, fault)
	}
	if t := args.Traces; t != nil {
		traces := *t
		traces.Namespaces = slices.Clone(t.Namespaces)
		p.Traces = &traces
		checkKept("traces", t.Days, t.DiskMiB, fault)
		if len(t.Namespaces) == 0 {
			fault("traces.namespaces", "is empty: nobody could send any")
		}
		for i, namespace := range t.Namespaces {
			if !namespaceName.MatchString(namespace) {
				fault(fmt.Sprintf("traces.namespaces[%d]", i), "%q is not a namespace name", namespace)
			}
		}
	}
	if args.S3 != nil {
		faults = append(faults, args.S3.faults()...)
	}
	if rest != 1 {
		fault("classes", "hold %d without namespaces, must be one: what no class names would be lost or be kept twice", rest)
	}
	return p, errors.Join(faults...)
}

// checkKept reports what is wrong with how long, and how much of, a class is kept.
func checkKept(path string, days, diskMiB int, fault func(path, format string, values ...any)) {
	if days < 1 || days > 3650 {
		fault(path+".days", "is %d, must be 1 to 3650", days)
	}
	if diskMiB < 4 {
		fault(path+".diskMiB", "is %d, must be at least 4", diskMiB)
	}
}
