package postgres

import (
	"maps"
	"slices"
	"strconv"
)

// refused are the parameters of PostgreSQL that are decided here or by
// Patroni, with the reason a person is given.
var refused = map[string]string{
	"archive_command":                "use backups",
	"archive_library":                "use backups",
	"archive_mode":                   "use backups",
	"archive_timeout":                "use backups.archiveSeconds",
	"cluster_name":                   "Patroni sets it",
	"data_directory":                 "it is the volume",
	"fsync":                          "without it a crash loses acknowledged rows",
	"full_page_writes":               "without it a crash corrupts pages",
	"hba_file":                       "access rules are written here",
	"hot_standby":                    "Patroni sets it",
	"ident_file":                     "access rules are written here",
	"listen_addresses":               "Patroni sets it",
	"logging_collector":              "logs go to standard output",
	"password_encryption":            "only SCRAM is allowed",
	"port":                           "services and policies know it",
	"primary_conninfo":               "Patroni sets it",
	"primary_slot_name":              "Patroni sets it",
	"recovery_target_timeline":       "Patroni sets it",
	"ssl":                            "use tls",
	"ssl_ca_file":                    "use tls",
	"ssl_cert_file":                  "use tls",
	"ssl_key_file":                   "use tls",
	"ssl_min_protocol_version":       "use tls",
	"synchronous_commit":             "use durability",
	"synchronous_standby_names":      "Patroni sets it",
	"unix_socket_directories":        "the member's own commands know it",
	"wal_level":                      "Patroni sets it",
	"wal_log_hints":                  "rewinding a former leader needs it",
	"zero_damaged_pages":             "it destroys rows",
	"ignore_checksum_failure":        "it returns damaged rows",
	"allow_in_place_tablespaces":     "tablespaces would leave the volume",
	"shared_preload_libraries":       "the image has none to load",
	"log_connections":                "it writes client addresses, which are personal data, to the log",
	"log_disconnections":             "it writes client addresses, which are personal data, to the log",
	"log_hostname":                   "it writes client addresses, which are personal data, to the log",
	"log_parameter_max_length":       "it writes values of rows to the log",
	"log_statement":                  "it writes values of rows to the log",
	"log_min_error_statement":        "it writes values of rows to the log",
	"log_line_prefix":                "it could write client addresses, which are personal data, to the log",
	"recovery_min_apply_delay":       "a delayed replica would never be ready",
	"session_replication_role":       "it switches constraints off",
	"default_transaction_deferrable": "it belongs to a transaction",
}

func (p *plan) checkParameters(fault func(string, string, ...any)) {
	for _, name := range slices.Sorted(maps.Keys(p.Parameters)) {
		path := "parameters." + name
		if !identifier.MatchString(name) {
			fault(path, "is no parameter of PostgreSQL; they are written in lower case")
		} else if reason, found := refused[name]; found {
			fault(path, "cannot be set: %s", reason)
		} else if p.Parameters[name] == "" {
			fault(path, "is empty; leave it out for the default")
		}
	}
}

// connections is how many clients PostgreSQL accepts: both poolers at full
// size, since the last member standing serves both, one more pod of each while
// they are replaced, and room for direct clients, Patroni and an operator.
func (p *plan) connections() int {
	const besides = 20
	return 2*(p.Pooler.Replicas+1)*p.Pooler.PoolSize + besides
}

// parameters are PostgreSQL's, sized for the member's memory and volume.
func (p *plan) parameters() map[string]any {
	parameters := map[string]any{
		"max_connections":        p.connections(),
		"max_wal_senders":        10,
		"max_replication_slots":  10,
		"max_worker_processes":   8,
		"password_encryption":    "scram-sha-256",
		"shared_buffers":         mebibytes(p.memory / 4),
		"effective_cache_size":   mebibytes(p.memory / 2),
		"maintenance_work_mem":   mebibytes(within(16*mebi, p.memory/16, 1024*mebi)),
		"work_mem":               "4MB",
		"jit":                    "off",
		"max_wal_size":           mebibytes(within(128*mebi, p.storage/8, 4096*mebi)),
		"min_wal_size":           "64MB",
		"wal_keep_size":          mebibytes(within(32*mebi, p.storage/32, 1024*mebi)),
		"max_slot_wal_keep_size": mebibytes(p.storage / 4),
		"wal_compression":        "on",
		// A standby that is asked for less than this would not be durable, and
		// one asked for more (remote_apply) lets its slowest query stop every
		// write.
		"synchronous_commit": "on",
		// A standby that just lost its primary sleeps this long, five seconds by
		// default, also when it is being promoted.
		"wal_retrieve_retry_interval": "500ms",
		// A connection whose peer vanished must not hold locks for hours.
		"tcp_keepalives_idle":                 10,
		"tcp_keepalives_interval":             5,
		"tcp_keepalives_count":                3,
		"tcp_user_timeout":                    "20s",
		"wal_sender_timeout":                  strconv.Itoa(p.TTL) + "s",
		"wal_receiver_timeout":                strconv.Itoa(p.TTL) + "s",
		"client_connection_check_interval":    "10s",
		"idle_in_transaction_session_timeout": "60s",
		// Errors keep their message and lose the statement, whose literals are
		// somebody's data; %h and %r, the client's address, are left out.
		"log_line_prefix":                   "%m [%p] %q%a ",
		"log_min_error_statement":           "panic",
		"log_parameter_max_length":          0,
		"log_parameter_max_length_on_error": 0,
		"log_checkpoints":                   "on",
		"log_lock_waits":                    "on",
	}
	if p.TLS != nil {
		parameters["ssl"] = "on"
		parameters["ssl_cert_file"] = tlsDir + "/tls.crt"
		parameters["ssl_key_file"] = tlsDir + "/tls.key"
		parameters["ssl_min_protocol_version"] = "TLSv1.2"
	}
	if p.Backups != nil {
		maps.Copy(parameters, p.archiving())
	}
	for name, value := range p.Parameters {
		parameters[name] = value
	}
	return parameters
}
