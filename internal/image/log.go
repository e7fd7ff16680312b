package image

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// tailLines is how much of a failed build's log its error shows.
const tailLines = 20

// buildLog keeps a build's whole output in a file and its last lines in
// memory, and notices which step of the Dockerfile runs.
type buildLog struct {
	path string
	file *os.File
	// onStep, when set, is told each step as it begins.
	onStep func(step string)

	mu   sync.Mutex
	rest []byte
	tail []string
	step string
}

// openLog starts the log of one image, in place of that of its last build.
func (b *Builder) openLog(name string) (*buildLog, error) {
	if err := os.MkdirAll(b.logs, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(b.logs, "image-"+name+".log")
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("opening the build log: %w", err)
	}
	return &buildLog{path: path, file: file}, nil
}

// stepLine is how buildah announces a step, with the stage first when there
// are several.
var stepLine = regexp.MustCompile(`^(?:\[\d+/\d+\] )?STEP (\d+/\d+: .*)$`)

// Write takes what a build says.
func (l *buildLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.file.Write(p)
	l.rest = append(l.rest, p...)
	for {
		line, rest, complete := bytes.Cut(l.rest, []byte("\n"))
		if !complete {
			break
		}
		l.take(string(line))
		l.rest = rest
	}
	return n, err
}

func (l *buildLog) take(line string) {
	// Progress meters overwrite their line; the last state is what counts.
	line = strings.TrimRight(line, "\r")
	line = line[strings.LastIndexByte(line, '\r')+1:]
	if match := stepLine.FindStringSubmatch(line); match != nil {
		l.step = match[1]
		if l.onStep != nil {
			l.onStep(l.step)
		}
	}
	if l.tail = append(l.tail, line); len(l.tail) > tailLines {
		l.tail = l.tail[1:]
	}
}

// explain wraps a build's failure with all a person needs to act on it.
func (l *buildLog) explain(image, doing string, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.take(string(l.rest))
		l.rest = nil
	}
	if l.step != "" {
		doing = "step " + l.step
	}
	return &BuildError{Image: image, Doing: doing, Tail: strings.Join(l.tail, "\n"), Log: l.path, Err: err}
}

func (l *buildLog) close() { _ = l.file.Close() }

var _ io.Writer = (*buildLog)(nil)

// BuildError reports an image that could not be built. Nothing that existed
// before was changed.
type BuildError struct {
	// Image is its ref, or "base".
	Image string
	// Doing is the step that failed, as the Dockerfile has it.
	Doing string
	// Tail is the end of the build's output.
	Tail string
	// Log is the file with all of it.
	Log string
	// Err is how the build program ended.
	Err error
}

// Error shows where, the end of the output, and what to do.
func (e *BuildError) Error() string {
	name := repository(e.Image)
	again := "slipway image build " + name
	if e.Image == "base" {
		again = "slipway image build"
	}
	return fmt.Sprintf("building image %s: %s: %v\n  | %s\n  whole log: %s\n  correct the step above, then run: %s",
		e.Image, e.Doing, e.Err, strings.ReplaceAll(strings.TrimSpace(e.Tail), "\n", "\n  | "), e.Log, again)
}

// Unwrap returns how the build program ended.
func (e *BuildError) Unwrap() error { return e.Err }
