package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/gate"
)

// Update runs `pulumi up` and leaves the CA certificate where people and the
// smoke test look for it.
func (s *Stack) Update(ctx context.Context, out io.Writer) error {
	// A preview is for reading, and nobody reads one of a lab's update.
	if !s.IsLocal() {
		if err := s.Preview(ctx, out); err != nil {
			return err
		}
	}
	how := Updating{Doing: "up", Policies: []string{s.policies()}}
	if err := s.Apply(ctx, out, how); err != nil {
		return fmt.Errorf("updating stack %s: %w", s.Name, err)
	}
	return s.WriteCA(ctx)
}

// policies is the checkout's policy pack, which stops an update that breaks a
// mandatory rule.
func (s *Stack) policies() string { return filepath.Join(s.Checkout, "policies") }

// WriteCA stores the output caCertificate as a file, and beside it what the API
// is verified against where that is neither it nor known to the system.
func (s *Stack) WriteCA(ctx context.Context) error {
	outputs, err := s.Outputs(ctx, false)
	if err != nil {
		return err
	}
	pem, ok := outputs["caCertificate"].(string)
	if !ok || !strings.HasPrefix(pem, "-----BEGIN CERTIFICATE-----") {
		return fmt.Errorf("stack %s has no certificate in its output caCertificate", s.Name)
	}
	if err := os.MkdirAll(s.scratch(), 0o755); err != nil {
		return fmt.Errorf("making %s: %w", s.scratch(), err)
	}
	if err := replaceFile(s.CAFile(), []byte(pem), 0o644); err != nil {
		return err
	}
	roots, err := s.roots(outputs)
	if err != nil || roots.file == "" || roots.file == s.CAFile() {
		return err
	}
	return replaceFile(roots.file, roots.pem, 0o644)
}

// Preview shows what an update would change, and fails when that is forbidden:
// by a policy, or because it would delete or replace what must stay.
func (s *Stack) Preview(ctx context.Context, out io.Writer) error {
	p, err := s.Propose(ctx, out, Proposing{Policies: []string{s.policies()}})
	if err != nil {
		return err
	}
	if len(p.Problems) > 0 || len(p.Mandatory()) > 0 {
		return fmt.Errorf("the preview of stack %s fails; what is wrong is said above", s.Name)
	}
	return gate.Pass(s.Checkout, s.Name, p, time.Now())
}

// Refresh compares the state with the cluster and takes what it finds into the
// state.
func (s *Stack) Refresh(ctx context.Context, out io.Writer) error {
	return s.writing(ctx, out, "refresh", s.signed("refresh", "--yes", "--skip-preview", "--suppress-outputs", "--non-interactive")...)
}

// ErrNotConfirmed is returned by Destroy when nobody typed the stack's name.
var ErrNotConfirmed = errors.New("not confirmed")

// Destroy deletes the stack's resources, the guarded ones and their data
// included, which is why confirm must be the stack's name.
func (s *Stack) Destroy(ctx context.Context, out io.Writer, confirm string) error {
	if confirm != s.Name {
		return fmt.Errorf("%w: this deletes every resource of stack %s, its database included; to do that run: make destroy STACK=%s CONFIRM=%s",
			ErrNotConfirmed, s.Name, s.Name, s.Name)
	}
	if err := s.run(ctx, out, "state", "unprotect", "--all", "--yes", "--stack", s.Name); err != nil {
		return err
	}
	return s.destroy(ctx, out)
}

// destroy deletes the stack's resources, except that what is protected stops it.
func (s *Stack) destroy(ctx context.Context, out io.Writer) error {
	if err := s.writing(ctx, out, "destroy", s.signed("destroy", "--yes", "--skip-preview", "--non-interactive")...); err != nil {
		return fmt.Errorf("destroying stack %s: %w", s.Name, err)
	}
	for _, file := range []string{s.CAFile(), s.stagingFile()} {
		if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing %s: %w", file, err)
		}
	}
	return nil
}

// firstAnswer bounds how long the platform may take from an ended update to
// the first verified answer: image starts, Patroni's election, Traefik's
// routes.
const firstAnswer = 3 * time.Minute

// Await waits for the first answer over verified HTTPS.
func (s *Stack) Await(ctx context.Context, log io.Writer) error {
	api, err := s.apiURL(ctx)
	if err != nil {
		return err
	}
	return s.awaitHTTPS(ctx, api, firstAnswer, log)
}

// Describe prints the outputs, secrets masked, and what to type next.
func (s *Stack) Describe(ctx context.Context, out io.Writer) error {
	outputs, err := s.Outputs(ctx, false)
	if err != nil {
		return err
	}
	if _, ok := outputs["caCertificate"]; ok {
		outputs["caCertificate"] = s.relative(s.CAFile())
	}
	delete(outputs, erasureOutput) // for a command, and long
	names := make([]string, 0, len(outputs))
	width := 0
	for name := range outputs {
		names = append(names, name)
		width = max(width, len(name))
	}
	slices.Sort(names)
	fmt.Fprintln(out)
	for _, name := range names {
		fmt.Fprintf(out, "  %-*s  %s\n", width, name, text(outputs[name]))
	}
	api, ok := outputs["apiUrl"].(string)
	if !ok {
		return nil
	}
	roots, err := s.roots(outputs)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\nTry it (verified against %s):\n  %s\n", roots.name, s.curl(api, roots))
	return nil
}

// curl is a command that works as printed, on this machine.
func (s *Stack) curl(api string, roots verifying) string {
	trust, resolve := "", ""
	if roots.file != "" {
		trust = " --cacert " + s.relative(roots.file)
	}
	if lab, err := s.UsesLab(); err == nil && lab {
		host := strings.TrimPrefix(api, "https://")
		name, port, ok := strings.Cut(host, ":")
		if !ok {
			port = "443"
		}
		resolve = fmt.Sprintf(" --resolve %s:%s:127.0.0.1", name, port)
	}
	return fmt.Sprintf("curl%s%s %s/v1/items", trust, resolve, strings.TrimRight(api, "/"))
}

func (s *Stack) relative(path string) string {
	if rel, err := filepath.Rel(s.Checkout, path); err == nil {
		return rel
	}
	return path
}

func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return compact(v)
}
