package postgres

import (
	"fmt"
	"strings"

	"slipway.dev/slipway/components/component"
)

// poolerEtc is where the pooler's image looks for its files.
const poolerEtc = "/etc/slipway/pgbouncer"

// pooler is one of the two PgBouncers.
type pooler struct {
	// name of its objects, and of the service that clients know.
	name string
	// part is the value of its pods' component label.
	part string
	// role is the members' role it connects to.
	role string
}

// poolers are the one that writes and, where there are replicas, the one that
// only reads.
func (p *plan) poolers() []pooler {
	writes := pooler{name: p.name + "-pooler", part: "pooler", role: primary}
	reads := pooler{name: p.name + "-pooler-replica", part: "pooler-replica", role: replica}
	if p.Members == 1 {
		return []pooler{writes}
	}
	return []pooler{writes, reads}
}

func (p *plan) poolerSelector(one pooler) map[string]string {
	return component.Selector("pgbouncer", p.name, one.part)
}

// host is the full name of a service, which needs no search list and matches
// the certificates.
func (p *plan) host(service string) string {
	return fmt.Sprintf("%s.%s.svc.cluster.local", service, p.Namespace)
}

// ini is a pooler's whole configuration. The password is not in it.
func (p *plan) ini(one pooler) string {
	database := []string{
		"host=" + p.host(p.name+"-"+one.role),
		fmt.Sprintf("port=%d", Port),
		"dbname=" + p.Database,
	}
	if one.role == primary {
		// A member that follows may still carry the primary's label for a
		// moment. A connection that finds itself on such a member ends itself,
		// and PgBouncer tries again; without this it would stay and refuse
		// writes until it grows old. A primary cannot start to follow without a
		// restart, which ends its connections, so once is enough.
		database = append(database,
			"connect_query='SELECT pg_terminate_backend(pg_backend_pid()) WHERE pg_is_in_recovery()'")
	}
	type setting struct {
		key   string
		value any
	}
	settings := []setting{
		{"listen_addr", "0.0.0.0"},
		{"listen_port", Port},
		{"unix_socket_dir", ""},
		{"auth_type", "scram-sha-256"},
		{"auth_file", poolerEtc + "/credentials/userlist.txt"},
		{"pool_mode", "transaction"},
		{"default_pool_size", p.Pooler.PoolSize},
		{"max_client_conn", p.Pooler.MaxClients},
		{"max_prepared_statements", PreparedStatements},
		// A client library may ask for these when it connects. They are the
		// same in every session here, so it is not refused for asking.
		{"ignore_startup_parameters", "extra_float_digits,jit,options,search_path"},

		// How a dead server is noticed: a refused connection at once, silence
		// within ten seconds, a query without a connection after its wait.
		{"server_connect_timeout", 3},
		{"server_login_retry", 1},
		{"query_wait_timeout", p.Pooler.QueryWaitSeconds},
		{"tcp_keepalive", 1},
		{"tcp_keepidle", 5},
		{"tcp_keepintvl", 2},
		{"tcp_keepcnt", 2},
		{"tcp_user_timeout", 10000},

		// No connection outlives ten minutes, so that new members get their
		// share, and unused ones are given back.
		{"server_lifetime", 600},
		{"server_idle_timeout", 120},
		// Connections that a reload made obsolete go after their transaction.
		{"server_fast_close", 1},
		{"server_round_robin", boolean(one.role == replica)},

		// One line for each client would put addresses, which are personal
		// data, into the log.
		{"log_connections", 0},
		{"log_disconnections", 0},
		{"log_pooler_errors", 1},
		{"stats_period", 300},
	}
	if p.watched() {
		// It may look at anything but passwords, and change nothing.
		settings = append(settings, setting{"stats_users", exporterUser})
	}
	var text strings.Builder
	fmt.Fprintf(&text, "[databases]\n%s = %s\n\n[pgbouncer]\n", p.Database, strings.Join(database, " "))
	for _, setting := range settings {
		fmt.Fprintf(&text, "%s = %v\n", setting.key, setting.value)
	}
	if p.TLS != nil {
		fmt.Fprintf(&text, "client_tls_sslmode = require\nclient_tls_cert_file = %[1]s/tls/tls.crt\n"+
			"client_tls_key_file = %[1]s/tls/tls.key\nclient_tls_ca_file = %[1]s/tls/ca.crt\nserver_tls_sslmode = verify-full\n"+
			"server_tls_ca_file = %[1]s/tls/ca.crt\n", poolerEtc)
	}
	return text.String()
}

func boolean(value bool) int {
	if value {
		return 1
	}
	return 0
}
