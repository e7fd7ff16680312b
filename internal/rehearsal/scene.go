package rehearsal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/internal/platform"
	"slipway.dev/slipway/internal/simcloud"
)

// scene is one stack of its own: an empty cloud, an empty backend, and a copy of
// the stack's configuration.
type scene struct {
	dir     string
	project string // directory of the program
	stack   string
	config  string // the copied configuration
	pulumi  string
	env     []string
	log     io.Writer
	// standing are the things of the stacks that stood before.
	standing map[string]bool
}

var (
	saltLine     = regexp.MustCompile(`(?m)^encryptionsalt: *\S+\n?`)
	providerLine = regexp.MustCompile(`(?m)^(?:secretsprovider|encryptedkey): *\S+\n?`)
	secretLine   = regexp.MustCompile(`(?m)^\s*secure: `)
)

// prepare makes a scene below dir in which the stacks that go before stand.
func (r *Rehearsal) prepare(ctx context.Context, dir string) (*scene, error) {
	for _, stack := range r.Before {
		before, err := r.open(ctx, dir, stack)
		if err == nil {
			err = before.up(ctx)
		}
		if err != nil {
			return nil, fmt.Errorf("bringing up stack %s, which must stand first: %w", stack, err)
		}
	}
	s, err := r.open(ctx, dir, r.Stack)
	if err != nil {
		return nil, err
	}
	s.standing, err = s.things()
	return s, err
}

// open makes a stack in the scene below dir.
func (r *Rehearsal) open(ctx context.Context, dir, stack string) (*scene, error) {
	s := &scene{dir: dir, project: r.Project, stack: stack, pulumi: r.Pulumi, log: r.Log, config: filepath.Join(dir, "Pulumi."+stack+".yaml")}
	for _, sub := range []string{"backend", "home", "init"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("making a place to rehearse in: %w", err)
		}
	}
	who := "arn:aws:iam::" + r.account() + ":user/simulated"
	if stack == r.Stack && r.Role != "" {
		who = "arn:aws:sts::" + r.account() + ":assumed-role/" + r.Role + "/rehearsal"
	}
	s.env = append(r.environment(dir), "SLIPWAY_SIMULATION_IDENTITY="+who)
	config, err := os.ReadFile(filepath.Join(r.Project, "Pulumi."+stack+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the stack's configuration: %w", err)
	}
	if secretLine.Match(config) {
		return nil, fmt.Errorf("stack %s has secrets in its configuration, which only its own key opens; a rehearsal cannot read them", stack)
	}
	body, err := os.ReadFile(filepath.Join(r.Project, "Pulumi.yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the project: %w", err)
	}
	var project struct {
		Name string `json:"name"`
	}
	if err := yaml.Unmarshal(body, &project); err != nil {
		return nil, fmt.Errorf("reading the project: %w", err)
	}
	// The stack is made from a directory of its own: the CLI writes its salt
	// beside the project, and the checkout must stay as committed.
	begin := filepath.Join(dir, "init")
	if err := os.WriteFile(filepath.Join(begin, "Pulumi.yaml"), []byte("name: "+project.Name+"\nruntime: go\n"), 0o600); err != nil {
		return nil, fmt.Errorf("writing a project to create the stack from: %w", err)
	}
	cmd := s.command(ctx, "stack", "init", stack)
	cmd.Dir = begin
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("creating stack %s: %w\n%s", stack, err, out)
	}
	salted, err := os.ReadFile(filepath.Join(begin, "Pulumi."+stack+".yaml"))
	if err != nil {
		return nil, fmt.Errorf("reading the stack's salt: %w", err)
	}
	config = providerLine.ReplaceAll(saltLine.ReplaceAll(config, nil), nil)
	config = append(append(bytes.TrimRight(config, "\n"), '\n'), saltLine.Find(salted)...)
	if err := os.WriteFile(s.config, config, 0o600); err != nil {
		return nil, fmt.Errorf("copying the stack's configuration: %w", err)
	}
	return s, nil
}

// environment is the machine's, without what would lead to a real account or
// another backend.
func (r *Rehearsal) environment(dir string) []string {
	var env []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		switch {
		case strings.HasPrefix(name, "PULUMI_"), strings.HasPrefix(name, "AWS_"), strings.HasPrefix(name, "SLIPWAY_SIMULATION_"), name == "PATH", name == "KUBECONFIG":
		default:
			env = append(env, variable)
		}
	}
	env = append(env, r.Env...)
	if !r.checkpoints {
		// The engine writes the whole state after every step, which takes most of
		// the time. It is needed when the engine is killed, and here it never is.
		env = append(env, "PULUMI_SKIP_CHECKPOINTS=true")
	}
	return append(env,
		"PATH="+strings.Join(append(append([]string{}, r.Plugins...), os.Getenv("PATH")), string(os.PathListSeparator)),
		"PULUMI_HOME="+filepath.Join(dir, "home"), "PULUMI_BACKEND_URL=file://"+filepath.Join(dir, "backend"),
		"PULUMI_CONFIG_PASSPHRASE=rehearsal", "PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION=true",
		"SLIPWAY_SIMULATION_DIR="+filepath.Join(dir, "cloud"), "SLIPWAY_SIMULATION_SCALE="+strconv.FormatFloat(r.Scale, 'f', -1, 64),
		"SLIPWAY_SIMULATION_ACCOUNT="+r.account(), "PULUMI_PARALLEL="+platform.Workers, "NO_COLOR=1",
	)
}

