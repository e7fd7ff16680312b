package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/environment"
	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/policies/catalogue"
	"slipway.dev/slipway/policies/settings"
)

// errNotAgreed is returned when somebody was asked and did not agree.
var errNotAgreed = errors.New("nothing was changed: the name was not typed")

func envCreate() *cobra.Command {
	keep, from, yes := time.Duration(0), platform.Local, false
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Bring up a branch preview of this checkout, or update the one there is", Args: cobra.ExactArgs(1),
		Long: `A branch preview is a stack with namespaces, a database and a host of its own
that uses the cluster, proxies and authority of another stack. Its configuration
is written from that stack's and kept by this machine, not in the checkout.

Running it again updates the preview to what the checkout is now; with --expires
it ends that long from now. Stopped in the middle, it is continued the same way.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, ctx, out := args[0], cmd.Context(), cmd.OutOrStdout()
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			if err := w.checkName(name); err != nil {
				return err
			}
			release, err := platform.HoldGuest(name)
			if err != nil {
				return err
			}
			defer release()
			preview, written, err := w.plan(ctx, name, from, keep, time.Now())
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "%s  %s  beside %s, until %s\n", name, preview.URL(), preview.Host, moment(preview.Expires))
			if !yes {
				agreed, err := ask(cmd.InOrStdin(), out, name)
				if err != nil {
					return err
				}
				if !agreed {
					return errNotAgreed
				}
			}
			if _, err := platform.WriteGuest(ctx, w.checkout, name, written, w.tools); err != nil {
				return err
			}
			site, err := w.site(name)
			if err != nil {
				return err
			}
			if err := site.Up(ctx, out, 0); err != nil {
				return err
			}
			fmt.Fprintf(out, "\n%s answers until %s; then: slipway env prune\n", preview.URL(), moment(preview.Expires))
			return nil
		},
	}
	cmd.Flags().DurationVar(&keep, "expires", 0, "how long from now to keep it, 1m to 720h (default: as before, first 72h)")
	cmd.Flags().StringVar(&from, "from", from, "the stack to live beside")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

func moment(t time.Time) string { return t.Local().Format(time.DateTime + " MST") }

// checkName holds a preview's name to the rules, and to what the policies tell
// previews by.
func (w *workplace) checkName(name string) error {
	held, err := settings.Load(filepath.Join(w.checkout, "policies", settings.File), name, catalogue.Rules())
	if err != nil {
		return err
	}
	return environment.CheckName(name, held.Limits.EphemeralStacks)
}

// plan decides what a preview is to be, and finds whatever keeps it from being
// that. Nothing is changed.
func (w *workplace) plan(ctx context.Context, name, from string, keep time.Duration, now time.Time) (environment.Environment, map[string]any, error) {
	var was environment.Environment
	there, stated := false, false
	if s, err := platform.OpenStack(w.checkout, name, w.tools); err == nil {
		if !s.IsGuest() {
			return was, nil, fmt.Errorf("%s: %w: this checkout has a stack of that name, Pulumi.%s.yaml", name, environment.ErrName, name)
		}
		there = true
		if was, err = s.Guest(); err != nil && keep == 0 {
			return was, nil, err
		}
		if stated, err = s.Stated(ctx); err != nil {
			return was, nil, err
		}
	}
	expires, err := environment.Expiry(name, now, keep, was.Expires)
	if err != nil {
		return was, nil, err
	}
	if there && was.Host != "" && was.Host != from {
		return was, nil, fmt.Errorf("%s: it lives beside stack %s and cannot move; remove it first: slipway env remove %s", name, was.Host, name)
	}
	host, err := platform.OpenStack(w.checkout, from, w.tools)
	if err != nil {
		return was, nil, err
	}
	hosting, err := host.Hosting(ctx)
	if err != nil {
		return was, nil, err
	}
	created := was.Created
	if created.IsZero() {
		created = now
	}
	written, err := hosting.Settings(name, created, expires)
	if err != nil {
		return was, nil, err
	}
	preview, err := environment.FromConfig(name, written)
	if err != nil {
		return was, nil, err
	}
	return preview, written, host.CheckFree(ctx, preview, stated)
}

// preview opens a branch preview by its name.
func (w *workplace) preview(name string) (*platform.Stack, error) {
	known, err := platform.Guests()
	if err != nil {
		return nil, err
	}
	s, err := platform.OpenStack(w.checkout, name, w.tools)
	if err != nil || !s.IsGuest() {
		list := strings.Join(known, ", ")
		if list == "" {
			list = "none"
		}
		return nil, fmt.Errorf("there is no branch preview %q; this machine has: %s", name, list)
	}
	return s, nil
}

func envRemove() *cobra.Command {
	yes, wait := false, time.Duration(0)
	cmd := &cobra.Command{
		Use: "remove NAME", Short: "Delete a branch preview with its data, its stack and its history", Args: cobra.ExactArgs(1),
		Long: `Deletes what the preview has in the cluster, its volumes included, and then what
this machine knows of it. It is refused when the stack holds anything that is not
in the preview's own namespaces. Stopped in the middle, it is continued by running
it again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			if _, err := w.preview(args[0]); err != nil {
				return err
			}
			if !yes {
				fmt.Fprintf(cmd.OutOrStdout(), "this deletes branch preview %s and every row in its database\n", args[0])
				agreed, err := ask(cmd.InOrStdin(), cmd.OutOrStdout(), args[0])
				if err != nil {
					return err
				}
				if !agreed {
					return errNotAgreed
				}
			}
			return w.remove(cmd.Context(), cmd.OutOrStdout(), args[0], wait)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().DurationVar(&wait, "wait", 0, "how long to wait for another update of the preview to end")
	return cmd
}

// remove deletes a preview while nobody else creates or removes it.
func (w *workplace) remove(ctx context.Context, out io.Writer, name string, wait time.Duration) error {
	release, err := platform.HoldGuest(name)
	if err != nil {
		return err
	}
	defer release()
	s, err := w.preview(name)
	if err != nil {
		return err
	}
	if err := s.RemoveGuest(ctx, out, wait); err != nil {
		return err
	}
	fmt.Fprintf(out, "branch preview %s is gone\n", name)
	return nil
}

func envPrune() *cobra.Command {
	yes := false
	cmd := &cobra.Command{
		Use: "prune", Short: "Delete the branch previews whose time is over", Args: cobra.NoArgs,
		Long: `Without --yes it says which those are, and deletes nothing. One that cannot be
deleted does not keep the others.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := openWorkplace()
			if err != nil {
				return err
			}
			rows, err := w.previews(cmd.Context(), time.Now())
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			var faults []error
			over := 0
			for _, row := range rows {
				if !row.Expired {
					continue
				}
				over++
				if !yes {
					fmt.Fprintf(out, "%s expired %s\n", row.Name, moment(row.Expires))
					continue
				}
				if err := w.remove(cmd.Context(), out, row.Name, 0); err != nil {
					faults = append(faults, fmt.Errorf("removing %s: %w", row.Name, err))
				}
				if cmd.Context().Err() != nil {
					break
				}
			}
			switch {
			case over == 0:
				fmt.Fprintln(out, "no branch preview has expired")
			case !yes:
				fmt.Fprintf(out, "%d would be deleted with their data; to do that run: slipway env prune --yes\n", over)
			}
			return errors.Join(faults...)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "delete them")
	return cmd
}
