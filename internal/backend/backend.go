// Package backend reads and tends the files that Pulumi's own backends keep:
// a stack's checkpoint, its history and its locks, in a directory or in an S3
// bucket.
//
// The layout is that of Pulumi's storage format, version 1, in which a stack
// belongs to a project. Nothing here writes where Pulumi writes, except that
// it deletes history entries that retention gives up and locks whose holders
// are dead. What Slipway itself keeps lies below .slipway in the same backend,
// which Pulumi does not look at.
package backend

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/fileblob" // file:// backends
	_ "gocloud.dev/blob/memblob"  // mem:// in tests
	"gocloud.dev/gcerrors"
)

// ErrNotFound is returned for an object the backend does not hold.
var ErrNotFound = errors.New("not found in the backend")

// ErrService is returned for Pulumi Cloud, which keeps no files.
var ErrService = errors.New("the service Pulumi Cloud keeps the history of its stacks itself")

// ErrNoDriver is returned for an s3:// backend by a program that was linked
// without the driver; see s3.go.
var ErrNoDriver = errors.New("this program cannot talk to S3")

// Backend is one place that holds stacks.
type Backend struct {
	bucket *blob.Bucket
	url    string
}

// Open opens what PULUMI_BACKEND_URL names: file://, s3:// or mem://.
func Open(ctx context.Context, address string) (*Backend, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("reading the backend's address %q: %w", address, err)
	}
	shown := (&url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}).String()
	prefix := ""
	switch parsed.Scheme {
	case "http", "https":
		return nil, fmt.Errorf("opening backend %s: %w; use its own console and `pulumi stack history`", shown, ErrService)
	case "file":
		if parsed, err = fileAddress(address); err != nil {
			return nil, err
		}
		// gocloud would leave a directory it cannot find to the first read,
		// which then reports an empty history.
		if info, err := os.Stat(parsed.Path); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("opening backend %s: there is no directory %s; log in or run `make up` first", shown, parsed.Path)
		}
	case "s3", "mem":
		prefix = strings.Trim(parsed.Path, "/")
		parsed.Path = ""
	default:
		return nil, fmt.Errorf("opening backend %s: the scheme must be file or s3", shown)
	}
	if !blob.DefaultURLMux().ValidBucketScheme(parsed.Scheme) {
		return nil, fmt.Errorf("opening backend %s: %w", shown, ErrNoDriver)
	}
	bucket, err := blob.OpenBucket(ctx, parsed.String())
	if err != nil {
		return nil, fmt.Errorf("opening backend %s: %w", shown, err)
	}
	if prefix != "" {
		bucket = blob.PrefixedBucket(bucket, prefix+"/")
	}
	return &Backend{bucket: bucket, url: shown}, nil
}

// fileAddress reads a file:// address as the CLI does: ~ is the home
// directory, and a relative path starts at the working directory.
func fileAddress(address string) (*url.URL, error) {
	place, query, _ := strings.Cut(strings.TrimPrefix(address, "file://"), "?")
	if place == "~" || strings.HasPrefix(place, "~/") {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("finding the home directory of backend %s: %w", address, err)
		}
		place = filepath.Join(home, strings.TrimPrefix(place, "~"))
	}
	place, err := filepath.Abs(place)
	if err != nil {
		return nil, fmt.Errorf("reading the backend's address %q: %w", address, err)
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("reading the backend's address %q: %w", address, err)
	}
	// Temporary files beside the objects, or a rename could cross file systems.
	values.Set("no_tmp_dir", "true")
	// No side file for each object: the CLI's have none that matter here.
	values.Set("metadata", "skip")
	return &url.URL{Scheme: "file", Path: place, RawQuery: values.Encode()}, nil
}

// URL is the address without its query, which may carry credentials.
func (b *Backend) URL() string { return b.url }

// Directory is where a file backend keeps its files, and empty for others.
func (b *Backend) Directory() string {
	if place, ok := strings.CutPrefix(b.url, "file://"); ok {
		return place
	}
	return ""
}

// Close releases what the backend holds open.
func (b *Backend) Close() error { return b.bucket.Close() }

// Object is one file of the backend.
type Object struct {
	Key  string
	Size int64
}

// Name is the last element of the key.
func (o Object) Name() string { return path.Base(o.Key) }

// List returns the objects directly in dir, sorted by name.
func (b *Backend) List(ctx context.Context, dir string) ([]Object, error) {
	const tries = 20
	for try := 1; ; try++ {
		objects, err := b.list(ctx, dir)
		// One file that goes while a directory is read, such as a lock that is
		// released, fails the reading of all.
		if gcerrors.Code(err) != gcerrors.NotFound || try == tries {
			return objects, err
		}
	}
}

func (b *Backend) list(ctx context.Context, dir string) ([]Object, error) {
	// S3 gives a thousand at a time. A directory is walked anew for each page,
	// so it is taken in few; the size is also what gocloud allocates up front.
	size := 1000
	if b.Directory() != "" {
		size = 1 << 16
	}
	var objects []Object
	for token := blob.FirstPageToken; len(token) > 0; {
		page, next, err := b.bucket.ListPage(ctx, token, size, &blob.ListOptions{Prefix: dir + "/", Delimiter: "/"})
		if err != nil {
			return nil, fmt.Errorf("listing %s in %s: %w", dir, b.url, err)
		}
		for _, object := range page {
			if !object.IsDir {
				objects = append(objects, Object{Key: object.Key, Size: object.Size})
			}
		}
		token = next
	}
	return objects, nil
}

