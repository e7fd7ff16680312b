package history

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
)

// Results of an update. Pulumi records one that was cancelled as failed, and
// nothing at all for one that was killed; that it was cancelled is known where
// Slipway ran it.
const (
	Succeeded = "succeeded"
	Failed    = "failed"
	Cancelled = "cancelled"
)

// Kinds of entries that a rollback can go to.
const kindUpdate = "update"

// Tree says whether the checkout held exactly what its commit holds.
type Tree string

const (
	// Clean means that the commit is all there is to know.
	Clean Tree = "clean"
	// Dirty means that the program had changes no commit holds.
	Dirty Tree = "dirty"
	// Unknown means that nobody recorded it.
	Unknown Tree = "unknown"
)

// Entry is one update of a stack.
type Entry struct {
	// Number counts from 1, the oldest, and never changes.
	Number int `json:"number"`
	// Recorded is when the entry was written, by the writer's clock.
	Recorded time.Time `json:"recorded"`
	// Kind is update, refresh, destroy, import or another of Pulumi's kinds.
	Kind string `json:"kind"`
	// Result is Succeeded, Failed or Cancelled.
	Result  string    `json:"result"`
	Started time.Time `json:"started"`
	// Seconds is how long the update took, by the writer's clock.
	Seconds int    `json:"seconds"`
	Message string `json:"message"`
	// Who is the commit's author, as far as recorded.
	Who string `json:"who,omitempty"`
	// RanBy is who ran the update, as user@host or, in continuous integration,
	// person@service; empty where Slipway did not run it, because Pulumi records
	// no such thing.
	RanBy string `json:"ranBy,omitempty"`
	// Commit is the full hash, empty where none was recorded.
	Commit string `json:"commit,omitempty"`
	Tree   Tree   `json:"tree"`
	// RollbackTo is the number of the entry this update went back to; zero
	// for every other update.
	RollbackTo int `json:"rollbackTo,omitempty"`
	// Changes counts resources by operation, such as {"create": 3}.
	Changes map[string]int `json:"changes,omitempty"`
	// CLI is the version of the pulumi command.
	CLI string `json:"cli,omitempty"`
	// Providers maps each provider's package to the version of its plugin. It is
	// read from the state after the entry, and only when it is asked for.
	Providers map[string]string `json:"providers,omitempty"`
	// Build links the run of a continuous integration system.
	Build string `json:"build,omitempty"`
	// Config is the stack's configuration of that update, secrets encrypted.
	Config config.Map `json:"-"`
	// Fault says why the entry cannot be read; all above but Number and
	// Recorded is then empty.
	Fault string `json:"fault,omitempty"`

	slot slot
}

// Good tells whether a rollback can go to the entry as far as the entry
// itself says.
func (e *Entry) Good() bool { return e.Unfit() == "" }

// Unfit says why no rollback can go to the entry, and is empty when one can.
func (e *Entry) Unfit() string {
	switch {
	case e.Fault != "":
		return "its file cannot be read: " + e.Fault
	case e.Kind != kindUpdate:
		return fmt.Sprintf("it is a %s, which runs no program", e.Kind)
	case e.Result == Cancelled:
		return "that update was " + e.Result
	case e.Result != Succeeded:
		return "that update " + e.Result
	case e.Commit == "":
		return "it names no commit"
	case e.Tree == Dirty:
		return "its checkout had changes that no commit holds"
	case e.Tree == Unknown:
		return "nothing says whether its checkout was clean"
	}
	return ""
}

// SameProgram tells whether two entries ran the same commit with the same
// configuration.
func (e *Entry) SameProgram(other *Entry) bool {
	mine, err := json.Marshal(e.Config)
	if err != nil {
		return false
	}
	theirs, err := json.Marshal(other.Config)
	return err == nil && e.Commit == other.Commit && string(mine) == string(theirs)
}

