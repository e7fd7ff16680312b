package image

// Archive is a container image on disk, ready to be imported by a node.
type Archive struct {
	// Ref is the full name the image is run under, registry and tag included,
	// e.g. registry.k8s.io/pause:3.10.
	Ref string
	// Path is an uncompressed OCI image layout in one tar file. Its index holds
	// exactly one image and names it Ref (annotation io.containerd.image.name),
	// so `ctr --namespace k8s.io images import Path` needs no further option.
	Path string
	// Digest is that of the image's manifest, "sha256:...": what containerd
	// shows as the image's target after an import. A node that already has Ref
	// with this target lacks nothing.
	Digest string
}

// Size is the archive's length for a person to read, "-" when it is gone.
func (a Archive) Size() string {
	if size := fileSize(a.Path); size > 0 {
		return humanSize(size)
	}
	return "-"
}
