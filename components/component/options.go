package component

import "github.com/pulumi/pulumi/sdk/v3/go/pulumi"

// Under returns the options of a resource that belongs to parent: extra, then
// the parent. The slice is fresh on every call, so that two children never
// write into each other's options, and Parent comes last, because the last of
// two parents wins. The options a caller gave the component itself are not
// passed on: its alias or import ID would be repeated on every child.
func Under(parent pulumi.Resource, extra ...pulumi.ResourceOption) []pulumi.ResourceOption {
	opts := make([]pulumi.ResourceOption, 0, len(extra)+1)
	opts = append(opts, extra...)
	return append(opts, pulumi.Parent(parent))
}

// Stance says what a destroy or a replacement may do to a resource.
type Stance int

const (
	// Disposable resources are rebuilt from the program.
	Disposable Stance = iota
	// Guarded resources hold data or the only copy of a key. Deleting or
	// replacing one fails until it is unprotected on purpose.
	Guarded
	// Abandoned resources outlive the stack. Once destroyed, Pulumi has
	// forgotten them and somebody else has to delete them.
	Abandoned
)

// Guard is the stance of what holds data or protects it: Guarded, unless the
// operator took the first of the two steps that deleting it needs.
func Guard(unprotected bool) Stance {
	if unprotected {
		return Disposable
	}
	return Guarded
}

// String names the stance as it is spoken of in documents.
func (s Stance) String() string {
	switch s {
	case Guarded:
		return "guarded"
	case Abandoned:
		return "abandoned"
	default:
		return "disposable"
	}
}

// Options returns the resource options of the stance. Disposable has none, so
// that a parent's stance still reaches the child.
func (s Stance) Options() []pulumi.ResourceOption {
	switch s {
	case Guarded:
		return []pulumi.ResourceOption{pulumi.Protect(true)}
	case Abandoned:
		return []pulumi.ResourceOption{pulumi.RetainOnDelete(true)}
	default:
		return nil
	}
}
