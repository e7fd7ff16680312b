package rule

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// put sets, or with a nil value removes, what lies at a path of a tree. An
// index one past the end appends.
func put(tree map[string]any, at []string, value any) error {
	if len(at) == 0 {
		return errors.New("the path is empty")
	}
	_, err := putIn(tree, at, value)
	return err
}

// putIn returns the container with the change made; a slice may have moved.
func putIn(container any, at []string, value any) (any, error) {
	if container == nil {
		container = map[string]any{}
		if _, err := strconv.Atoi(at[0]); err == nil {
			container = []any{}
		}
	}
	switch c := container.(type) {
	case map[string]any:
		if len(at) == 1 {
			if value == nil {
				delete(c, at[0])
			} else {
				c[at[0]] = value
			}
			return c, nil
		}
		inner, err := putIn(c[at[0]], at[1:], value)
		if err != nil {
			return nil, err
		}
		c[at[0]] = inner
		return c, nil
	case []any:
		index, err := strconv.Atoi(at[0])
		if err != nil || index < 0 || index > len(c) {
			return nil, fmt.Errorf("there is no element %s among %d", at[0], len(c))
		}
		if len(at) == 1 && value == nil {
			return slices.Delete(c, index, min(index+1, len(c))), nil
		}
		if index == len(c) {
			c = append(c, nil)
		}
		if len(at) == 1 {
			c[index] = value
			return c, nil
		}
		inner, err := putIn(c[index], at[1:], value)
		if err != nil {
			return nil, err
		}
		c[index] = inner
		return c, nil
	default:
		return nil, fmt.Errorf("%s lies in a %T", at[0], container)
	}
}
