package ingress

import (
	"strconv"
	"strings"

	"slipway.dev/slipway/policies/rule"
)

// Flag is one setting that a container hands Traefik.
type Flag struct {
	// At is where in the resource it is said, Name what it is called, in lower
	// case, and Value what it is set to; a flag without a value is "true".
	At, Name, Value string
}

// prefix begins the variables that Traefik takes settings from.
const prefix = "TRAEFIK_"

// FlagReads are the properties that Flags looks at.
var FlagReads = []string{"container.command", "container.args", "container.env"}

// Flags are the settings in a container's command, arguments and variables: a
// process cannot tell the first two apart, and Traefik takes all three.
func Flags(c rule.Container) []Flag {
	var words, places []string
	for _, list := range []struct {
		field string
		texts []string
	}{{".command[", c.Command}, {".args[", c.Args}} {
		for i, text := range list.texts {
			parts := []string{text}
			if !strings.HasPrefix(text, "-") {
				parts = strings.Fields(text) // a script for a shell
			}
			for _, part := range parts {
				words, places = append(words, strings.Trim(part, `"'`)), append(places, c.Path+list.field+strconv.Itoa(i)+"]")
			}
		}
	}
	var found []Flag
	for i, word := range words {
		if !strings.HasPrefix(word, "-") {
			continue
		}
		flag, value, said := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !said {
			value = "true"
			if i+1 < len(words) && !strings.HasPrefix(words[i+1], "-") {
				value = words[i+1]
			}
		}
		found = append(found, Flag{places[i], strings.ToLower(flag), value})
	}
	for i, env := range c.Env {
		if rest, ok := strings.CutPrefix(strings.ToUpper(env.Name), prefix); ok {
			found = append(found, Flag{c.Path + ".env[" + strconv.Itoa(i) + "]", strings.ToLower(strings.ReplaceAll(rest, "_", ".")), env.Value})
		}
	}
	return found
}

// eachFlag asks about every flag of a pod's containers.
func eachFlag(r *rule.Resource, ask func(Flag) []rule.Complaint) []rule.Complaint {
	pod := rule.PodOf(r)
	if pod == nil {
		return nil
	}
	for _, c := range pod.Containers {
		for _, flag := range Flags(c) {
			if found := ask(flag); found != nil {
				return found
			}
		}
	}
	return nil
}
