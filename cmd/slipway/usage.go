package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/cost"
)

// usage is what `slipway cost --usage` is asked for.
type usage struct {
	wanted, asJSON           bool
	address, window, atLeast string

	long, least time.Duration
}

// usagePatience is how long Prometheus may take: it reads a week of samples.
const usagePatience = time.Minute

func (u *usage) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&u.wanted, "usage", false, "compare what containers used with what is reserved for them")
	cmd.Flags().StringVar(&u.window, "window", "7d", "with --usage: how far to look back, such as 36h or 14d")
	cmd.Flags().StringVar(&u.atLeast, "at-least", "24h", "with --usage: judge nothing that there is less data for")
	cmd.Flags().StringVar(&u.address, "prometheus", "", "with --usage: ask this Prometheus, such as http://127.0.0.1:9090, instead of the stack's own")
	cmd.Flags().BoolVar(&u.asJSON, "json", false, "with --usage: print JSON")
}

// Bounds of --window. Below an hour there is nothing to take a percentile of.
const (
	shortestWindow = time.Hour
	longestWindow  = 90 * 24 * time.Hour
)

func (u *usage) check(cmd *cobra.Command) error {
	if !u.wanted {
		for _, name := range []string{"window", "at-least", "prometheus", "json"} {
			if cmd.Flags().Changed(name) {
				return fmt.Errorf("--%s has no effect without --usage", name)
			}
		}
		return nil
	}
	if cmd.Flags().Changed("prices") {
		return fmt.Errorf("--prices has no effect with --usage")
	}
	var err error
	if u.long, err = days(u.window); err != nil || u.long < shortestWindow || u.long > longestWindow {
		return fmt.Errorf("--window %q: must be 1h to 90d, such as 36h or 14d", u.window)
	}
	if u.least, err = days(u.atLeast); err != nil || u.least < shortestWindow || u.least > u.long {
		return fmt.Errorf("--at-least %q: must be 1h to the window, %s", u.atLeast, u.window)
	}
	return nil
}

// days reads a length of time, which may be in days.
func days(text string) (time.Duration, error) {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}

// review prints what usage says about a stack's reservations.
func (u *usage) review(cmd *cobra.Command, w *workplace, stack string) error {
	p, err := watch(w, stack, u.address, usagePatience)
	if err != nil {
		return err
	}
	defer p.close()
	containers, err := cost.Usage(cmd.Context(), p, u.long, time.Now())
	if err != nil {
		return fmt.Errorf("looking at the usage of stack %s: %w", stack, err)
	}
	review := cost.Judge(containers, u.long, u.least)
	if u.asJSON {
		return review.JSON(cmd.OutOrStdout())
	}
	return review.Write(cmd.OutOrStdout(), stack)
}
