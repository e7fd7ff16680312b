package simcloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Record is one thing that exists in the simulated cloud.
type Record struct {
	Token   string `json:"token"`
	ID      string `json:"id"`
	URN     string `json:"urn"`
	Account string `json:"account"`
	Region  string `json:"region"`
	// Status is active, or creating or deleting while that takes time. One that
	// stays creating was left behind by a plugin that was killed.
	Status string `json:"status"`
	// Inputs were given; Properties are what reading gives.
	Inputs     Props `json:"inputs"`
	Properties Props `json:"properties"`
}

const (
	active   = "active"
	creating = "creating"
	deleting = "deleting"
)

// Ledger counts what happened in a simulated cloud since it was made.
type Ledger struct {
	// Generation changes with every change, so that processes see each other's.
	Generation int `json:"generation"`
	// Operations counts creations, updates and deletions that were tried.
	Operations int `json:"operations"`
	// Calls counts all API calls.
	Calls int `json:"calls"`
}

// Operation is one line of the directory's operations.jsonl.
type Operation struct {
	Number  int     `json:"number"`
	Verb    string  `json:"verb"`
	URN     string  `json:"urn"`
	ID      string  `json:"id"`
	Started float64 `json:"started"`
	Ended   float64 `json:"ended"`
	// Seconds is how long it takes in the simulated cloud.
	Seconds float64 `json:"seconds"`
	Failed  string  `json:"failed,omitempty"`
	// From and To are when it began and ended on the simulated clock, where the
	// settings have one.
	From float64 `json:"from,omitempty"`
	To   float64 `json:"to,omitempty"`
}

// World is a simulated cloud in a directory: a file for each thing, so that a
// person or a test can change one by hand and cause drift. Several processes
// may have it open; a lock orders them, and files are replaced as a whole.
type World struct {
	dir string

	mu         sync.Mutex
	records    map[string]*Record
	generation int
	seen       time.Time // of the directory
}

// OpenWorld opens the simulated cloud in dir, and makes an empty one there if
// there is none.
func OpenWorld(dir string) (*World, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the simulated cloud: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "things"), 0o700); err != nil {
		return nil, fmt.Errorf("opening the simulated cloud: %w", err)
	}
	return &World{dir: dir, generation: -1}, nil
}

// Tx is a look at the whole simulated cloud during which nobody changes it.
type Tx struct {
	Ledger
	world   *World
	changed map[string]*Record // nil for removed ones
}

// Do runs look alone. What look changed is kept if it returns no error; what it
// counted is kept in any case.
func (w *World) Do(look func(tx *Tx) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	lock, err := os.OpenFile(filepath.Join(w.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("locking the simulated cloud: %w", err)
	}
	defer func() { _ = lock.Close() }()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("locking the simulated cloud: %w", err)
	}
	tx := &Tx{world: w, changed: map[string]*Record{}}
	if err := readJSON(filepath.Join(w.dir, "ledger.json"), &tx.Ledger); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the simulated cloud: %w", err)
	}
	if err := w.load(tx.Generation); err != nil {
		return fmt.Errorf("reading the simulated cloud: %w", err)
	}
	before := tx.Ledger
	outcome := look(tx)
	if outcome == nil {
		if err := tx.flush(); err != nil {
			return fmt.Errorf("writing the simulated cloud: %w", err)
		}
	}
	if tx.Ledger != before {
		if err := writeJSON(filepath.Join(w.dir, "ledger.json"), tx.Ledger); err != nil {
			return fmt.Errorf("writing the simulated cloud: %w", err)
		}
	}
	return outcome
}

// load reads all things unless nobody has changed any since the last look.
func (w *World) load(generation int) error {
	things := filepath.Join(w.dir, "things")
	info, err := os.Stat(things)
	if err != nil {
		return err
	}
	if w.records != nil && w.generation == generation && info.ModTime().Equal(w.seen) {
		return nil
	}
	entries, err := os.ReadDir(things)
	if err != nil {
		return err
	}
	records := map[string]*Record{}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".json") {
			continue
		}
		record := &Record{}
		if err := readJSON(filepath.Join(things, entry.Name()), record); err != nil {
			return err
		}
		records[fileOf(record.Token, record.ID, record.Region)] = record
	}
	w.records, w.generation, w.seen = records, generation, info.ModTime()
	return nil
}

