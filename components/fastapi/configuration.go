package fastapi

import (
	"fmt"
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// passwordKey and passwordDir say where a pod finds the database password.
const (
	passwordKey = "password"
	passwordDir = "/etc/slipway/database"
)

// configure declares who the pods are and what they are told.
func (b *builder) configure() error {
	identity, err := corev1.NewServiceAccount(b.ctx, b.name+"-identity", &corev1.ServiceAccountArgs{
		Metadata: b.meta(b.name, b.name, "identity"),
		// The service has no business with the cluster's API.
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("creating the service account: %w", err)
	}
	settings, err := corev1.NewConfigMap(b.ctx, b.name+"-settings", &corev1.ConfigMapArgs{
		Metadata: b.anonymous("settings"),
		// Pods read it once. Immutable, it also costs the kubelet no watch.
		Immutable: pulumi.Bool(true),
		Data:      b.environment(),
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("creating the settings: %w", err)
	}
	password, err := corev1.NewSecret(b.ctx, b.name+"-database", &corev1.SecretArgs{
		Metadata:   b.anonymous("database"),
		Immutable:  pulumi.Bool(true),
		StringData: pulumi.StringMap{passwordKey: b.plan.Database.Password},
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("creating the database secret: %w", err)
	}
	b.identity, b.settings, b.password = identity, settings, password
	return nil
}

// environment is the service's configuration, see app/ for what each means.
func (b *builder) environment() pulumi.StringMap {
	p, db := b.plan, b.plan.Database
	number := func(n int) pulumi.String { return pulumi.String(strconv.Itoa(n)) }
	variables := pulumi.StringMap{
		"SLIPWAY_DATABASE_HOST":          db.PrimaryHost,
		"SLIPWAY_DATABASE_REPLICA_HOST":  db.ReplicaHost,
		"SLIPWAY_DATABASE_PORT":          pulumi.Sprintf("%d", db.Port),
		"SLIPWAY_DATABASE_NAME":          db.Name,
		"SLIPWAY_DATABASE_USER":          db.User,
		"SLIPWAY_DATABASE_PASSWORD_FILE": pulumi.String(passwordDir + "/" + passwordKey),
		"SLIPWAY_STATEMENT_CACHE":        number(db.PreparedStatements),
		"SLIPWAY_POOL_MIN":               number(p.Pool.Min),
		"SLIPWAY_POOL_MAX":               number(p.Pool.Max),
		"SLIPWAY_DRAIN_SECONDS":          number(p.Drain.DrainSeconds),
		"SLIPWAY_SHUTDOWN_SECONDS":       number(p.Drain.ShutdownSeconds),
		"SLIPWAY_KEEPALIVE_SECONDS":      number(p.Drain.KeepAliveSeconds),
		"SLIPWAY_LOG_LEVEL":              pulumi.String(p.LogLevel),
	}
	if t := p.Traces; t != nil {
		variables["SLIPWAY_TRACES_ENDPOINT"] = pulumi.String(t.URL())
		variables["SLIPWAY_TRACES_RATIO"] = pulumi.Sprintf("%g", t.Ratio())
	}
	return variables
}
