package rule

import (
	"strconv"
	"strings"
)

// wildcard stands for any one step of a pattern.
const wildcard = "*"

// join appends a key to a path, quoting keys that hold separators.
func join(path, key string) string {
	if strings.ContainsAny(key, `.[]"`) {
		return path + "[" + strconv.Quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// item appends an index to a path.
func item(path string, index int) string { return path + "[" + strconv.Itoa(index) + "]" }

// steps takes a path such as spec.rules[0].labels["a.b"] apart. A pattern has
// [*] or * where any step will do.
func steps(path string) []string {
	var parts []string
	for path != "" {
		switch {
		case path[0] == '.':
			path = path[1:]
		case strings.HasPrefix(path, `["`):
			quoted, err := strconv.QuotedPrefix(path[1:])
			if err != nil {
				return append(parts, path)
			}
			key, _ := strconv.Unquote(quoted)
			parts = append(parts, key)
			path = strings.TrimPrefix(path[1+len(quoted):], "]")
		case path[0] == '[':
			inner, rest, _ := strings.Cut(path[1:], "]")
			parts = append(parts, inner)
			path = rest
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			parts = append(parts, path[:end])
			path = path[end:]
		}
	}
	return parts
}

// meet tells whether one of two paths leads to or through the other.
func meet(a, b []string) bool {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] && a[i] != wildcard && b[i] != wildcard {
			return false
		}
	}
	return true
}
