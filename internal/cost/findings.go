package cost

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Finding is what is to be said about a reservation.
type Finding string

const (
	// Fits: near enough to what is used.
	Fits Finding = "fits"
	// Oversized: much more than is used.
	Oversized Finding = "oversized"
	// Idle: so little is used that the question is whether it has to run.
	Idle Finding = "idle"
	// Undersized: more is used than is reserved, or the limit is near.
	Undersized Finding = "undersized"
	// Unset: nothing is reserved.
	Unset Finding = "unset"
	// Undecided: there is too little data.
	Undecided Finding = "too little data"
)

// Row is one reservation of one container: what it is, and what it could be.
type Row struct {
	Container `json:"-"`
	// Where is namespace/workload and the container.
	Where string `json:"where"`
	// Resource is "cpu" or "memory".
	Resource string   `json:"resource"`
	Used     *float64 `json:"used"`
	Request  *float64 `json:"request"`
	Limit    *float64 `json:"limit"`
	Finding  Finding  `json:"finding"`
	// Need is what should be reserved by what was used, room included.
	Need float64 `json:"need"`
	// Setting is the key of Pulumi.<stack>.yaml that decides it; empty: none does.
	Setting string `json:"setting,omitempty"`
	// Place is where it is decided when no setting does.
	Place string `json:"place,omitempty"`
}

// Suggestion is a setting that should have another value.
type Suggestion struct {
	Setting string `json:"setting"`
	From    string `json:"from"`
	To      string `json:"to"`
	Why     string `json:"why"`
	// Cores and Bytes are what it frees over all pods; below zero: what it takes.
	Cores float64 `json:"cores"`
	Bytes float64 `json:"bytes"`
}

// Review is what usage says about reservations.
type Review struct {
	// Window is how far back was looked; Hours is for how long the container
	// known longest has data. With less than AtLeast of them nothing is judged.
	Window      float64      `json:"windowHours"`
	Hours       float64      `json:"hours"`
	AtLeast     float64      `json:"atLeastHours"`
	Rows        []Row        `json:"rows"`
	Suggestions []Suggestion `json:"suggestions"`
}

// Room and thresholds. Memory gets room above its peak, since exceeding it
// kills; CPU above its 95th percentile, since exceeding it only slows down.
const (
	cpuRoom    = 1.3
	cpuGrain   = 0.01 // of a core
	cpuFloor   = 0.01
	memoryRoom = 1.2
	// cacheRoom is for programs whose reservation is their limit and whose caches
	// follow it.
	cacheRoom   = 1.5
	memoryGrain = 16 << 20
	memoryFloor = 32 << 20
	// worthwhile is how much smaller the need must be before less is suggested.
	worthwhile = 0.8
	// idle is the share of its reserved CPU below which a container does nothing.
	idle = 0.02
	// near is the share of a memory limit from which on it is too near.
	near = 0.9
)

// knob is a setting that decides a reservation.
type knob struct {
	namespace, container, resource string
	setting                        string
	// floor is the least that is suggested.
	floor float64
	room  float64
}

// knobs are the settings that decide reservations. An empty container is any.
// The API's floor keeps its autoscaler's percentages above the noise of one
// request; the database's is the component's own minimum.
var knobs = []knob{
	{"slipway-api", "", "cpu", "slipway:api.resources.cpu", 0.05, cpuRoom},
	{"slipway-api", "", "memory", "slipway:api.resources.memory", 64 << 20, memoryRoom},
	{"slipway-database", "postgres", "cpu", "slipway:database.cpu", 0.05, cpuRoom},
	{"slipway-database", "postgres", "memory", "slipway:database.memory", 256 << 20, cacheRoom},
	{"slipway-monitoring", "prometheus", "memory", "slipway:monitoring.memory", 128 << 20, cacheRoom},
}

// limitKnob is the setting of a limit that is not the request itself.
var limitKnobs = map[string]string{"slipway:api.resources.memory": "slipway:api.resources.memoryLimit"} //nolint:gosec // names of settings

// places are where reservations without a setting are decided.
var places = map[string]string{
	"slipway-api": "components/fastapi", "slipway-database": "components/postgres", "slipway-ingress": "components/traefik",
	"slipway-dns": "components/dns", "slipway-logging": "components/logging", "slipway-monitoring": "components/monitoring", "cert-manager": "components/certificates",
}

func knobOf(c Container, resource string) knob {
	for _, k := range knobs {
		if k.namespace == c.Namespace && k.resource == resource && (k.container == "" || k.container == c.Name) {
			return k
		}
	}
	if resource == "cpu" {
		return knob{floor: cpuFloor, room: cpuRoom}
	}
	return knob{floor: memoryFloor, room: memoryRoom}
}

