package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// recipe is part of every key. Raise it when the way images are put together
// changes, so that those of an older builder are not mistaken for current.
const recipe = 1

// key names everything that decides what is in spec's image.
func (b *Builder) key(spec Spec) (string, error) {
	if spec.fault != nil {
		return "", fmt.Errorf("image %s: reading %s, which it is built from (is the checkout complete?): %w",
			spec.Ref, spec.From, spec.fault)
	}
	inputs := []any{recipe, spec.Ref, spec.Kind, runtime.GOARCH, spec.program}
	var more string
	var err error
	switch {
	case spec.Kind == Dockerfile:
		more, err = b.baseKey()
	case spec.Kind == Package:
		more = b.generation()
	case spec.own():
		more, err = b.ownKey(spec)
		more += b.authoritiesKey(spec)
	default:
		more, err = b.toolKey(spec)
	}
	if err != nil {
		return "", fmt.Errorf("image %s: %w", spec.Ref, err)
	}
	return keyOf(append(inputs, more)...)
}

// toolKey names a tool by its content, so that building the same tool again
// makes no new image.
func (b *Builder) toolKey(spec Spec) (string, error) {
	path, err := b.tools.Path(spec.From)
	if err != nil {
		return "", err
	}
	content, err := b.digests.of(path)
	if err != nil {
		return "", err
	}
	return content + b.authoritiesKey(spec), nil
}

// authoritiesKey is about the authorities in an image, which a distribution package
// brings; empty where there are none.
func (b *Builder) authoritiesKey(spec Spec) string {
	if !spec.program.Certificates {
		return ""
	}
	return "+" + b.generation()
}

// keyOf hashes values into a file name.
func keyOf(values ...any) (string, error) {
	raw, err := json.Marshal(values)
	if err != nil {
		return "", fmt.Errorf("naming an image: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])[:16], nil
}

// generation says when distribution packages were last asked for; they change
// without any change in this repository.
func (b *Builder) generation() string {
	raw, err := os.ReadFile(filepath.Join(b.dir, "generation"))
	if err != nil {
		return "first"
	}
	return strings.TrimSpace(string(raw))
}

// Refresh makes every image with distribution packages in it out of date, so
// that the next build takes today's packages, with their security updates.
// Images built before stay until others take their place.
func (b *Builder) Refresh() error {
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return err
	}
	return replaceFile(filepath.Join(b.dir, "generation"), []byte(time.Now().UTC().Format("20060102T150405Z")))
}
