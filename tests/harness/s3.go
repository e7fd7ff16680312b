package harness

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// S3 is an S3 server on the loopback that keeps its objects in a directory. It
// can be stopped and started again, with what it held.
type S3 struct {
	program, host, dir string
	said               io.Writer
	cmd                *exec.Cmd
}

// S3Region is where an S3 server claims to be.
const S3Region = "us-east-1"

// Who may use an S3 server.
const (
	s3Access = "slipway"
	s3Secret = "correct horse"
)

// NewS3 prepares a server with a bucket, to be started: program is versitygw, dir
// an empty directory, and said gets what the server has to say.
func NewS3(program, dir, bucket string, said io.Writer) (*S3, error) {
	for _, part := range []string{filepath.Join("objects", bucket), "attributes"} {
		if err := os.MkdirAll(filepath.Join(dir, part), 0o700); err != nil {
			return nil, fmt.Errorf("making room for an S3 server: %w", err)
		}
	}
	// Chosen once, so that the server comes back where its clients look for it.
	host, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	return &S3{program: program, host: host, dir: dir, said: said}, nil
}

// Host is where it listens, as address:port.
func (s *S3) Host() string { return s.host }

// Objects is the directory of a bucket's objects.
func (s *S3) Objects(bucket string) string { return filepath.Join(s.dir, "objects", bucket) }

// Environment are variables by which AWS's SDKs find the server and its
// credentials, and nothing that belongs to whoever runs the tests.
func (s *S3) Environment() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID": s3Access, "AWS_SECRET_ACCESS_KEY": s3Secret, "AWS_REGION": S3Region,
		"AWS_ENDPOINT_URL_S3": "http://" + s.host, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	}
}

// Start runs the server and waits until it listens.
func (s *S3) Start(ctx context.Context) error {
	// The sidecar holds what other file systems would keep in attributes of
	// files, which not every one has.
	s.cmd = exec.Command(s.program, "--access", s3Access, "--secret", s3Secret, "--port", s.host, "--quiet",
		"posix", "--sidecar", filepath.Join(s.dir, "attributes"), filepath.Join(s.dir, "objects"))
	s.cmd.Stdout, s.cmd.Stderr = s.said, s.said
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return fmt.Errorf("starting an S3 server: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return Eventually(ctx, 50*time.Millisecond, func(ctx context.Context) error {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.host)
		if err != nil {
			return fmt.Errorf("waiting for an S3 server: %w", err)
		}
		return connection.Close()
	})
}

// Stop kills it, so that what it was doing is cut off.
func (s *S3) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}
