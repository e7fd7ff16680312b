package image

import (
	"path"
	"strings"
)

// Kind says what an image is made from.
type Kind string

// The kinds of image.
const (
	// Program images hold one Go program from the toolchain.
	Program Kind = "program"
	// Package images hold a program of a Debian package.
	Package Kind = "package"
	// Dockerfile images are built from a directory of this repository.
	Dockerfile Kind = "dockerfile"
)

// Spec describes one image of the platform.
type Spec struct {
	// Ref is the full name with its tag. Images of this repository carry the
	// tag of their source directory.
	Ref string
	// Kind says how it is made.
	Kind Kind
	// From is what it is made of: a tool, a Debian package, or a directory
	// relative to the checkout.
	From string
	// Lab is set for what only the lab runs: a cluster on AWS comes with its own.
	Lab bool

	// program says how a Program image is laid out.
	program *program
	// fault is why the image cannot be named, e.g. a missing directory. It is
	// reported when the image is asked for and not before, so that one
	// unfinished directory does not take the other images away.
	fault error
}

// own reports whether it holds a Go program of this repository.
func (s Spec) own() bool { return s.Kind == Program && strings.HasPrefix(s.From, ownDir) }

// Repository is Ref without its tag.
func (s Spec) Repository() string { return repository(s.Ref) }

// InRegistry is the image's path and tag in an account's own registry, below the
// path that all have there; empty for what only the lab runs.
func (s Spec) InRegistry() string {
	if s.Lab {
		return ""
	}
	return path.Base(s.Ref)
}

func repository(ref string) string {
	// The last colon starts a tag only after the last slash; before it, it
	// belongs to a registry's port.
	if at := strings.LastIndexByte(ref, ':'); at > strings.LastIndexByte(ref, '/') {
		return ref[:at]
	}
	return ref
}

// program is the layout of an image that holds one static Go program.
type program struct {
	// Path is where the program lies in the image.
	Path string
	// Entrypoint is what runs; the first word is Path, a link to it, or a
	// name found on the PATH.
	Entrypoint []string
	// Link is another name for the program, for programs that act by the name
	// they are called by. The program itself stays in a layer that such images
	// share.
	Link string
	// User is the numeric user, with its group after a colon.
	User string
	// Certificates adds the public certificate authorities, for programs that
	// call services outside the cluster.
	Certificates bool
	// BindService lets the program, run as a user, open ports below 1024, as
	// far as the pod grants NET_BIND_SERVICE. The pod must grant it even when
	// it uses higher ports: the kernel refuses to run the file otherwise.
	BindService bool
}
