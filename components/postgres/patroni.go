package postgres

import (
	"fmt"

	"sigs.k8s.io/yaml"

	"slipway.dev/slipway/components/component"
)

// Roles of the cluster's own, and the user of Patroni's REST interface.
const (
	replicationUser = "replicator"
	rewindUser      = "rewinder"
	restUser        = "patroni"
)

// Names that the image, Patroni's configuration and the services agree on.
const (
	restPort   = 8008
	scopeLabel = "slipway.dev/scope"
	roleLabel  = "role"
	primary    = "primary"
	replica    = "replica"

	etcDir  = "/etc/slipway/postgres"
	tlsDir  = etcDir + "/tls"
	runDir  = "/run/postgresql"
	dataDir = "/var/lib/postgresql/data"
)

// part names of pods, the values of the component label.
const (
	memberPart    = "member"
	reconcilePart = "reconcile"
)

// selector finds the members' pods.
func (p *plan) selector() map[string]string {
	return component.Selector("postgres", p.name, memberPart)
}

// settings is the content of the members' ConfigMap.
func (p *plan) settings() (map[string]string, error) {
	files := map[string]string{}
	roles := map[string]any{"database": p.Database, "owner": p.Owner}
	if p.watched() {
		roles["exporter"] = exporterUser
	}
	for name, content := range map[string]any{
		"patroni.yaml": p.patroni(), "dynamic.yaml": p.dynamic(), "roles.yaml": roles,
	} {
		text, err := yaml.Marshal(content)
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
		files[name] = string(text)
	}
	if p.Backups != nil {
		files["pgbackrest.conf"] = p.memberCopies()
	}
	return files, nil
}

// dynamic is what Patroni keeps in the cluster itself, the same for every
// member.
func (p *plan) dynamic() map[string]any {
	return map[string]any{
		"ttl":           p.TTL,
		"loop_wait":     p.LoopWait,
		"retry_timeout": p.RetryTimeout,
		// One standby, whichever answers first.
		"synchronous_mode":        "quorum",
		"synchronous_mode_strict": p.Durability == Strict,
		"synchronous_node_count":  1,
		// A crashed primary is succeeded at once. Waiting for its recovery, five
		// minutes by default, is for clusters that would lose rows otherwise.
		"primary_start_timeout": 0,
		// A leader that does not stop in time is killed: no acknowledged row is
		// on it alone.
		"primary_stop_timeout": p.TTL,
		// Without the Kubernetes API the leader goes on, as long as every member
		// says that it still follows.
		"failsafe_mode":  true,
		"check_timeline": true,
		// In quorum mode this is only what "lagging" means to a probe.
		"maximum_lag_on_failover": 16 * mebi,
		"postgresql": map[string]any{
			"use_pg_rewind": true,
			"use_slots":     true,
			// A former leader that cannot be rewound is cloned anew. Whatever it
			// has and nobody else has was never acknowledged.
			"remove_data_directory_on_rewind_failure":     true,
			"remove_data_directory_on_diverged_timelines": true,
			"parameters": p.parameters(),
		},
	}
}

// patroni is one member's own configuration, less what differs from pod to pod
// and less the passwords: the image adds both.
func (p *plan) patroni() map[string]any {
	return map[string]any{
		"scope": p.name,
		"kubernetes": map[string]any{
			"labels":        p.selector(),
			"scope_label":   scopeLabel,
			"role_label":    roleLabel,
			"use_endpoints": false,

			"leader_label_value":         primary,
			"follower_label_value":       replica,
			"standby_leader_label_value": replica,
		},
		"restapi": map[string]any{
			"listen": fmt.Sprintf("0.0.0.0:%d", restPort),
			// Reading is free, for probes; changing takes the password.
			"authentication": map[string]any{"username": restUser},
		},
		"bootstrap": map[string]any{
			"initdb": []any{
				"data-checksums",
				map[string]any{"encoding": "UTF8"},
				map[string]any{"locale": "C.UTF-8"},
				map[string]any{"auth-local": "peer"},
				map[string]any{"auth-host": "scram-sha-256"},
			},
			"post_bootstrap": "slipway-postgres roles",
		},
		"postgresql": map[string]any{
			"listen":                 fmt.Sprintf("0.0.0.0:%d", Port),
			"data_dir":               dataDir + "/pgdata",
			"bin_dir":                "/usr/lib/postgresql/15/bin",
			"pgpass":                 runDir + "/pgpass",
			"use_unix_socket":        true,
			"parameters":             map[string]any{"unix_socket_directories": runDir},
			"pg_hba":                 p.access(),
			"authentication":         p.logins(),
			"create_replica_methods": []string{"basebackup"},
			"basebackup":             []any{map[string]any{"checkpoint": "fast"}},
			"callbacks": map[string]any{
				"on_role_change": "slipway-postgres role-changed",
				"on_start":       "slipway-postgres role-changed",
			},
		},
	}
}

// logins are how members reach each other. The superuser has no password: it
// comes in through the socket, as the operating system's user, or not at all.
func (p *plan) logins() map[string]any {
	logins := map[string]any{"superuser": map[string]any{"username": "postgres"}}
	for role, user := range map[string]string{"replication": replicationUser, "rewind": rewindUser} {
		login := map[string]any{"username": user}
		if p.TLS != nil {
			// Members know each other by address, which no certificate carries.
			// Channel binding makes up for that: the other side must know the
			// password's verifier inside this very TLS session.
			login["sslmode"] = "verify-ca"
			login["sslrootcert"] = tlsDir + "/ca.crt"
			login["channel_binding"] = "require"
		}
		logins[role] = login
	}
	return logins
}

// access is pg_hba.conf: who may connect to what, and nobody else. Which pods
// reach the port at all is up to the network policies.
func (p *plan) access() []string {
	kind := "host"
	if p.TLS != nil {
		kind = "hostssl"
	}
	local := []string{"local all postgres peer"}
	if p.watched() {
		local = append(local, "local postgres "+exporterUser+" peer")
	}
	return append(local,
		"local all all reject",
		fmt.Sprintf("%s replication %s all scram-sha-256", kind, replicationUser),
		fmt.Sprintf("%s postgres %s all scram-sha-256", kind, rewindUser),
		fmt.Sprintf("%s %s %s all scram-sha-256", kind, p.Database, p.Owner),
		"host all all all reject",
	)
}
