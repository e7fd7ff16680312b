//go:build full

package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/rehearsal"
)

// previewFromNothing is the first preview of a stack in a simulated AWS, under
// the policies.
func previewFromNothing(cmd *cobra.Command, w *workplace, s *platform.Stack) error {
	out := cmd.OutOrStdout()
	r := &rehearsal.Rehearsal{Project: w.checkout, Stack: s.Name, Log: io.Discard, Progress: io.Discard}
	if err := r.Meant(); errors.Is(err, rehearsal.ErrNoCloud) {
		return fmt.Errorf("there is no backend to look for stack %s in (set PULUMI_BACKEND_URL or run pulumi login), and it cannot be simulated: %w", s.Name, err)
	} else if err != nil {
		return err
	}
	fmt.Fprintf(out, "SIMULATED: no backend is known (PULUMI_BACKEND_URL, or pulumi login), so this is the first preview of stack %s,\n"+
		"from nothing, in a simulated AWS. It says nothing of what exists.\n\n", s.Name)
	if _, err := simulate(cmd, w, r); err != nil {
		return err
	}
	return r.First(cmd.Context(), out, packs(w.checkout)...)
}
