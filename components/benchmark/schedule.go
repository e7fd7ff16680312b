package benchmark

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// never is the schedule of a CronJob that is suspended: it has to have one.
const never = "0 0 1 1 *"

// parts of a schedule with their least and largest value.
var parts = []struct {
	name      string
	low, high int
}{
	{"minute", 0, 59}, {"hour", 0, 23}, {"day of the month", 1, 31}, {"month", 1, 12}, {"day of the week", 0, 6},
}

// element is one of a part's comma-separated values: all or some of them, and of
// these each so many-th.
var element = regexp.MustCompile(`^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?$`)

// checkSchedule holds a schedule to what the cluster would refuse only in the
// middle of an update. It knows numbers, lists, ranges and steps.
func checkSchedule(schedule string) error {
	fields := strings.Fields(schedule)
	if len(fields) != len(parts) {
		return fmt.Errorf("%q has %d parts, must have minute, hour, day of the month, month and day of the week, such as 30 4 * * 0", schedule, len(fields))
	}
	var faults []string
	for i, field := range fields {
		for _, one := range strings.Split(field, ",") {
			if !within(one, parts[i].low, parts[i].high) {
				faults = append(faults, fmt.Sprintf("%q is no %s: write *, numbers from %d to %d, ranges such as %[3]d-%[4]d, or steps such as */2",
					one, parts[i].name, parts[i].low, parts[i].high))
			}
		}
	}
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "; "))
	}
	return nil
}

func within(text string, low, high int) bool {
	match := element.FindStringSubmatch(text)
	if match == nil {
		return false
	}
	var numbers [2]int
	for i, digits := range match[1:3] {
		if digits == "" {
			continue
		}
		number, err := strconv.Atoi(digits)
		if err != nil || number < low || number > high {
			return false
		}
		numbers[i] = number
	}
	backwards := match[2] != "" && numbers[1] < numbers[0]
	step := match[3]
	return !backwards && (step == "" || strings.Trim(step, "0") != "")
}
