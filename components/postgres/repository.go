package postgres

import (
	"fmt"
	"strings"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"slipway.dev/slipway/components/component"
	"slipway.dev/slipway/components/workload"
)

// metricsPort is where the repository of backups says how old they are.
const metricsPort = 9854

// copyPort is where pgBackRest's servers listen, in members and in the repository.
const copyPort = 8432

// repositoryPart is the component label of the repository's pod.
const repositoryPart = "repository"

// PathInBucket is where in a bucket the repository is.
const PathInBucket = "/postgres"

// RepositoryAccount is the service account of the pod that keeps the backups of
// the cluster called name, which a role for a bucket has to name beforehand.
func RepositoryAccount(name string) string { return name + "-" + repositoryPart }

func (p *plan) repositoryName() string { return RepositoryAccount(p.name) }

func (p *plan) repositorySelector() map[string]string {
	return component.Selector("pgbackrest", p.name, repositoryPart)
}

// commonName is how one side of a copy knows the other: every certificate of
// this issuer is trusted, so the name has the namespace in it.
func (p *plan) commonName(part string) string {
	return fmt.Sprintf("%s-%s.%s.svc", p.name, part, p.Namespace)
}

// memberHost is the name of one member.
func (p *plan) memberHost(number int) string {
	return fmt.Sprintf("%s-%d.%s", p.name, number, p.host(p.name+"-members"))
}

// memberCopies is a member's pgbackrest.conf: where it pushes its write-ahead log
// to, and who may copy it.
func (p *plan) memberCopies() string {
	lines := []string{"[global]"}
	lines = append(lines, p.copyLogin("repo1", p.host(p.repositoryName()))...)
	lines = append(lines, p.copyServer(repositoryPart)...)
	lines = append(lines,
		// A segment that cannot be pushed is tried again by PostgreSQL; what must
		// not happen is that a repository whose node is gone holds up a shutdown.
		"io-timeout=10",
		// Beyond it segments are given up, and the archive has a gap until the next
		// backup. Kept, they would fill the volume and end the database instead.
		fmt.Sprintf("archive-push-queue-max=%d", p.storage/8),
		"["+p.name+"]",
	)
	lines = append(lines, p.dataAt("pg1")...)
	return strings.Join(lines, "\n") + "\n"
}

// repositoryCopies is the repository's pgbackrest.conf: what it is kept in, for
// how long, and where the members are.
func (p *plan) repositoryCopies(bucket string) string {
	b := p.Backups
	lines := []string{
		"[global]", "repo1-retention-full-type=time", fmt.Sprintf("repo1-retention-full=%d", b.KeepDays),
		// An empty database is a thousand small files, and a bucket charges for each.
		"repo1-bundle=y",
	}
	if b.S3 == nil {
		lines = append(lines, "repo1-path="+dataDir+"/repository")
	} else {
		lines = append(lines, "repo1-path="+PathInBucket, "repo1-type=s3", "repo1-s3-bucket="+bucket, "repo1-s3-region="+b.S3.Region,
			"repo1-s3-endpoint=s3."+b.S3.Region+".amazonaws.com", "repo1-s3-key-type=web-id")
	}
	lines = append(lines, p.copyServer(memberPart)...)
	lines = append(lines, "start-fast=y", "io-timeout=20", "["+p.name+"]")
	for number := range p.Members {
		option := fmt.Sprintf("pg%d", number+1)
		lines = append(lines, p.copyLogin(option, p.memberHost(number))...)
		lines = append(lines, p.dataAt(option)...)
	}
	return strings.Join(lines, "\n") + "\n"
}

// copyLogin reaches a pgBackRest server and shows it a certificate.
func (p *plan) copyLogin(option, host string) []string {
	return []string{
		option + "-host=" + host, option + "-host-type=tls", fmt.Sprintf("%s-host-port=%d", option, copyPort),
		option + "-host-ca-file=" + tlsDir + "/ca.crt",
		option + "-host-cert-file=" + tlsDir + "/tls.crt", option + "-host-key-file=" + tlsDir + "/tls.key",
	}
}

// copyServer answers pgBackRest with the other part's certificate and nobody else;
// the rest of it is common to both sides.
func (p *plan) copyServer(other string) []string {
	return []string{
		"tls-server-address=*", fmt.Sprintf("tls-server-port=%d", copyPort),
		"tls-server-ca-file=" + tlsDir + "/ca.crt", "tls-server-cert-file=" + tlsDir + "/tls.crt", "tls-server-key-file=" + tlsDir + "/tls.key",
		"tls-server-auth=" + p.commonName(other) + "=" + p.name,
		"compress-type=zst", "log-level-console=warn", "log-level-file=off", "lock-path=/tmp/pgbackrest",
	}
}

func (p *plan) dataAt(option string) []string {
	return []string{option + "-path=" + dataDir + "/pgdata", option + "-socket-path=" + runDir}
}

// archiving are the parameters by which PostgreSQL hands over what it wrote.
func (p *plan) archiving() map[string]any {
	return map[string]any{
		"archive_mode": "on", "archive_command": fmt.Sprintf("pgbackrest --stanza=%s archive-push %%p", p.name),
		"archive_timeout": fmt.Sprintf("%ds", p.Backups.ArchiveSeconds),
	}
}

// repositoryLoad is that of the repository's pod. A drill runs a server in it, and
// what it restores must not be what the kernel takes memory from.
func (p *plan) repositoryLoad() component.Load {
	return component.Load{Pods: 1, CPU: "20m", Memory: "256Mi", MemoryLimit: "256Mi", Storage: p.Backups.Storage}
}