// Agent is what Slipway has Pulumi record about an update it runs. It holds
// where Pulumi's own detection does not: in a linked worktree.
type Agent struct {
	Commit     string
	Dirty      bool
	RollbackTo int
	// By is who runs the update; empty for nobody knows.
	By string
}

const agentPrefix = "slipway"

// String is such as slipway@<commit>, slipway@<commit>+dirty or
// slipway@<commit>+rollback-to-7, with +by-<person> after it. Without a commit it
// is just slipway, and who.
func (a Agent) String() string {
	text := agentPrefix
	if a.Commit != "" {
		text += "@" + a.Commit
		if a.Dirty {
			text += "+dirty"
		}
		if a.RollbackTo > 0 {
			text += "+rollback-to-" + strconv.Itoa(a.RollbackTo)
		}
	}
	if a.By != "" {
		text += "+by-" + url.PathEscape(a.By)
	}
	return text
}

var agentText = regexp.MustCompile(`^` + agentPrefix + `(?:@([0-9a-f]{40,64})(\+dirty)?(?:\+rollback-to-([0-9]+))?)?(?:\+by-(\S+))?$`)

func parseAgent(text string) (Agent, bool) {
	match := agentText.FindStringSubmatch(text)
	if match == nil {
		return Agent{}, false
	}
	number, _ := strconv.Atoi(match[3])
	by, err := url.PathUnescape(match[4])
	return Agent{Commit: match[1], Dirty: match[2] != "", RollbackTo: number, By: by}, err == nil
}

// record is the file as Pulumi writes it.
type record struct {
	Kind            string            `json:"kind"`
	StartTime       int64             `json:"startTime"`
	EndTime         int64             `json:"endTime"`
	Message         string            `json:"message"`
	Environment     map[string]string `json:"environment"`
	Config          config.Map        `json:"config"`
	Result          string            `json:"result"`
	ResourceChanges map[string]int    `json:"resourceChanges"`
}

func parse(raw []byte) (Entry, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return Entry{}, err
	}
	if r.Kind == "" || r.Result == "" {
		return Entry{}, fmt.Errorf("it has no kind or no result")
	}
	e := Entry{
		Kind: r.Kind, Result: r.Result, Message: r.Message, Changes: r.ResourceChanges, Config: r.Config,
		Started: time.Unix(r.StartTime, 0).UTC(), Seconds: int(r.EndTime - r.StartTime),
		Who: r.Environment["git.author"], Commit: r.Environment["git.head"], CLI: r.Environment["pulumi.version"],
		Build: r.Environment["ci.build.url"], Tree: Unknown,
	}
	switch r.Environment["git.dirty"] {
	case "true":
		e.Tree = Dirty
	case "false":
		e.Tree = Clean
	}
	agent, ok := parseAgent(r.Environment["exec.agent"])
	e.RanBy = agent.By
	if ok && agent.Commit != "" {
		e.Commit, e.RollbackTo, e.Tree = agent.Commit, agent.RollbackTo, Clean
		if agent.Dirty {
			e.Tree = Dirty
		}
	}
	return e, nil
}

// slot is where an entry lies, known from the listing alone.
type slot struct {
	nanos      int64
	entry      string
	checkpoint string
}

// slotName takes apart <stack>-<nanoseconds>.<history|checkpoint>.json, with
// .gz or .zst after it.
func slotName(stack, name string) (nanos int64, kind string, ok bool) {
	rest, ok := strings.CutPrefix(name, stack+"-")
	if !ok {
		return 0, "", false
	}
	digits, rest, ok := strings.Cut(rest, ".")
	if !ok {
		return 0, "", false
	}
	nanos, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || nanos < 0 {
		return 0, "", false
	}
	rest = strings.TrimSuffix(strings.TrimSuffix(rest, ".gz"), ".zst")
	kind, ok = strings.CutSuffix(rest, ".json")
	return nanos, kind, ok && (kind == "history" || kind == "checkpoint")
}
