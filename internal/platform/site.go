package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"slipway.dev/slipway/internal/image"
	"slipway.dev/slipway/internal/lab"
	"slipway.dev/slipway/internal/paths"
	"slipway.dev/slipway/internal/task"
	"slipway.dev/slipway/internal/toolchain"
)

// Site is a stack and the machine it is worked on from.
type Site struct {
	Stack  *Stack
	Tools  *toolchain.Chain
	Images *image.Builder
	Lab    *lab.Lab
	// Wait is how long to wait for another update of the stack to end.
	Wait time.Duration
}

// Packages are the Debian packages that the lab runs and images are built
// with.
var Packages = []string{
	"etcd-server", "containerd", "runc", "containernetworking-plugins", "iptables", "ipset", "conntrack", "iproute2", "util-linux",
	"buildah", "mmdebstrap",
}

// labTools are the built programs the lab runs.
var labTools = []string{"kube", "kube-router"}

// pulumiTools run the program.
var pulumiTools = []string{"pulumi", "pulumi-language-go", "pulumi-resource-random", "pulumi-resource-kubernetes"}

// Up takes whatever is there to the first verified answer. nodes is the lab's
// size; zero keeps it.
func (s *Site) Up(ctx context.Context, out io.Writer, nodes int) error {
	usesLab, err := s.Stack.UsesLab()
	if err != nil {
		return err
	}
	if err := s.check(ctx, out, usesLab, nodes); err != nil {
		return err
	}
	logs := filepath.Join(s.Stack.Checkout, ".slipway", "logs", "up")
	tasks, err := s.tasks(ctx, usesLab, nodes)
	if err != nil {
		return err
	}
	if err := task.Run(ctx, out, task.Options{Slots: runtime.NumCPU(), LogDir: logs}, tasks); err != nil {
		return err
	}
	if err := s.Stack.Recover(ctx, out, s.Wait); err != nil {
		return err
	}
	if err := s.Stack.Update(ctx, out); err != nil {
		return err
	}
	err = task.Run(ctx, out, task.Options{LogDir: logs}, []task.Task{{Name: "first answer over HTTPS", Run: s.Stack.Await}})
	if err != nil {
		return err
	}
	return s.Stack.Describe(ctx, out)
}

// check finds what would stop Up minutes later, before anything is built.
func (s *Site) check(ctx context.Context, out io.Writer, usesLab bool, nodes int) error {
	room := s.Tools.CheckRoom(ctx, s.tools(usesLab)...)
	if !usesLab || s.Stack.IsGuest() {
		return room
	}
	return errors.Join(s.Lab.Check(lab.Options{Nodes: nodes}, out), room)
}

// tools names all that Up builds: what runs the program, and for the lab what
// runs it and what its images are made of.
func (s *Site) tools(usesLab bool) []string {
	names := slices.Clone(pulumiTools)
	if !usesLab {
		return names
	}
	if !s.Stack.IsGuest() {
		names = append(names, labTools...)
	}
	for _, spec := range s.images(s.Images) {
		if tool := toolOf(spec); tool != "" {
			names = append(names, tool)
		}
	}
	return names
}

// tasks are the steps up to where pulumi can run, each as early as it can be.
func (s *Site) tasks(ctx context.Context, usesLab bool, nodes int) ([]task.Task, error) {
	tasks, err := s.Tools.Tasks(ctx, s.tools(usesLab)...)
	if err != nil {
		return nil, err
	}
	if usesLab {
		tasks = append(tasks, s.lab(nodes)...)
	}
	// After the language host, with which it shares most packages, and then before
	// anything else: it ends in one package that one core compiles for two minutes,
	// and other tools keep the other cores busy meanwhile.
	program := task.Task{Name: "program", Needs: s.missing("pulumi-language-go"), Weight: toolchain.Weight(), Run: s.buildProgram}
	tasks = slices.Insert(tasks, 0, program)
	return append(tasks, task.Task{Name: "stack " + s.Stack.Name, Needs: s.missing("pulumi"), Run: s.Stack.Prepare}), nil
}

// buildProgram compiles what the language host would compile anyway, while
// other steps wait for the network.
func (s *Site) buildProgram(ctx context.Context, log io.Writer) error {
	return s.Stack.compile(ctx, filepath.Join(".slipway", "bin", "program"), log)
}

// images are those of a checkout that the stack runs: for a branch preview the
// service's and the database's, since all else is the host's.
func (s *Site) images(of *image.Builder) []image.Spec {
	all := of.Catalog()
	if !s.Stack.IsGuest() {
		return all
	}
	return slices.DeleteFunc(all, func(spec image.Spec) bool {
		return spec.Kind != image.Dockerfile || spec.Repository() == image.Monitoring
	})
}

