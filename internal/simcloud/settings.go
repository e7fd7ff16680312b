package simcloud

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// Settings of a simulation. They come from the environment, never from the
// program: a program under rehearsal must not know that it is one.
type Settings struct {
	// Dir holds the simulated cloud. Required: its absence means that nobody
	// asked for a simulation. Variable SLIPWAY_SIMULATION_DIR.
	Dir string
	// Account is the number of the account that the credentials open.
	// SLIPWAY_SIMULATION_ACCOUNT, default 123456789012.
	Account string
	// Identity is the ARN of who the credentials are. SLIPWAY_SIMULATION_IDENTITY,
	// default user/simulated in the account.
	Identity string
	// Credentials is valid, expired, missing or denied.
	// SLIPWAY_SIMULATION_CREDENTIALS, default valid.
	Credentials string
	// Scale is how many real seconds one simulated second takes: 0.01 builds a
	// cluster of 800 s in 8 s. SLIPWAY_SIMULATION_SCALE, default 0: no waiting.
	Scale float64
	// Jumps lets the simulated clock jump over all waiting as soon as nothing else
	// happens, and writes into operations.jsonl when each operation began and
	// ended on it. SLIPWAY_SIMULATION_CLOCK, scaled (default) or jumping.
	Jumps bool
	// Throttle refuses every Throttle-th API call, which is then tried again up
	// to 25 times; 1 refuses all. SLIPWAY_SIMULATION_THROTTLE, default 0: none.
	Throttle int
	// FailAt is the number of the changing operation that fails, counted since
	// the directory was made; with FailOn every later one fails too.
	// SLIPWAY_SIMULATION_FAIL_AT, such as 17 or 17+, default 0: none.
	FailAt int
	// FailOn lets every operation from FailAt on fail: the + of 17+.
	FailOn bool
	// FailResource is the name of a resource every change of which fails, as the
	// program calls it. SLIPWAY_SIMULATION_FAIL_RESOURCE, default none.
	FailResource string
	// FailHalfway makes a failing creation leave what it had made: the
	// resource exists, and waiting for it failed.
	// SLIPWAY_SIMULATION_FAIL_MODE, before (default) or halfway.
	FailHalfway bool
	// Quotas override the default quotas of a region, by name.
	// SLIPWAY_SIMULATION_QUOTAS, such as vpcs=1,addresses=2.
	Quotas map[string]int
}

// FromEnvironment reads the settings, and reports every fault at once.
func FromEnvironment(getenv func(string) string) (Settings, error) {
	const prefix = "SLIPWAY_SIMULATION_"
	s := Settings{Account: "123456789012", Credentials: "valid", Quotas: map[string]int{}}
	var faults []error
	read := func(name string, take func(value string) error) {
		if value := getenv(prefix + name); value != "" {
			if err := take(value); err != nil {
				faults = append(faults, fmt.Errorf("%s%s=%s: %w", prefix, name, value, err))
			}
		}
	}
	s.Dir = getenv(prefix + "DIR")
	if s.Dir == "" {
		faults = append(faults, errors.New(prefix+"DIR is not set: this aws plugin only simulates, and keeps what it simulates in that directory; "+
			"set it to rehearse, or install the official plugin: pulumi plugin install resource aws "+Version))
	}
	read("ACCOUNT", func(value string) error {
		if !accountNumber.MatchString(value) {
			return errors.New("want the 12 digits of an account number")
		}
		s.Account = value
		return nil
	})
	read("IDENTITY", func(value string) error {
		if !strings.HasPrefix(value, "arn:aws:") {
			return errors.New("want an ARN")
		}
		s.Identity = value
		return nil
	})
	read("CREDENTIALS", func(value string) error {
		switch value {
		case "valid", "expired", "missing", "denied":
			s.Credentials = value
			return nil
		}
		return errors.New("want valid, expired, missing or denied")
	})
	read("SCALE", func(value string) error {
		scale, err := strconv.ParseFloat(value, 64)
		if err != nil || scale < 0 || scale > 1 {
			return errors.New("want a number from 0 (no waiting) to 1 (real time)")
		}
		s.Scale = scale
		return nil
	})
	read("CLOCK", func(value string) error {
		switch value {
		case "scaled", "jumping":
			s.Jumps = value == "jumping"
			return nil
		}
		return errors.New("want scaled or jumping")
	})
	count := func(into *int) func(string) error {
		return func(value string) error {
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return errors.New("want a number of at least 0")
			}
			*into = n
			return nil
		}
	}
	read("THROTTLE", count(&s.Throttle))
	read("FAIL_AT", func(value string) error {
		number, on := strings.CutSuffix(value, "+")
		s.FailOn = on
		return count(&s.FailAt)(number)
	})
	s.FailResource = getenv(prefix + "FAIL_RESOURCE")
	read("FAIL_MODE", func(value string) error {
		switch value {
		case "before", "halfway":
			s.FailHalfway = value == "halfway"
			return nil
		}
		return errors.New("want before or halfway")
	})
	read("QUOTAS", func(value string) error {
		for pair := range strings.SplitSeq(value, ",") {
			name, limit, _ := strings.Cut(pair, "=")
			if _, ok := quotas[name]; !ok {
				return fmt.Errorf("there is no quota %q; there are %s", name, quotaNames())
			}
			n, err := strconv.Atoi(limit)
			if err != nil || n < 0 {
				return fmt.Errorf("quota %s: want %s=NUMBER", name, name)
			}
			s.Quotas[name] = n
		}
		return nil
	})
	if s.Identity == "" {
		s.Identity = "arn:aws:iam::" + s.Account + ":user/simulated"
	}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if rest, ok := strings.CutPrefix(name, prefix); ok && !knownVariable(rest) {
			faults = append(faults, fmt.Errorf("%s is not a setting of the simulation", name))
		}
	}
	return s, errors.Join(faults...)
}

// waits tells whether operations take time.
func (s Settings) waits() bool { return s.Scale > 0 || s.Jumps }

var accountNumber = regexp.MustCompile(`^[0-9]{12}$`)

func knownVariable(name string) bool {
	switch name {
	case "DIR", "ACCOUNT", "IDENTITY", "CREDENTIALS", "SCALE", "CLOCK", "THROTTLE", "FAIL_AT", "FAIL_RESOURCE", "FAIL_MODE", "QUOTAS":
		return true
	}
	return false
}