// keepBackups declares the repository.
func (b *builder) keepBackups() error {
	p := b.plan
	if p.Backups == nil {
		return nil
	}
	bucket := pulumi.String("").ToStringOutput()
	metadata := b.meta(p.repositoryName(), repositoryPart)
	if s3 := p.Backups.S3; s3 != nil {
		bucket = s3.Bucket.ToStringOutput()
		metadata.Annotations = pulumi.StringMap{s3.RoleAnnotation: s3.Role}
	}
	account, err := corev1.NewServiceAccount(b.ctx, p.repositoryName()+"-account", &corev1.ServiceAccountArgs{
		Metadata: metadata,
		// It asks nothing of the cluster.
		AutomountServiceAccountToken: pulumi.Bool(false),
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("creating the repository's service account: %w", err)
	}
	settings, err := corev1.NewConfigMap(b.ctx, p.repositoryName()+"-settings", &corev1.ConfigMapArgs{
		Metadata: b.meta(p.repositoryName()+"-settings", repositoryPart),
		Data: pulumi.StringMap{
			"pgbackrest.conf": bucket.ApplyT(p.repositoryCopies).(pulumi.StringOutput),
			"backup.yaml": pulumi.String(fmt.Sprintf("stanza: %s\ndatabase: %s\nfullDays: %d\neveryHours: %d\ncheckMinutes: %d\ndrillDays: %d\n",
				p.name, p.Database, p.Backups.FullDays, p.Backups.EveryHours, p.Backups.CheckMinutes, p.Backups.DrillDays)),
		},
	}, b.under()...)
	if err != nil {
		return fmt.Errorf("storing the repository's settings: %w", err)
	}
	metadata = b.meta(p.repositoryName(), repositoryPart)
	metadata.Annotations = pulumi.StringMap{"pulumi.com/deletionPropagationPolicy": pulumi.String("orphan")}
	options := append(b.stance().Options(), pulumi.DependsOn(b.prepared))
	_, err = appsv1.NewStatefulSet(b.ctx, p.repositoryName(), &appsv1.StatefulSetArgs{
		Metadata: metadata,
		Spec: appsv1.StatefulSetSpecArgs{
			ServiceName: pulumi.String(p.repositoryName()), Replicas: pulumi.Int(1),
			Selector:                             metav1.LabelSelectorArgs{MatchLabels: component.StringMap(p.repositorySelector())},
			PersistentVolumeClaimRetentionPolicy: volumesStay,
			RevisionHistoryLimit:                 pulumi.Int(5),
			Template: corev1.PodTemplateSpecArgs{
				Metadata: metav1.ObjectMetaArgs{Labels: component.StringMap(component.Labels("pgbackrest", p.name, repositoryPart))},
				Spec:     b.repositoryPod(account, settings),
			},
			VolumeClaimTemplates: p.claim("backups", p.Backups.Storage, p.repositorySelector()),
		},
	}, b.under(options...)...)
	if err != nil {
		return fmt.Errorf("creating the repository: %w", err)
	}
	return nil
}

func (b *builder) repositoryPod(account *corev1.ServiceAccount, settings *corev1.ConfigMap) corev1.PodSpecArgs {
	p := b.plan
	listens := corev1.ProbeArgs{
		TcpSocket:     corev1.TCPSocketActionArgs{Port: pulumi.String("pgbackrest")},
		PeriodSeconds: pulumi.Int(5), TimeoutSeconds: pulumi.Int(3), FailureThreshold: pulumi.Int(3),
	}
	return corev1.PodSpecArgs{
		ServiceAccountName:           account.Metadata.Name(),
		AutomountServiceAccountToken: pulumi.Bool(false),
		EnableServiceLinks:           pulumi.Bool(false),
		SecurityContext:              memberSecurity(),
		// A backup that is stopped is taken up again; nothing has to be finished.
		TerminationGracePeriodSeconds: pulumi.Int(30),
		TopologySpreadConstraints:     zones(p.repositorySelector()),
		Containers: corev1.ContainerArray{corev1.ContainerArgs{
			Name:            pulumi.String("pgbackrest"),
			Image:           pulumi.String(p.Image),
			ImagePullPolicy: pulumi.String("IfNotPresent"),
			Args:            pulumi.ToStringArray([]string{"repository"}),
			Ports: corev1.ContainerPortArray{
				corev1.ContainerPortArgs{Name: pulumi.String("pgbackrest"), ContainerPort: pulumi.Int(copyPort)},
				corev1.ContainerPortArgs{Name: pulumi.String("metrics"), ContainerPort: pulumi.Int(metricsPort)},
			},
			Resources:       p.repositoryLoad().Resources(),
			SecurityContext: workload.ContainerSecurity(),
			ReadinessProbe:  listens,
			LivenessProbe:   workload.Probe("/metrics", pulumi.String("metrics"), 20),
			VolumeMounts: volumeMounts([]mount{
				{name: "settings", path: etcDir + "/config"},
				{name: "tls", path: tlsDir},
				{name: "backups", path: dataDir, writable: true},
				{name: "run", path: runDir, writable: true},
				{name: "tmp", path: "/tmp", writable: true},
			}),
		}},
		Volumes: corev1.VolumeArray{
			corev1.VolumeArgs{Name: pulumi.String("settings"), ConfigMap: corev1.ConfigMapVolumeSourceArgs{
				Name: settings.Metadata.Name(), DefaultMode: pulumi.Int(groupReadable),
			}},
			secretVolume("tls", pulumi.String(p.repositoryName()+"-tls")), scratch("run", "", "16Mi"), scratch("tmp", "", "64Mi"),
		},
	}
}