// ReadRaw returns an object's bytes as they are stored.
func (b *Backend) ReadRaw(ctx context.Context, key string) ([]byte, error) {
	raw, err := b.bucket.ReadAll(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil, fmt.Errorf("reading %s in %s: %w", key, b.url, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in %s: %w", key, b.url, err)
	}
	return raw, nil
}

// Read returns an object's content, uncompressed. The content decides, not the
// name: the CLI does the same.
func (b *Backend) Read(ctx context.Context, key string) ([]byte, error) {
	raw, err := b.ReadRaw(ctx, key)
	if err != nil {
		return nil, err
	}
	plain, err := Plain(raw)
	if err != nil {
		return nil, fmt.Errorf("uncompressing %s in %s: %w: %w", key, b.url, errCompressed, err)
	}
	return plain, nil
}

// errCompressed is returned for what cannot be uncompressed.
var errCompressed = errors.New("it is damaged")

var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// Plain uncompresses what is compressed with gzip or Zstandard.
func Plain(raw []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(raw, gzipMagic):
		reader, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(reader)
	case bytes.HasPrefix(raw, zstdMagic):
		decoder, err := zstd.NewReader(nil)
		if err != nil {
			return nil, err
		}
		defer decoder.Close()
		return decoder.DecodeAll(raw, nil)
	}
	return raw, nil
}

// Write stores an object whole, or leaves what was there.
func (b *Backend) Write(ctx context.Context, key string, content []byte) error {
	// gocloud's own WriteAll puts in place what it has written when the rest
	// fails, as on a full disk. Closing under a context that has ended does not.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	writer, err := b.bucket.NewWriter(ctx, key, nil)
	if err != nil {
		return fmt.Errorf("writing %s in %s: %w", key, b.url, err)
	}
	if _, err := writer.Write(content); err != nil {
		cancel()
		return fmt.Errorf("writing %s in %s: %w", key, b.url, errors.Join(err, writer.Close()))
	}
	if err := writer.Close(); err != nil {
		return fmt.Errorf("writing %s in %s: %w", key, b.url, err)
	}
	return nil
}

// Delete removes an object; one that is gone already is no error.
func (b *Backend) Delete(ctx context.Context, key string) error {
	err := b.bucket.Delete(ctx, key)
	if err != nil && gcerrors.Code(err) != gcerrors.NotFound {
		return fmt.Errorf("deleting %s in %s: %w", key, b.url, err)
	}
	return nil
}

// Stack names a stack of a project in this backend.
type Stack struct {
	*Backend
	Project, Name string
}

var names = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

// Stack checks the names, which become parts of keys.
func (b *Backend) Stack(project, name string) (*Stack, error) {
	for _, part := range []string{project, name} {
		if !names.MatchString(part) || strings.Trim(part, ".") == "" {
			return nil, fmt.Errorf("naming stack %s/%s: use letters, digits, '.', '_' and '-'", project, name)
		}
	}
	return &Stack{Backend: b, Project: project, Name: name}, nil
}

// HistoryDir holds an entry and a checkpoint per update.
func (s *Stack) HistoryDir() string { return path.Join(".pulumi/history", s.Project, s.Name) }

// LockDir holds one file per process that writes to the stack.
func (s *Stack) LockDir() string {
	return path.Join(".pulumi/locks/organization", s.Project, s.Name)
}

// OwnDir holds what Slipway keeps about the stack.
func (s *Stack) OwnDir() string { return path.Join(".slipway", s.Project, s.Name) }

// CheckpointKey finds the stack's state, compressed or not.
func (s *Stack) CheckpointKey(ctx context.Context) (string, error) {
	base := path.Join(".pulumi/stacks", s.Project, s.Name+".json")
	for _, key := range []string{base, base + ".gz", base + ".zst"} {
		there, err := s.bucket.Exists(ctx, key)
		if err != nil {
			return "", fmt.Errorf("looking for %s in %s: %w", key, s.url, err)
		}
		if there {
			return key, nil
		}
	}
	return "", fmt.Errorf("reading the state of stack %s/%s in %s: %w; run an update first, or check the project's and the stack's name",
		s.Project, s.Name, s.url, ErrNotFound)
}

// ErrCutShort is returned for a state of which a part is missing.
var ErrCutShort = errors.New("it was cut short")

// Checkpoint reads the stack's state. Pulumi puts what it has written in place
// even when the disk had no room for the rest; such a state is ErrCutShort.
func (s *Stack) Checkpoint(ctx context.Context) ([]byte, error) {
	key, err := s.CheckpointKey(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := s.Read(ctx, key)
	if err == nil && json.Valid(raw) {
		return raw, nil
	}
	if err != nil && !errors.Is(err, errCompressed) {
		return nil, err
	}
	return nil, fmt.Errorf("reading the state %s in %s: %w, as by a full disk, and nothing can be done with the stack before it is put right. %s",
		key, s.url, ErrCutShort, s.copies(ctx, key))
}

// copies says which whole copies of the state there are.
func (s *Stack) copies(ctx context.Context, key string) string {
	var whole []string
	look := func(candidate string) {
		if raw, err := s.Read(ctx, candidate); err == nil && json.Valid(raw) {
			whole = append(whole, candidate)
		}
	}
	look(key + ".bak")
	for _, dir := range []string{path.Join(".pulumi/backups", s.Project, s.Name), s.HistoryDir()} {
		objects, err := s.List(ctx, dir)
		if err != nil {
			continue
		}
		for _, object := range slices.Backward(objects) {
			if strings.Contains(object.Name(), ".checkpoint.json") || !strings.Contains(object.Name(), ".history.") {
				look(object.Key)
				break
			}
		}
	}
	if len(whole) == 0 {
		return "There is no copy of it here; look for one that slipway history backup made"
	}
	return "Make room, put the newest of these copies in its place, and run slipway drift to see what it does not know: " + strings.Join(whole, ", ")
}
