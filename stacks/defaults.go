package stacks

import (
	"slipway.dev/slipway/components/admission"
	"slipway.dev/slipway/components/fastapi"
	"slipway.dev/slipway/components/logging"
	"slipway.dev/slipway/components/monitoring"
	"slipway.dev/slipway/components/network"
	"slipway.dev/slipway/images/benchmark/load"
)

// Checkout, as a release of BlueGreen, is what this checkout builds.
const Checkout = "checkout"

// Kinds of foundation: a cluster that exists already, an environment on AWS,
// what an account on AWS needs before its first environment, and a place beside
// another stack.
const (
	Local     = "local"
	OnAWS     = "aws"
	OfAccount = "account"
	AsGuest   = "guest"
)

// AdmissionOff, as an admission action, declares no policies.
const AdmissionOff = "off"

// Foundations lists what the setting foundation accepts.
func Foundations() []string { return []string{Local, OnAWS, OfAccount, AsGuest} }

// Defaults are the settings of a stack that says nothing. What depends on where
// it runs has none.
func Defaults() Settings {
	drain := fastapi.DefaultDrain()
	return Settings{
		Foundation:   Local,
		Admission:    Admission{Action: string(admission.Deny)},
		DNS:          DNS{Replicas: 2, TTLSeconds: 60},
		Certificates: Certificates{AuthorityName: "Slipway lab CA", AuthorityDays: 3650, ValidHours: 2160, RenewHours: 720},
		Ingress: Ingress{
			HTTPSPort: 443, HTTPPort: 80, Replicas: 3, MaxReplicas: 6,
			RequestsPerSecond: 1000, Burst: 2000, HSTSSeconds: 31536000,
		},
		Database: Database{
			Members: 3, Storage: "10Gi", CPU: "250m", Memory: "1Gi", Name: "api", Owner: "api",
			TTLSeconds: 20, LoopWaitSeconds: 5, RetryTimeoutSeconds: 5,
			Pooler: Pooler{Replicas: 2, PoolSize: 16, MaxClients: 500, QueryWaitSeconds: 30},
			Backups: Backups{
				Enabled: true, KeepDays: 7, FullDays: 7, EveryHours: 24, ArchiveSeconds: 60, CheckMinutes: 15, DrillDays: 7,
			},
			Encrypted: true,
		},
		API: API{
			Strategy:  string(fastapi.Rolling),
			BlueGreen: BlueGreen{Active: string(fastapi.Blue), Blue: Checkout, Green: Checkout},
			Scaling:   Scaling{Min: 2, Max: 6, CPUPercent: 70, MemoryPercent: 80, CalmSeconds: 300},
			Resources: Resources{CPU: "100m", Memory: "128Mi", MemoryLimit: "256Mi"},
			Pool:      Pool{Min: 1, Max: 8},
			LogLevel:  "info",
			Drain: Drain{
				PreStopSeconds: drain.PreStopSeconds, DrainSeconds: drain.DrainSeconds,
				ShutdownSeconds: drain.ShutdownSeconds, GraceSeconds: drain.GraceSeconds,
				ReadinessPeriodSeconds: drain.ReadinessPeriodSeconds, ReadinessThreshold: drain.ReadinessThreshold,
				ProxyIdleSeconds: drain.ProxyIdleSeconds, KeepAliveSeconds: drain.KeepAliveSeconds,
			},
		},
		Monitoring: Monitoring{
			Enabled: true, Replicas: monitoring.DefaultReplicas, ScrapeSeconds: monitoring.DefaultScrapeSeconds,
			RetentionDays: monitoring.DefaultRetentionDays, Storage: monitoring.DefaultStorage, Memory: monitoring.DefaultMemory,
			Objectives: Objectives{
				AvailabilityPercent: monitoring.DefaultAvailability,
				LatencyPercent:      monitoring.DefaultLatency, LatencySeconds: monitoring.DefaultLatencyBound,
			},
		},
		Logging: Logging{
			Sink: SinkFiles, AccessDays: 7, ApplicationDays: 14, DatabaseDays: 14, SystemDays: 14,
			DiskMiB: 256, MaxLineBytes: logging.DefaultMaxLineBytes,
		},
		Tracing:        Tracing{PerThousand: 10, Days: 7},
		DataProtection: DataProtection{Profile: string(logging.Standard)},
		Benchmark:      Benchmark{Rate: 20, DurationSeconds: 60, Mix: string(load.Mixed), MaxP99Milliseconds: 500},
		Account:        Account{KeepImages: 100, StateDays: 90},
		AWS: AWS{
			Network:  Network{NAT: string(network.OneNAT)},
			Cluster:  EKS{ServiceCIDR: "172.20.0.0/16", LogDays: 90},
			Balancer: Balancer{HealthSeconds: 10, UnhealthyCount: 2, AcceptSeconds: 60, FinishSeconds: 60},
			Volumes:  Volumes{IOPS: 3000, ThroughputMiB: 125},
			Backups:  BackupBucket{LockDays: 14},
			Logs:     Logs{KeepDays: 90, ColdDays: 30, ArchiveMinutes: 5},
			Cost:     Cost{MonthlyUSD: 500, AnomalyUSD: 25},
		},
	}
}
