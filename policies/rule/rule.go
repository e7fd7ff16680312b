package rule

import (
	"fmt"
	"strings"
)

// Level says what a failed rule does to an update.
type Level string

// Levels, from nothing to everything.
const (
	Disabled  Level = "disabled"
	Advisory  Level = "advisory"
	Mandatory Level = "mandatory"
)

// ParseLevel refuses words that are no level.
func ParseLevel(text string) (Level, error) {
	switch level := Level(text); level {
	case Disabled, Advisory, Mandatory:
		return level, nil
	default:
		return "", fmt.Errorf("%q is no enforcement level; use mandatory, advisory or disabled", text)
	}
}

// Complaint is what a rule has against a resource.
type Complaint struct {
	// Path is where in the resource; empty for the resource as a whole.
	Path string
	// Message says what is wrong, never what a secret is.
	Message string
	// Unless is the path of a value that would excuse it, such as the namespace;
	// where that is not known, nothing is decided.
	Unless string
	// Undecided says that the rule cannot tell, whatever is known.
	Undecided bool
}

// Complain is a list of one complaint.
func Complain(path, format string, args ...any) []Complaint {
	return []Complaint{{Path: path, Message: fmt.Sprintf(format, args...)}}
}

// Unless says of complaints that the value at a path could excuse them.
func Unless(path string, complaints []Complaint) []Complaint {
	for i := range complaints {
		complaints[i].Unless = path
	}
	return complaints
}

// Check is a rule's function from data to complaints. It must not change what
// it is given.
type Check func(s *Stack, r *Resource, limits Limits) []Complaint

// Rule is one thing that must never be true.
type Rule struct {
	// ID is short, unique and kept for ever: waivers and levels name it.
	ID string
	// Title says what must hold. Why says what happens otherwise. Remedy says
	// what to do. References are where to read more.
	Title, Why, Remedy string
	References         []string
	// Level is the enforcement level where the settings say nothing; empty means
	// Mandatory.
	Level Level
	// Types are the type tokens the rule concerns.
	Types []string
	// Reads are patterns of the properties the answer depends on. "pod." stands
	// for the pod's spec wherever the type keeps it, "container." for each of its
	// containers, init containers included.
	Reads []string
	// Consults are patterns of properties of other resources that the answer
	// depends on, by type. A rule that has some is judged when the whole stack is
	// known, all others when a resource is.
	Consults map[string][]string
	// Exhaustive says that one unknown value among those consulted can turn a
	// pass into a failure; without it a pass needs only one good resource, and an
	// unknown value can turn a failure into a pass.
	Exhaustive bool
	// EitherWay says that one unknown value among those consulted can do both, so
	// that nothing is decided while there is one.
	EitherWay bool
	// OfDeletes says that the rule also asks about resources that will be gone.
	OfDeletes bool
	Check     Check
	// Admission is the same check for an API server, where it can be said there.
	Admission *Admission
	// Example is a change to the example platform that breaks this rule alone.
	Example Example
	// Subject is the package's name; Group sets it.
	Subject string

	consults map[string][][]string
	reads    map[string][][]string
}

// OfStack tells whether the rule needs the whole stack.
func (r *Rule) OfStack() bool { return len(r.Consults) > 0 }

// DefaultLevel is the level where the settings say nothing.
func (r *Rule) DefaultLevel() Level {
	if r.Level == "" {
		return Mandatory
	}
	return r.Level
}

// Admission is a condition in the Common Expression Language that holds for
// objects the rule passes. Within it, pod is the pod's spec and containers its
// containers, init containers included; object is the object itself.
type Admission struct {
	Holds string
	// Under makes the condition where it depends on thresholds; Holds is empty
	// then.
	Under func(Limits) string
}

// Condition is the condition under the thresholds of a stack.
func (a *Admission) Condition(limits Limits) string {
	if a.Under != nil {
		return a.Under(limits)
	}
	return a.Holds
}

// Example is a change to the example platform.
type Example struct {
	// Resource is the ID of the resource that is changed and must be complained
	// about; with Add it is that of the resource added.
	Resource string
	// Set are values by path; nil removes.
	Set map[string]any
	// Also are changes to other resources, by ID.
	Also map[string]map[string]any
	// Remove are IDs of resources left out.
	Remove []string
	// Add is YAML of further resources, in the form of the example platform.
	Add string
	// Operation is what the update does to Resource.
	Operation Operation
	// Stack is the stack's name, where the rule asks; empty means prod.
	Stack string
	// Unknown is the path that the undecided case does not know. Empty means the
	// one path in Set; UnknownIn is the ID of the resource it lies in, empty
	// meaning Resource.
	Unknown, UnknownIn string
}

// Group gives rules their subject and prepares their patterns.
func Group(subject string, rules ...*Rule) []*Rule {
	for _, r := range rules {
		r.Subject = subject
		r.prepare()
	}
	return rules
}

func (r *Rule) prepare() {
	r.reads = map[string][][]string{}
	for _, token := range r.Types {
		for _, pattern := range r.Reads {
			for _, expanded := range expand(token, pattern) {
				r.reads[token] = append(r.reads[token], steps(expanded))
			}
		}
	}
	r.consults = map[string][][]string{}
	for token, patterns := range r.Consults {
		for _, pattern := range patterns {
			for _, expanded := range expand(token, pattern) {
				r.consults[token] = append(r.consults[token], steps(expanded))
			}
		}
	}
}

// expand replaces the words for a pod's spec and containers.
func expand(token, pattern string) []string {
	if rest, ok := strings.CutPrefix(pattern, "container."); ok {
		return []string{podPath(token) + ".containers[*]." + rest, podPath(token) + ".initContainers[*]." + rest}
	}
	if rest, ok := strings.CutPrefix(pattern, "pod."); ok {
		return []string{podPath(token) + "." + rest}
	}
	if rest, ok := strings.CutPrefix(pattern, "template."); ok {
		return []string{strings.TrimSuffix(podPath(token), "spec") + rest}
	}
	return []string{pattern}
}
