// Package sample makes a small program to rehearse: a network, a cluster with
// nodes, objects in it, and as many records as asked for.
package sample

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
)

// Stack is the one that the program has.
const Stack = "small"

// Module copies the program to dir, as a module of its own with the versions of
// the checkout.
func Module(checkout, dir string) error {
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(checkout, "internal", "rehearsal", "sample", "testdata"))); err != nil {
		return fmt.Errorf("copying the sample: %w", err)
	}
	body, err := os.ReadFile(filepath.Join(checkout, "go.mod"))
	if err != nil {
		return fmt.Errorf("reading the checkout's versions: %w", err)
	}
	mod, err := modfile.Parse("go.mod", body, nil)
	if err != nil {
		return fmt.Errorf("reading the checkout's versions: %w", err)
	}
	if err := mod.AddModuleStmt("example.test/sample"); err != nil {
		return fmt.Errorf("naming the sample's module: %w", err)
	}
	if body, err = mod.Format(); err != nil {
		return fmt.Errorf("writing the sample's versions: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), body, 0o600); err != nil {
		return fmt.Errorf("writing the sample's versions: %w", err)
	}
	sums, err := os.ReadFile(filepath.Join(checkout, "go.sum"))
	if err != nil {
		return fmt.Errorf("reading the checkout's checksums: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600); err != nil {
		return fmt.Errorf("writing the sample's checksums: %w", err)
	}
	return nil
}

// Project makes a project in dir that runs the module's program with another
// configuration: what is changed is given in pairs of old and new text. The
// module's directory decides where the program is compiled to, so the program
// stays where it is and the project points to it.
func Project(module, dir string, changed ...string) error {
	body, err := os.ReadFile(filepath.Join(module, "Pulumi.yaml"))
	if err != nil {
		return fmt.Errorf("reading the sample's project: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), append(body, "main: "+module+"\n"...), 0o600); err != nil {
		return fmt.Errorf("writing the sample's project: %w", err)
	}
	config, err := os.ReadFile(filepath.Join(module, "Pulumi."+Stack+".yaml"))
	if err != nil {
		return fmt.Errorf("reading the sample's configuration: %w", err)
	}
	text := strings.NewReplacer(changed...).Replace(string(config))
	if err := os.WriteFile(filepath.Join(dir, "Pulumi."+Stack+".yaml"), []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing the sample's configuration: %w", err)
	}
	return nil
}