// Bring builds the images of a checkout as far as they are not there, and loads
// them into the lab. It returns how many there are.
func (s *Site) Bring(ctx context.Context, of *image.Builder, log io.Writer) (int, error) {
	var refs []string
	for _, spec := range s.images(of) {
		refs = append(refs, spec.Ref)
	}
	archives, err := of.Ensure(ctx, log, refs...)
	if err != nil {
		return 0, err
	}
	if s.Stack.IsGuest() {
		return len(archives), s.Lab.Import(ctx, archives)
	}
	return len(archives), s.Lab.Load(ctx, archives)
}

// lab is the cluster and its images; the tools they are made of are tasks of
// their own. A branch preview has its images brought into the host's lab, which
// stays as it is.
func (s *Site) lab(nodes int) []task.Task {
	tasks := []task.Task{{Name: "Debian packages", Run: func(ctx context.Context, log io.Writer) error {
		return s.Tools.Packages(ctx, log, Packages...)
	}}}
	var load []string
	if !s.Stack.IsGuest() {
		load = []string{"lab"}
		tasks = append(tasks, task.Task{
			Name: "lab", Needs: append(s.missing(labTools...), "Debian packages"),
			Run: func(ctx context.Context, log io.Writer) error {
				return s.Lab.Up(ctx, lab.Options{Nodes: nodes}, log)
			},
		})
	}
	for _, spec := range s.images(s.Images) {
		needs := []string{"Debian packages"}
		if tool := toolOf(spec); tool != "" {
			needs = append(needs, s.missing(tool)...)
		}
		if _, there, err := s.Images.Find(spec); err == nil && there {
			continue
		}
		// The one has every stage of the other; at once, both would build them.
		if api := "image " + image.API; spec.Repository() == image.Migrations && slices.Contains(load, api) {
			needs = append(needs, api)
		}
		name := "image " + spec.Repository()
		tasks = append(tasks, task.Task{Name: name, Needs: needs, Run: func(ctx context.Context, log io.Writer) error {
			_, err := s.Images.Ensure(ctx, log, spec.Ref)
			return err
		}})
		load = append(load, name)
	}
	return append(tasks, task.Task{Name: "load images", Needs: load, Run: func(ctx context.Context, log io.Writer) error {
		_, err := s.Bring(ctx, s.Images, log)
		return err
	}})
}

// toolOf names the built program an image holds, empty for an image that is
// made from a directory or a package.
func toolOf(spec image.Spec) string {
	if spec.Kind != image.Program || strings.Contains(spec.From, "/") {
		return ""
	}
	return spec.From
}

// missing names the tasks that will bring the tools that are not there.
func (s *Site) missing(names ...string) []string {
	var tasks []string
	for _, name := range names {
		if _, err := s.Tools.Path(name); err != nil {
			tasks = append(tasks, toolchain.TaskName(name))
		}
	}
	return tasks
}

// ErrNoLab is returned for a lab command on a stack that has none.
var ErrNoLab = errors.New("the stack does not run on this machine's lab")

// ErrGuests is returned for the destruction of a stack that others use.
var ErrGuests = errors.New("branch previews live beside it")

// Down stops the lab; its data, and the stack's state, stay.
func (s *Site) Down(ctx context.Context, out io.Writer) error {
	usesLab, err := s.Stack.UsesLab()
	if err != nil {
		return err
	}
	if s.Stack.IsGuest() {
		return fmt.Errorf("%w: stack %s is a guest there; to remove it run: slipway env remove %s", ErrNoLab, s.Stack.Name, s.Stack.Name)
	}
	if !usesLab {
		return fmt.Errorf("%w: stack %s; to delete its resources run make destroy STACK=%s", ErrNoLab, s.Stack.Name, s.Stack.Name)
	}
	if err := s.Lab.Down(ctx, false, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "the lab is down; its data is in %s and comes back with make up\n", paths.Lab())
	return nil
}

// Destroy deletes the stack's resources and, for a stack on the lab, the lab
// with its data.
func (s *Site) Destroy(ctx context.Context, out io.Writer, confirm string) error {
	usesLab, err := s.Stack.UsesLab()
	if err != nil {
		return err
	}
	guests, err := s.Stack.GuestsOf()
	if err != nil {
		return err
	}
	if len(guests) > 0 {
		return fmt.Errorf("destroying stack %s: %w: %s; remove each with: slipway env remove NAME", s.Stack.Name, ErrGuests, strings.Join(guests, ", "))
	}
	if strings.TrimSpace(confirm) == s.Stack.Name {
		if err := s.Stack.Prepare(ctx, out); err != nil {
			return err
		}
		if err := s.Stack.Recover(ctx, out, s.Wait); err != nil {
			return err
		}
	}
	if err := s.Stack.Destroy(ctx, out, confirm); err != nil {
		return err
	}
	if !usesLab || s.Stack.IsGuest() {
		return nil
	}
	if err := s.Lab.Down(ctx, true, out); err != nil {
		return err
	}
	fmt.Fprintln(out, "the lab and its data are gone")
	return nil
}
