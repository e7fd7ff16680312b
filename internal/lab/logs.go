package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxLogBytes is the size above which a running component's log is moved
// aside.
const maxLogBytes = 20 << 20

// keepLogsSmall looks after the logs of running components, once a minute.
// They hold their file open, so it is copied and emptied; what is written in
// between is lost, which only happens to a component that floods its log.
func keepLogsSmall(ctx context.Context, dir string) {
	for {
		files, err := filepath.Glob(filepath.Join(dir, "*.log"))
		if err != nil {
			log.Printf("listing logs: %v", err)
		}
		for _, file := range files {
			if err := shrink(file, maxLogBytes); err != nil {
				log.Printf("%v", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Minute):
		}
	}
}

// shrink copies a file of more than limit bytes to <file>.1 and empties it.
func shrink(file string, limit int64) error {
	info, err := os.Stat(file)
	if err != nil || info.Size() <= limit {
		return err
	}
	from, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("rotating %s: %w", file, err)
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(file+".1", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("rotating %s: %w", file, err)
	}
	if _, err := io.Copy(to, from); err != nil {
		_ = to.Close()
		return fmt.Errorf("rotating %s: %w", file, err)
	}
	if err := to.Close(); err != nil {
		return fmt.Errorf("rotating %s: %w", file, err)
	}
	if err := os.Truncate(file, 0); err != nil {
		return fmt.Errorf("rotating %s: %w", file, err)
	}
	return nil
}

// LogNames lists what Logs can show: "apiserver", "node-1/kubelet" and so on.
func (l *Lab) LogNames() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(l.below("logs", nil), "*.log"))
	if err != nil {
		return nil, fmt.Errorf("listing logs: %w", err)
	}
	var names []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".log")
		for i := MinNodes; i <= MaxNodes; i++ {
			if rest, ok := strings.CutPrefix(name, place(i).Name+"-"); ok {
				name = place(i).Name + "/" + rest
			}
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// Logs writes the last lines of the components whose name is, or lies below,
// the given one ("node-1" stands for all of that node's; empty for all), and
// with follow goes on until ctx ends. With several components every line
// starts with its component.
func (l *Lab) Logs(ctx context.Context, name string, lines int, follow bool, to io.Writer) error {
	names, err := l.LogNames()
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return name != "" && n != name && !strings.HasPrefix(n, name+"/")
	})
	if len(chosen) == 0 {
		if len(names) == 0 {
			return fmt.Errorf("%w: run `slipway lab up`", ErrNoLab)
		}
		return fmt.Errorf("no component is called %q; there are %s", name, strings.Join(names, ", "))
	}
	offsets := map[string]int64{}
	for _, component := range chosen {
		path := l.log(component)
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("reading the log of %s: %w", component, err)
		}
		offsets[component] = info.Size()
		if text := tail(path, lines); text != "" {
			printLines(to, prefix(component, len(chosen)), text)
		}
	}
	for follow {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(300 * time.Millisecond):
		}
		for _, component := range chosen {
			text, at, err := readFrom(l.log(component), offsets[component])
			if err != nil {
				return fmt.Errorf("reading the log of %s: %w", component, err)
			}
			offsets[component] = at
			if text != "" {
				printLines(to, prefix(component, len(chosen)), text)
			}
		}
	}
	return nil
}

func prefix(component string, of int) string {
	if of == 1 {
		return ""
	}
	return component + ": "
}

func printLines(to io.Writer, prefix, text string) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		_, _ = fmt.Fprintf(to, "%s%s\n", prefix, line)
	}
}

// readFrom returns the whole lines behind the offset and where they end. A
// file that became shorter was moved aside and starts anew.
func readFrom(path string, offset int64) (string, int64, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", 0, nil
	} else if err != nil {
		return "", offset, err
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return "", offset, err
	}
	if info.Size() < offset {
		offset = 0
	}
	content, err := io.ReadAll(io.NewSectionReader(file, offset, min(info.Size()-offset, 4<<20)))
	if err != nil {
		return "", offset, err
	}
	end := strings.LastIndexByte(string(content), '\n') + 1
	return string(content[:end]), offset + int64(end), nil
}
