package languagehost

import (
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// targeted compiles into target, unless it is what an earlier call made of the
// same inputs: to find that nothing changed, go build reads more than all of
// them.
func (b Builder) targeted(ctx context.Context, goTool, dir, target string, report func(string)) error {
	key := sha256.Sum256([]byte(dir + "\x00" + target))
	entry := filepath.Join(b.Cache, hex.EncodeToString(key[:8]))
	if err := os.MkdirAll(entry, 0o700); err != nil {
		return fmt.Errorf("making the cache of compiled programs: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(entry, "lock"), func() {
		report("waiting for another run to compile " + dir)
	})
	if err != nil {
		return err
	}
	defer unlock()

	env, err := readEnvironment(ctx, goTool, dir)
	if err != nil {
		return err
	}
	record := filepath.Join(entry, "manifest.json")
	if m, ok := readManifest(record); ok && m.Target != "" && m.Target == identity(target) {
		if now, err := m.Inputs.sum(env); err == nil && now == m.Sum {
			return nil
		}
	}
	in, err := listInputs(ctx, goTool, dir, env)
	if err != nil {
		return asCompileError(dir, err)
	}
	before, err := in.sum(env)
	if err != nil {
		return err
	}
	if err := compile(ctx, goTool, dir, target, report); err != nil {
		return err
	}
	made := identity(target)
	after, err := in.sum(env)
	if err != nil {
		return err
	}
	// What changed under the compiler is in the result or not; the next run looks
	// again.
	if before != after || env.unpredictable() {
		return nil
	}
	defer b.pruneLost()
	return writeManifest(record, manifest{Program: dir, Inputs: in, Sum: after, Target: made})
}

// identity tells one executable from another that takes its place; empty for
// none. Go writes into each a digest of its content. Where that is not to be
// found, as outside of ELF, the file's age has to do, which a go build that finds
// nothing to do renews.
func identity(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	mark := info.ModTime().UTC().Format("2006-01-02T15:04:05.000000000")
	if file, err := elf.Open(path); err == nil {
		defer func() { _ = file.Close() }()
		if note := file.Section(".note.go.buildid"); note != nil {
			if id, err := note.Data(); err == nil {
				mark = hex.EncodeToString(id)
			}
		}
	}
	return fmt.Sprintf("%d bytes, %s", info.Size(), mark)
}
