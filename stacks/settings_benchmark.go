package stacks

// Benchmark says how the platform is measured from inside its cluster. A branch
// preview is not.
type Benchmark struct {
	// Enabled declares the benchmark: a CronJob that sends requests to the service,
	// through the ingress, and fails when it is too slow. Without a schedule it is
	// run by `slipway bench --in-cluster` only.
	Enabled bool `json:"enabled"`
	// Schedule is when it runs, in UTC, as cron writes it: minute, hour, day of the
	// month, month, day of the week. "30 4 * * 0" is every Sunday at 4:30. Left out,
	// never by itself.
	Schedule string `json:"schedule"`
	// Rate is how many requests are sent a second, however slow the answers are; at
	// most ingress.requestsPerSecond.
	Rate int `json:"rate" min:"1" max:"1000"`
	// DurationSeconds is for how long they are sent.
	DurationSeconds int `json:"durationSeconds" min:"10" max:"3600"`
	// Mix is what they do: "read" reads a row with each, "write" creates, replaces
	// and deletes rows in turns, "streaming" walks through all rows in pages of a
	// hundred, and of ten requests of "mixed" seven read, two write and one gets a
	// page. Rows that are stored are called slipway-benchmark and are deleted at the
	// end.
	Mix string `json:"mix"`
	// MaxP99Milliseconds is what 99 of 100 requests may take, from the moment each
	// was due. A run that takes longer fails, and is an alert.
	MaxP99Milliseconds int `json:"maxP99Milliseconds" min:"1" max:"60000"`
	// MaxErrors is how many requests of a run may fail.
	MaxErrors int `json:"maxErrors" min:"0"`
}