// command is pulumi with the scene's environment. Ctrl-C reaches it as SIGINT,
// which it answers by saving what it has done.
func (s *scene) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.pulumi, append([]string{"--non-interactive"}, args...)...)
	cmd.Dir, cmd.Env = s.project, s.env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = time.Minute
	return cmd
}

// pulumiError is what pulumi said when it failed.
type pulumiError struct {
	verb, output string
}

func (e *pulumiError) Error() string {
	_, diagnostics, found := strings.Cut(e.output, "Diagnostics:")
	if !found {
		diagnostics = e.output
	}
	return "pulumi " + e.verb + " failed:\n" + strings.TrimSpace(diagnostics)
}

// run runs pulumi on the stack with further settings of the simulation, and
// keeps its output.
func (s *scene) run(ctx context.Context, settings []string, args ...string) (string, error) {
	cmd := s.command(ctx, append([]string{"--stack", s.stack, "--config-file", s.config}, args...)...)
	cmd.Env = append(cmd.Env, settings...)
	out, err := cmd.CombinedOutput()
	fmt.Fprintf(s.log, "$ pulumi %s\n%s\n", strings.Join(args, " "), out)
	if ctx.Err() != nil {
		return string(out), ctx.Err()
	}
	if err != nil {
		return string(out), &pulumiError{args[0], string(out)}
	}
	return string(out), nil
}

func (s *scene) up(ctx context.Context, settings ...string) error {
	_, err := s.run(ctx, settings, "up", "--yes", "--skip-preview")
	return err
}

// query runs pulumi and decodes the JSON it prints.
func (s *scene) query(ctx context.Context, into any, args ...string) error {
	cmd := s.command(ctx, append(args, "--stack", s.stack)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return &pulumiError{args[0], stderr.String()}
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("reading what pulumi %s printed: %w", args[0], err)
	}
	return nil
}

// changes is what the last update did, such as {"create": 10}.
func (s *scene) changes(ctx context.Context) (map[string]int, error) {
	var history []struct {
		ResourceChanges map[string]int `json:"resourceChanges"`
	}
	if err := s.query(ctx, &history, "stack", "history", "--json", "--page-size", "1", "--page", "1"); err != nil {
		return nil, err
	}
	if len(history) == 0 {
		return nil, errors.New("the stack has no history")
	}
	return history[0].ResourceChanges, nil
}

// resource is one entry of the stack's state.
type resource struct {
	URN                  string              `json:"urn"`
	Type                 string              `json:"type"`
	ID                   string              `json:"id"`
	Custom               bool                `json:"custom"`
	External             bool                `json:"external"`
	Protect              bool                `json:"protect"`
	RetainOnDelete       bool                `json:"retainOnDelete"`
	Delete               bool                `json:"delete"`
	Parent               string              `json:"parent"`
	Provider             string              `json:"provider"`
	Dependencies         []string            `json:"dependencies"`
	PropertyDependencies map[string][]string `json:"propertyDependencies"`
}

// state is the stack's state: its resources, and how many operations it does
// not know the end of.
func (s *scene) state(ctx context.Context) (resources []resource, pending int, err error) {
	var export struct {
		Deployment struct {
			Resources         []resource        `json:"resources"`
			PendingOperations []json.RawMessage `json:"pending_operations"`
		} `json:"deployment"`
	}
	err = s.query(ctx, &export, "stack", "export")
	return export.Deployment.Resources, len(export.Deployment.PendingOperations), err
}

// simulates tells whether resources of the type exist in the simulated cloud.
func simulates(typ string) bool {
	return strings.HasPrefix(typ, "aws:") || strings.HasPrefix(typ, "kubernetes:")
}

// cloud is the scene's simulated cloud.
func (s *scene) cloud() (*simcloud.World, error) {
	return simcloud.OpenWorld(filepath.Join(s.dir, "cloud"))
}

// things are all that exist in the scene's cloud.
func (s *scene) things() (map[string]bool, error) {
	world, err := s.cloud()
	if err != nil {
		return nil, err
	}
	things := map[string]bool{}
	return things, world.Do(func(tx *simcloud.Tx) error {
		for _, thing := range tx.All("") {
			things[thing.Token+" "+thing.ID] = true
		}
		return nil
	})
}

// agree fails unless state and cloud hold the same things.
func (s *scene) agree(ctx context.Context) error {
	resources, pending, err := s.state(ctx)
	if err != nil {
		return err
	}
	if pending > 0 {
		return fmt.Errorf("the state has %d operations of which it does not know the end", pending)
	}
	known := map[string]bool{}
	for _, r := range resources {
		if r.Custom && !r.External && simulates(r.Type) {
			known[r.Type+" "+r.ID] = true
		}
	}
	world, err := s.cloud()
	if err != nil {
		return err
	}
	var faults []error
	err = world.Do(func(tx *simcloud.Tx) error {
		for _, thing := range tx.All("") {
			key := thing.Token + " " + thing.ID
			switch {
			case thing.URN == "": // made by another thing, not by the program
			case s.standing[key]:
			case !known[key]:
				faults = append(faults, fmt.Errorf("%s is orphaned: it exists and the state does not know it", key))
			default:
				delete(known, key)
			}
		}
		return nil
	})
	for key := range known {
		faults = append(faults, fmt.Errorf("%s is in the state and does not exist", key))
	}
	return errors.Join(append(faults, err)...)
}
