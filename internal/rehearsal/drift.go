package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway.dev/slipway/internal/simcloud"
)

// drift adds a tag to some things and removes one thing of each provider that
// nothing else needs, behind the program's back.
func drift(ctx context.Context, a *act) (string, error) {
	resources, _, err := a.state(ctx)
	if err != nil {
		return "", err
	}
	needless := unneeded(resources)
	world, err := a.cloud()
	if err != nil {
		return "", err
	}
	tagged, removed := 0, []string{}
	if err := world.Do(func(tx *simcloud.Tx) error {
		things := map[string]*simcloud.Record{}
		for _, thing := range tx.All("") {
			things[thing.URN] = thing
		}
		gone := map[string]bool{}
		for _, r := range needless {
			if thing := things[r.URN]; thing != nil && !gone[provider(r.Type)] {
				gone[provider(r.Type)] = true
				delete(things, r.URN)
				tx.Remove(thing)
				removed = append(removed, r.Type+" "+r.ID)
			}
		}
		for _, urn := range slices.Sorted(maps.Keys(things)) {
			thing := things[urn]
			if thing.Properties["tags"] == nil || urn == "" || a.standing[thing.Token+" "+thing.ID] || tagged == 3 {
				continue
			}
			copied := tx.Get(thing.Token, thing.ID, thing.Region)
			tags, _ := copied.Properties["tags"].(map[string]any)
			tags = maps.Clone(tags)
			tags["added-by-hand"] = "yes"
			copied.Properties["tags"] = tags
			tx.Put(copied)
			tagged++
		}
		return nil
	}); err != nil {
		return "", err
	}
	if tagged == 0 {
		return "", errors.New("nothing in the stack bears tags, so nothing could drift")
	}
	if len(removed) == 0 {
		return "", errors.New("everything in the stack is needed by something else, so nothing could be removed")
	}
	if _, err := a.run(ctx, nil, "refresh", "--yes", "--skip-preview"); err != nil {
		return "", err
	}
	seen, err := a.changes(ctx)
	if err != nil {
		return "", err
	}
	what := fmt.Sprintf("%d things were changed by hand and %s removed", tagged, strings.Join(removed, ", "))
	if seen["update"] != tagged || seen["delete"] != len(removed) {
		return "", fmt.Errorf("%s, and the refresh saw %s", what, counts(seen))
	}
	if err := a.up(ctx); err != nil {
		return "", err
	}
	undone, err := a.changes(ctx)
	if err != nil {
		return "", err
	}
	if undone["update"] != tagged || undone["create"] != len(removed) {
		return "", fmt.Errorf("%s, and the update did %s", what, counts(undone))
	}
	return fmt.Sprintf("%d tags added by hand were seen and removed; removed by hand and made again: %s", tagged, strings.Join(removed, ", ")),
		a.unchanged(ctx)
}

// followed are types whose controllers make things of their own. Those go with
// an object only where it is deleted, and not where it vanishes.
var followed = []string{"kubernetes:core/v1:Service", "kubernetes:apps/v1:StatefulSet", "kubernetes:core/v1:PersistentVolumeClaim"}

// unneeded are the resources that nothing else in the state needs, that hold no
// data and that nothing follows, in the order of the state.
func unneeded(resources []resource) []resource {
	needed := map[string]bool{}
	for _, r := range resources {
		needed[r.Parent] = true
		for _, urn := range r.Dependencies {
			needed[urn] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(resources), func(r resource) bool {
		return needed[r.URN] || !r.Custom || r.External || r.Protect || r.RetainOnDelete || !simulates(r.Type) || slices.Contains(followed, r.Type)
	})
}

// provider is the package of a type, such as aws.
func provider(typ string) string {
	name, _, _ := strings.Cut(typ, ":")
	return name
}
