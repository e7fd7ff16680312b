package stacks

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// faults collects everything wrong with the settings, each with the path at
// which it stands in Pulumi.<stack>.yaml.
type faults struct{ list []error }

func (f *faults) add(path, format string, values ...any) {
	f.list = append(f.list, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, values...)))
}

// has reports whether something is already known to be wrong at path.
func (f *faults) has(path string) bool {
	return slices.ContainsFunc(f.list, func(err error) bool { return strings.HasPrefix(err.Error(), path+": ") })
}

func (f *faults) err() error { return errors.Join(f.list...) }

// decode reads one configuration value into target, which holds the defaults.
// What is missing stays, what is malformed or unknown is a fault; it goes on
// after a fault, so that a file is mended in one go. encoding/json would stop
// at the first and name no path.
func decode(path, raw string, target reflect.Value, f *faults) {
	if target.Kind() == reflect.String {
		target.SetString(raw) // a plain value is its own text
		return
	}
	decoder := json.NewDecoder(strings.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		f.add(path, "is %q, must be %s", raw, wanted(target.Type()))
		return
	}
	assign(path, value, target, f)
}

func assign(path string, value any, target reflect.Value, f *faults) {
	mismatch := func() { f.add(path, "is %s, must be %s", shown(value), wanted(target.Type())) }
	switch target.Kind() {
	case reflect.Struct:
		fields, ok := value.(map[string]any)
		if !ok {
			mismatch()
			return
		}
		assignFields(path, fields, target, f)
	case reflect.Map:
		entries, ok := value.(map[string]any)
		if !ok {
			mismatch()
			return
		}
		into := reflect.MakeMap(target.Type())
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			entry := reflect.New(target.Type().Elem()).Elem()
			assign(path+"."+key, entries[key], entry, f)
			into.SetMapIndex(reflect.ValueOf(key), entry)
		}
		target.Set(into)
	case reflect.Slice:
		items, ok := value.([]any)
		if !ok {
			mismatch()
			return
		}
		into := reflect.MakeSlice(target.Type(), len(items), len(items))
		for i, item := range items {
			assign(path+"["+strconv.Itoa(i)+"]", item, into.Index(i), f)
		}
		target.Set(into)
	case reflect.Int:
		number, ok := whole(value)
		if !ok {
			mismatch()
			return
		}
		target.SetInt(number)
	case reflect.Bool:
		flag, ok := value.(bool)
		if !ok {
			mismatch()
			return
		}
		target.SetBool(flag)
	case reflect.String:
		text, ok := value.(string)
		if !ok {
			mismatch()
			return
		}
		target.SetString(text)
	default:
		panic("settings hold a " + target.Kind().String() + ", which cannot be read: " + path)
	}
}

func assignFields(path string, fields map[string]any, target reflect.Value, f *faults) {
	known := map[string]int{}
	for i := range target.NumField() {
		known[key(target.Type().Field(i))] = i
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		at := path + "." + name
		i, ok := known[name]
		if !ok {
			f.add(at, "is unknown%s", suggestion(name, slices.Sorted(maps.Keys(known))))
			continue
		}
		assign(at, fields[name], target.Field(i), f)
	}
}

// key is the name of a field in the configuration.
func key(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// whole accepts the integers, 3 and 3.0 alike, that fit a machine word.
func whole(value any) (int64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	if n, err := number.Int64(); err == nil {
		return n, true
	}
	float, err := number.Float64()
	if err != nil || float != math.Trunc(float) || math.Abs(float) > 1<<53 {
		return 0, false
	}
	return int64(float), true
}

// wanted describes a type to somebody who writes YAML.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "a mapping"
	case reflect.Slice:
		return "a list of which each item is " + wanted(t.Elem())
	case reflect.Int:
		return "a whole number"
	case reflect.Bool:
		return "true or false"
	default:
		return "text"
	}
}

func shown(value any) string {
	const limit = 60
	raw, err := json.Marshal(value)
	if err != nil || len(raw) > limit {
		return "of another kind"
	}
	return string(raw)
}

// suggestion names the known key that was probably meant, or all of them.
func suggestion(name string, known []string) string {
	best, distance := "", 3
	for _, candidate := range known {
		if d := edits(strings.ToLower(name), strings.ToLower(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	if best != "" {
		return "; did you mean " + best + "?"
	}
	return "; known here: " + strings.Join(known, ", ")
}

// edits counts how many letters have to be added, dropped or changed.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
