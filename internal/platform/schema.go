package platform

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/revision"
	"slipway.dev/slipway/internal/schema"
)

// migrations is where the service keeps its migrations.
const migrations = "app/src/slipway_api/migrations"

// primaryPod selects the database's leader, which Patroni labels.
const primaryPod = "app.kubernetes.io/name=postgres,app.kubernetes.io/component=member,role=primary"

// CheckSchema refuses a commit whose service cannot run on the database's
// schema as it is.
func (s *Stack) CheckSchema(ctx context.Context, commit string) error {
	files, err := revision.Files(ctx, s.Checkout, commit, migrations)
	if err != nil {
		return err
	}
	version, err := schema.Files(files)
	if err != nil {
		return fmt.Errorf("commit %s: %w", commit, err)
	}
	applied, err := s.applied(ctx)
	if err != nil {
		return fmt.Errorf("asking the database which migrations it has: %w; a rollback without the answer may break the service, so bring the database up first", err)
	}
	return schema.Check(version, applied)
}

// applied asks the database's leader. Reading it through the service would
// need the service to work, and a rollback is for when it does not.
func (s *Stack) applied(ctx context.Context) ([]schema.Migration, error) {
	outputs, err := s.Outputs(ctx, false)
	if err != nil {
		return nil, err
	}
	database, ok := outputs["databaseName"].(string)
	if !ok || database == "" {
		return nil, fmt.Errorf("stack %s has no output databaseName", s.Name)
	}
	found, err := s.kubectl(ctx, "get", "pods", "--all-namespaces", "-l", primaryPod, "-o", `jsonpath={range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}`)
	if err != nil {
		return nil, err
	}
	leaders := inNamespaces(string(found), outputs["namespaces"])
	if len(leaders) != 1 {
		return nil, fmt.Errorf("there are %d pods with the labels %s, not one", len(leaders), primaryPod)
	}
	rows, err := s.kubectl(ctx, "exec", "-n", leaders[0].namespace, leaders[0].name, "--", "psql", "-h", "/var/run/postgresql", "-U", "postgres",
		"-d", database, "-At", "-F|", "-v", "ON_ERROR_STOP=1", "-c", schema.Query)
	if err != nil {
		return nil, err
	}
	return schema.Applied(string(rows))
}

// object is the name of one in a cluster.
type object struct{ namespace, name string }

// inNamespaces are those of the objects that are in namespaces of the stack:
// another stack in the same cluster has such ones as well. Each line is a namespace and a
// name.
func inNamespaces(lines string, namespaces any) []object {
	own, _ := namespaces.([]any)
	var found []object
	for _, line := range strings.Split(lines, "\n") {
		if namespace, name, ok := strings.Cut(line, " "); ok && slices.Contains(own, any(namespace)) {
			found = append(found, object{namespace, name})
		}
	}
	return found
}
