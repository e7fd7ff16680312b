package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"slipway.dev/slipway/internal/image"
)

func init() { commands = append(commands, imageCommand) }

func imageCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "image",
		Short: "Build the container images of the platform into the cache",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(imageList(), imageBuild())
	return cmd
}

// openImages opens the images of the checkout around the working directory.
func openImages() (*image.Builder, *workplace, error) {
	w, err := openWorkplace()
	if err != nil {
		return nil, nil, err
	}
	builder, err := image.Open(w.checkout, w.tools)
	return builder, w, err
}

func imageList() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show every image, what it is made from, and whether it is built",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			builder, _, err := openImages()
			if err != nil {
				return err
			}
			return printImages(cmd.OutOrStdout(), cmd.ErrOrStderr(), builder)
		},
	}
}

// printImages writes the list to out, and to notes why some images cannot be
// built as things are.
func printImages(out, notes io.Writer, builder *image.Builder) error {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "IMAGE\tFROM\tSIZE\tDIGEST")
	var faults []error
	for _, spec := range builder.Catalog() {
		archive, built, err := builder.Find(spec)
		size, digest := "-", "not built"
		switch {
		case err != nil:
			digest = "cannot be built"
			faults = append(faults, err)
		case built:
			size, digest = archive.Size(), shortDigest(archive.Digest)
		}
		fmt.Fprintf(table, "%s\t%s %s\t%s\t%s\n", spec.Ref, spec.Kind, spec.From, size, digest)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, fault := range faults {
		fmt.Fprintln(notes, fault)
	}
	return nil
}

// shortDigest is enough of a digest to compare by eye.
func shortDigest(digest string) string {
	const shown = len("sha256:") + 12
	if len(digest) < shown {
		return digest
	}
	return digest[:shown]
}

// registryRefs are the images that an account's registry has to hold.
func registryRefs(builder *image.Builder) []string {
	var refs []string
	for _, spec := range builder.Catalog() {
		if spec.InRegistry() != "" {
			refs = append(refs, spec.Ref)
		}
	}
	return refs
}

func imageBuild() *cobra.Command {
	refresh, registry := false, false
	cmd := &cobra.Command{
		Use:   "build [REF...]",
		Short: "Build the images named, or all, as far as their sources changed",
		Long: `Build the images named, or all, as far as their sources changed.

A name without a tag means the image of this checkout, so
"slipway image build slipway.dev/api" builds the app as it lies here. With
--registry it builds those that clusters on AWS pull from the account's own
registry, which is what "scripts/release push" pushes.`,
		RunE: func(cmd *cobra.Command, refs []string) error {
			builder, w, err := openImages()
			if err != nil {
				return err
			}
			if registry {
				if len(refs) > 0 {
					return errors.New("--registry names the images itself")
				}
				refs = registryRefs(builder)
			}
			begun := time.Now()
			tools, err := builder.Tools(refs...)
			if err != nil {
				return err
			}
			if err := w.tools.Ensure(cmd.Context(), tools...); err != nil {
				return err
			}
			if refresh {
				if err := builder.Refresh(); err != nil {
					return fmt.Errorf("asking for fresh packages: %w", err)
				}
			}
			archives, err := builder.Ensure(cmd.Context(), cmd.ErrOrStderr(), refs...)
			if err != nil {
				return err
			}
			for _, archive := range archives {
				fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", archive.Ref, archive.Path)
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "%d images ready after %s\n", len(archives), time.Since(begun).Round(time.Millisecond))
			return nil
		},
	}
	cmd.Flags().BoolVar(&registry, "registry", false, "build what an account's own registry has to hold")
	cmd.Flags().BoolVar(&refresh, "refresh", false,
		"take today's distribution packages, with their security updates, instead of those of the last build")
	return cmd
}
