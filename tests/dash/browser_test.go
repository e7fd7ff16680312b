//go:build dash

package dash

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var shots = flag.String("shots", "", "keep pictures of the page in this directory")

// browser is a chromium that is driven through a pipe.
type browser struct {
	t       *testing.T
	send    *os.File
	receive *bufio.Reader
	session string
	width   int
	next    int
	// complaints are what the page wrote to its console, and its faults.
	complaints []string
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	theirs, ours, err := os.Pipe()
	require.NoError(t, err)
	answers, speaks, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
		"--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{theirs, speaks}
	cmd.Env = append(os.Environ(), "TZ=UTC", "HOME="+t.TempDir())
	require.NoError(t, cmd.Start())
	_, _ = theirs.Close(), speaks.Close()
	b := &browser{t: t, send: ours, receive: bufio.NewReaderSize(answers, 1<<20)}
	t.Cleanup(func() {
		_ = ours.Close() // which ends it
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		_ = answers.Close()
	})
	var target struct {
		ID string `json:"targetId"`
	}
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct {
		Session string `json:"sessionId"`
	}
	b.call("Target.attachToTarget", map[string]any{"targetId": target.ID, "flatten": true}, &attached)
	b.session = attached.Session
	b.call("Emulation.setScrollbarsHidden", map[string]any{"hidden": true}, nil)
	for _, domain := range []string{"Page", "Runtime", "Log"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// call sends one command and waits for its answer; what comes in between is
// looked at for complaints.
func (b *browser) call(method string, params map[string]any, into any) {
	b.t.Helper()
	b.next++
	message := map[string]any{"id": b.next, "method": method, "params": params}
	if params == nil {
		message["params"] = map[string]any{}
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	raw, err := json.Marshal(message)
	require.NoError(b.t, err)
	_, err = b.send.Write(append(raw, 0))
	require.NoError(b.t, err)
	for {
		raw, err := b.receive.ReadBytes(0)
		require.NoError(b.t, err, "the browser ended")
		var answer struct {
			ID     int             `json:"id"`
			Method string          `json:"method"`
			Params json.RawMessage `json:"params"`
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
		}
		require.NoError(b.t, json.Unmarshal(raw[:len(raw)-1], &answer))
		switch answer.Method {
		case "Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled":
			// Labs beside these tests make and remove networks. The page asks again.
			if !bytes.Contains(answer.Params, []byte("net::ERR_NETWORK_CHANGED")) {
				b.complaints = append(b.complaints, string(answer.Params))
			}
		}
		if answer.ID != b.next {
			continue
		}
		require.Empty(b.t, string(answer.Error), method)
		if into != nil {
			require.NoError(b.t, json.Unmarshal(answer.Result, into))
		}
		return
	}
}

// run evaluates an expression in the page and decodes its value.
func (b *browser) run(expression string, into any) {
	b.t.Helper()
	var got struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		Exception json.RawMessage `json:"exceptionDetails"`
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &got)
	require.Empty(b.t, string(got.Exception), expression)
	if into != nil {
		require.NoError(b.t, json.Unmarshal(got.Result.Value, into), expression)
	}
}

// open goes to an address and waits until the page is in the state.
func (b *browser) open(address, state string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": "about:blank"}, nil)
	b.complaints = nil
	b.call("Page.navigate", map[string]any{"url": address}, nil)
	b.settled(state)
}

func (b *browser) settled(state string) {
	b.t.Helper()
	await(b.t, "the page is "+state, func() error {
		is := ""
		b.run("document.body ? document.body.dataset.state ?? '' : ''", &is)
		if is != state {
			return fmt.Errorf("it is %q", is)
		}
		return nil
	})
}

// look sets the window's size and colours.
func (b *browser) look(width, height int, scheme string) {
	b.t.Helper()
	b.width = width
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []any{map[string]any{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// point puts the pointer at a place of an element, from 0 to 1.
func (b *browser) point(selector string, across, down float64) {
	b.t.Helper()
	var box struct{ X, Y, W, H float64 }
	b.run(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect(); return {X: r.x, Y: r.y, W: r.width, H: r.height}; })()`, selector), &box)
	b.call("Input.dispatchMouseEvent", map[string]any{"type": "mouseMoved", "x": box.X + box.W*across, "y": box.Y + box.H*down}, nil)
}

// shot takes a picture, of the whole page or of what is in view, and returns it.
func (b *browser) shot(name string, whole bool) []byte {
	b.t.Helper()
	if whole {
		tall := 0
		b.run(`Math.ceil(document.querySelector("footer").getBoundingClientRect().bottom + scrollY)`, &tall)
		b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": b.width, "height": tall, "deviceScaleFactor": 1, "mobile": false}, nil)
	}
	var got struct {
		Data string `json:"data"`
	}
	b.call("Page.captureScreenshot", map[string]any{"format": "png"}, &got)
	raw, err := base64.StdEncoding.DecodeString(got.Data)
	require.NoError(b.t, err)
	if *shots != "" {
		require.NoError(b.t, os.MkdirAll(*shots, 0o755))
		require.NoError(b.t, os.WriteFile(filepath.Join(*shots, name+".png"), raw, 0o644))
	}
	return raw
}
