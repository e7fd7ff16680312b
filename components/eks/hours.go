package eks

import (
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones are known on every machine that declares a cluster

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/autoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Hours are when nodes run; outside of them there are none, and what they carry
// waits for them. The zero value is always.
type Hours struct {
	// Days are among MON, TUE, WED, THU, FRI, SAT and SUN. Default: Monday to
	// Friday.
	Days []string
	// From and To are on the same day, as hh:mm.
	From, To string
	// TimeZone is where it is that late, such as Europe/Berlin.
	TimeZone string
}

var (
	week     = []string{"MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"}
	weekdays = week[:5]
)

func (h Hours) always() bool {
	return len(h.Days) == 0 && h.From == "" && h.To == "" && h.TimeZone == ""
}

// clock is a time of day.
const clock = "15:04"

func (r *resolver) hours(h Hours) {
	if h.always() {
		return
	}
	for i, day := range h.Days {
		at := fmt.Sprintf("officeHours.days[%d]", i)
		switch {
		case !slices.Contains(week, day):
			r.fault(at, "%q is none of %s", day, strings.Join(week, ", "))
		case slices.Index(h.Days, day) < i:
			r.fault(at, "%s is there twice", day)
		}
	}
	from, early := time.Parse(clock, h.From)
	if early != nil {
		r.fault("officeHours.from", "%q is no time of day such as 07:00", h.From)
	}
	to, late := time.Parse(clock, h.To)
	if late != nil {
		r.fault("officeHours.to", "%q is no time of day such as 19:00", h.To)
	}
	if early == nil && late == nil && !from.Before(to) {
		r.fault("officeHours.to", "%s is not after from = %s", h.To, h.From)
	}
	// Go also knows "", which is UTC, and "Local", whatever that is for who updates.
	if _, err := time.LoadLocation(h.TimeZone); err != nil || h.TimeZone == "" || h.TimeZone == "Local" {
		r.fault("officeHours.timeZone", "%q is no time zone such as Europe/Berlin", h.TimeZone)
	}
}

// recurrence is cron's form of a time on the days.
func (h Hours) recurrence(at string) string {
	days := h.Days
	if len(days) == 0 {
		days = weekdays
	}
	hour, minute, _ := strings.Cut(at, ":")
	trim := func(number string) string {
		if number = strings.TrimLeft(number, "0"); number == "" {
			return "0"
		}
		return number
	}
	return fmt.Sprintf("%s %s * * %s", trim(minute), trim(hour), strings.Join(days, ","))
}

// keep declares when a group has nodes. EKS itself does not know of it: its own
// numbers are those of open hours.
func (b *builder) keep(name string, spec NodeGroup, group *eks.NodeGroup) error {
	if b.OfficeHours.always() {
		return nil
	}
	for _, one := range []struct {
		action, at string
		fewest     int
	}{{"open", b.OfficeHours.From, spec.Min}, {"close", b.OfficeHours.To, 0}} {
		if _, err := autoscaling.NewSchedule(b.ctx, b.name+"-nodes-"+name+"-"+one.action, &autoscaling.ScheduleArgs{
			AutoscalingGroupName: b.made.AutoscalingGroups[name], ScheduledActionName: pulumi.String(one.action),
			Recurrence: pulumi.String(b.OfficeHours.recurrence(one.at)), TimeZone: pulumi.String(b.OfficeHours.TimeZone),
			MinSize: pulumi.Int(one.fewest), MaxSize: pulumi.Int(spec.Max), DesiredCapacity: pulumi.Int(one.fewest),
		}, b.under(pulumi.DependsOn([]pulumi.Resource{group}))...); err != nil {
			return fmt.Errorf("declaring when it has nodes (%s): %w", one.action, err)
		}
	}
	return nil
}
