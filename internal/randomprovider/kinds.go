package randomprovider

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Version is the release of pulumi-random whose schema this plugin serves. The
// SDK in go.mod asks the engine for that very version.
const Version = "4.21.2"

// kinds are the served resources by token.
var kinds = byToken(
	randomBytes(),
	randomID(),
	randomInteger(),
	randomPassword(),
	randomPet(),
	randomShuffle(),
	randomString(),
	uuidKind("RandomUuid", "A random UUID.", uuid.NewRandom),
	uuidKind("RandomUuid4", "A random UUID of version 4.", uuid.NewRandom),
	uuidKind("RandomUuid7", "A UUID of version 7: a time stamp, so that later ones sort later, and random bits.", uuid.NewV7),
)

func byToken(list ...*kind) map[string]*kind {
	table := map[string]*kind{}
	for _, k := range list {
		table[k.token()] = k
	}
	return table
}

// find returns the kind with the given token, or an error that says where to
// get what is missing.
func find(token string) (*kind, error) {
	if k, ok := kinds[token]; ok {
		return k, nil
	}
	names := make([]string, 0, len(kinds))
	for _, k := range kinds {
		names = append(names, k.name)
	}
	slices.Sort(names)
	return nil, notServed(fmt.Sprintf("%q", token), strings.Join(names, ", "))
}

func notServed(what, served string) error {
	return status.Errorf(codes.InvalidArgument,
		"this offline random plugin serves %s, and not %s; install the official plugin: pulumi plugin install resource random %s",
		served, what, Version)
}

// tokens of all kinds, sorted.
func tokens() []string { return slices.Sorted(maps.Keys(kinds)) }