func (tx *Tx) flush() error {
	if len(tx.changed) == 0 {
		return nil
	}
	w := tx.world
	things := filepath.Join(w.dir, "things")
	for _, file := range slices.Sorted(maps.Keys(tx.changed)) {
		record := tx.changed[file]
		if record == nil {
			if err := os.Remove(filepath.Join(things, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			delete(w.records, file)
			continue
		}
		if err := writeJSON(filepath.Join(things, file), record); err != nil {
			return err
		}
		w.records[file] = record
	}
	tx.Generation++
	info, err := os.Stat(things)
	if err != nil {
		return err
	}
	w.generation, w.seen = tx.Generation, info.ModTime()
	return nil
}

// Get returns a copy of the thing, or nil.
func (tx *Tx) Get(token, id, region string) *Record {
	file := fileOf(token, id, region)
	record, ok := tx.changed[file]
	if !ok {
		record = tx.world.records[file]
	}
	if record == nil {
		return nil
	}
	clone := *record
	clone.Inputs, clone.Properties = maps.Clone(record.Inputs), maps.Clone(record.Properties)
	return &clone
}

// All returns the things of a type, or of every type if token is empty, by ID.
// They belong to the world: change a copy from Get.
func (tx *Tx) All(token string) []*Record {
	all := maps.Clone(tx.world.records)
	maps.Copy(all, tx.changed)
	var records []*Record
	for _, file := range slices.Sorted(maps.Keys(all)) {
		if r := all[file]; r != nil && (token == "" || r.Token == token) {
			records = append(records, r)
		}
	}
	return records
}

// Put adds or replaces a thing.
func (tx *Tx) Put(record *Record) {
	tx.changed[fileOf(record.Token, record.ID, record.Region)] = record
}

// Remove removes a thing.
func (tx *Tx) Remove(record *Record) {
	tx.changed[fileOf(record.Token, record.ID, record.Region)] = nil
}

// log appends to the operations. It is called within Do.
func (tx *Tx) log(op Operation) error {
	line, err := json.Marshal(op)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(tx.world.dir, "operations.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(append(line, '\n'))
	return errors.Join(err, file.Close())
}

// Operations are all that were tried, in the order in which they ended.
func (w *World) Operations() ([]Operation, error) {
	content, err := os.ReadFile(filepath.Join(w.dir, "operations.jsonl"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the simulated cloud's operations: %w", err)
	}
	var operations []Operation
	for line := range strings.Lines(string(content)) {
		var op Operation
		if err := json.Unmarshal([]byte(line), &op); err != nil {
			return nil, fmt.Errorf("reading the simulated cloud's operations: %w", err)
		}
		operations = append(operations, op)
	}
	return operations, nil
}

// fileOf names the file of a thing: module, type and ID, so that a person
// finds it, and the region, because names repeat across regions.
func fileOf(token, id, region string) string {
	_, rest, _ := strings.Cut(token, ":")
	module, _, _ := strings.Cut(rest, "/")
	name := module + "." + token[strings.LastIndex(token, ":")+1:] + "--" + region + "--" + url.PathEscape(id)
	if len(name) > 200 {
		sum := fnv.New64a()
		_, _ = sum.Write([]byte(name))
		name = name[:180] + "-" + strconv.FormatUint(sum.Sum64(), 16)
	}
	return name + ".json"
}

func readJSON(path string, into any) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// writeJSON replaces path as a whole: a reader or a crash sees the old content
// or the new one, never a part.
func writeJSON(path string, value any) error {
	content, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(append(content, '\n'))
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// ReclaimPolicy is the property of a volume made for a claim that says whether
// it outlives it: Retain or Delete.
const ReclaimPolicy = "reclaimPolicy"