// Judge compares use with reservations. A container with less than atLeast of
// data is not judged, unless others that the same setting decides have more.
func Judge(containers []Container, window, atLeast time.Duration) *Review {
	review := &Review{Window: window.Hours(), AtLeast: atLeast.Hours()}
	// What one setting decides is judged by the busiest that it decides for.
	need, seen := map[string]float64{}, map[string]float64{}
	for _, c := range containers {
		review.Hours = max(review.Hours, c.Hours)
		for _, row := range []Row{
			{Resource: "cpu", Used: c.CPUUsed, Request: c.CPURequest, Limit: c.CPULimit},
			{Resource: "memory", Used: c.MemoryUsed, Request: c.MemoryRequest, Limit: c.MemoryLimit},
		} {
			k := knobOf(c, row.Resource)
			row.Container, row.Where = c, c.Namespace+"/"+c.Workload+" "+c.Name
			row.Setting = k.setting
			if k.setting == "" {
				row.Place = places[c.Namespace]
			}
			row.Need = needed(row, k)
			if k.setting != "" {
				need[k.setting], seen[k.setting] = max(need[k.setting], row.Need), max(seen[k.setting], c.Hours)
			}
			review.Rows = append(review.Rows, row)
		}
	}
	for i := range review.Rows {
		row := &review.Rows[i]
		hours := row.Hours
		if row.Setting != "" {
			row.Need, hours = need[row.Setting], seen[row.Setting]
		}
		row.Finding = judge(*row, hours, atLeast.Hours())
	}
	review.suggest()
	return review
}

// needed is what should be reserved, by the grain and not below the floor.
func needed(row Row, k knob) float64 {
	if row.Used == nil {
		return 0
	}
	grain := cpuGrain
	if row.Resource == "memory" {
		grain = memoryGrain
	}
	// What arithmetic on binary fractions adds must not cost a grain.
	return max(k.floor, math.Ceil(*row.Used*k.room/grain-1e-9)*grain)
}

func judge(row Row, hours, atLeast float64) Finding {
	switch {
	case hours < atLeast || row.Used == nil:
		return Undecided
	case row.Request == nil || *row.Request == 0:
		return Unset
	case *row.Used > *row.Request:
		return Undersized
	case row.Resource == "memory" && row.Limit != nil && *row.Used > near**row.Limit:
		return Undersized
	case row.Resource == "cpu" && *row.Used < idle**row.Request:
		return Idle
	case row.Need <= worthwhile**row.Request:
		return Oversized
	}
	return Fits
}

// suggest makes one suggestion for each setting that is wrong. What is too small
// for one of those that it decides for goes before what is too large for
// another.
func (r *Review) suggest() {
	r.Suggestions = []Suggestion{}
	done := map[string]bool{}
	for _, finding := range []Finding{Undersized, Oversized, Idle} {
		for _, row := range r.Rows {
			if row.Setting == "" || row.Finding != finding || done[row.Setting] {
				continue
			}
			done[row.Setting] = true
			if finding == Undersized {
				r.raise(row)
				continue
			}
			if row.Need < *row.Request {
				r.change(row, row.Setting, *row.Request, row.Need)
			}
		}
	}
}

// raise suggests more of what is too small: of the reservation, or of the limit
// where that has a setting of its own.
func (r *Review) raise(row Row) {
	need := max(row.Need, *row.Request)
	if need > *row.Request {
		r.change(row, row.Setting, *row.Request, need)
	}
	limit := limitKnobs[row.Setting]
	if limit == "" || row.Limit == nil {
		return
	}
	if wanted := math.Ceil(*row.Used*cacheRoom/memoryGrain) * memoryGrain; wanted > *row.Limit || need > *row.Limit {
		r.Suggestions = append(r.Suggestions, Suggestion{
			Setting: limit, From: quantity("memory", *row.Limit), To: quantity("memory", max(wanted, need)),
			Why: fmt.Sprintf("a pod held %s; beyond the limit it is killed", quantity("memory", *row.Used)),
		})
	}
}

func (r *Review) change(row Row, setting string, from, to float64) {
	pods := 0
	most := 0.0
	for _, other := range r.Rows {
		if other.Setting == setting {
			pods += other.Pods
			if other.Used != nil {
				most = max(most, *other.Used)
			}
		}
	}
	made := Suggestion{Setting: setting, From: quantity(row.Resource, from), To: quantity(row.Resource, to)}
	frees := (from - to) * float64(pods)
	if row.Resource == "cpu" {
		made.Cores, made.Why = frees, fmt.Sprintf("95 %% of the time no pod used more than %s", quantity("cpu", most))
	} else {
		made.Bytes, made.Why = frees, fmt.Sprintf("no pod held more than %s", quantity("memory", most))
	}
	r.Suggestions = append(r.Suggestions, made)
}

// quantity writes an amount as Kubernetes does.
func quantity(resource string, amount float64) string {
	if resource == "memory" {
		return strconv.Itoa(int(math.Ceil(amount/(1<<20)-1e-9))) + "Mi"
	}
	if thousandths := int(math.Ceil(amount*1000 - 1e-6)); thousandths%1000 != 0 || thousandths == 0 {
		return strconv.Itoa(thousandths) + "m"
	}
	return strconv.Itoa(int(math.Round(amount)))
}

// optional writes an amount that may not be set.
func optional(resource string, amount *float64) string {
	if amount == nil {
		return "-"
	}
	return cmp.Or(quantity(resource, *amount), "0")
}
