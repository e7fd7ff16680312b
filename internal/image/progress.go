package image

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// every is the longest silence while something is built.
const every = 10 * time.Second

// progress tells a person what is being built, how long it took, and at least
// every ten seconds what is still running.
type progress struct {
	mu      sync.Mutex
	out     io.Writer
	running map[string]*running
	left    int
}

type running struct {
	since time.Time
	doing string
}

func newProgress(out io.Writer, total int) *progress {
	return &progress{out: out, running: map[string]*running{}, left: total}
}

// line writes one line.
func (p *progress) line(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "image "+format+"\n", args...)
}

// start announces a build; the function it returns announces the end.
func (p *progress) start(name, doing string) func(Archive, error) {
	begun := time.Now()
	p.mu.Lock()
	p.running[name] = &running{since: begun, doing: doing}
	p.mu.Unlock()
	p.line("%s: %s", name, doing)
	return func(archive Archive, err error) {
		p.mu.Lock()
		delete(p.running, name)
		p.mu.Unlock()
		took := time.Since(begun).Round(100 * time.Millisecond)
		if err != nil {
			p.line("%s: failed after %s", name, took)
			return
		}
		p.line("%s: built in %s, %s", name, took, humanSize(fileSize(archive.Path)))
	}
}

// doing notes what a running build does, for those who wait.
func (p *progress) doing(name, doing string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.running[name]; r != nil {
		r.doing = doing
	}
}

// step says what a running build does. Only steps that run a command take
// long enough to be announced; the others are seen if they do.
func (p *progress) step(name, doing string) {
	p.doing(name, doing)
	if _, command, _ := strings.Cut(doing, ": "); strings.HasPrefix(command, "RUN ") {
		p.line("%s: %s", name, shorten(doing, 100))
	}
}

// finished counts one image as done.
func (p *progress) finished() {
	p.mu.Lock()
	p.left--
	p.mu.Unlock()
}

// heartbeat reports until stop is closed.
func (p *progress) heartbeat(stop <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			if text := p.still(); text != "" {
				p.line("%s", text)
			}
		}
	}
}

// still names what is running, the longest first.
func (p *progress) still() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	names := make([]string, 0, len(p.running))
	for name := range p.running {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(p.running[a].since.Compare(p.running[b].since), strings.Compare(a, b))
	})
	if len(names) == 0 {
		return ""
	}
	for i, name := range names {
		r := p.running[name]
		names[i] = fmt.Sprintf("%s (%s: %s)", name, time.Since(r.since).Round(time.Second), shorten(r.doing, 50))
	}
	return fmt.Sprintf("still building %s; %d left", strings.Join(names, ", "), p.left)
}

// shorten cuts text to limit characters.
func shorten(text string, limit int) string {
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}

// humanSize is a number of bytes for a person.
func humanSize(bytes int64) string {
	return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
}
