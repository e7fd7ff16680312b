package cost

import (
	"strconv"
	"strings"

	"slipway.dev/slipway/policies/rule"
)

// minutesOfAWeek are those that are paid for without office hours.
const minutesOfAWeek = 7 * 24 * 60

// moment is when something happens on some days of the week.
type moment struct {
	minute int // of the day
	days   string
	number int // of days
}

// weekly reads the fields of cron that a moment has: "30 7 * * MON,TUE".
func weekly(recurrence string) (moment, bool) {
	fields := strings.Fields(recurrence)
	if len(fields) != 5 || fields[2] != "*" || fields[3] != "*" {
		return moment{}, false
	}
	minute, wrong := strconv.Atoi(fields[0])
	hour, other := strconv.Atoi(fields[1])
	if wrong != nil || other != nil || strings.ContainsAny(fields[4], "-*/") {
		return moment{}, false
	}
	return moment{60*hour + minute, fields[4], len(strings.Split(fields[4], ","))}, true
}

// open is the share of the week in which a group of nodes has any: all of it,
// unless scheduled actions of its own open and close it.
func (e *estimator) open(group *rule.Resource) float64 {
	var opens, closes moment
	actions := 0
	for _, r := range e.resources {
		if r.Type != "aws:autoscaling/schedule:Schedule" || !r.DependsOn(group) && !strings.HasPrefix(r.Name, group.Name+"-") {
			continue
		}
		actions++
		at, understood := weekly(r.Text("recurrence"))
		wanted, known := number(r.Value("desiredCapacity"))
		switch {
		case !understood || !known:
			e.doubt(r, "when it is, and what for, is not of a kind that is understood; the nodes are counted for the whole week")
			return 1
		case wanted > 0:
			opens = at
		default:
			closes = at
		}
	}
	if actions == 0 {
		return 1
	}
	if actions != 2 || opens.days != closes.days || opens.number == 0 || closes.minute <= opens.minute {
		e.doubt(group, "its scheduled actions are not one that opens it and one that closes it on the same days; the nodes are counted for the whole week")
		return 1
	}
	return float64((closes.minute-opens.minute)*opens.number) / minutesOfAWeek
}
