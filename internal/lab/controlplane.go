package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Ports of the control plane on the machine's loopback. They differ from the
// usual ones so that another Kubernetes on the machine does not collide.
const (
	etcdClientPort    = 12379
	etcdPeerPort      = 12380
	controllerPort    = 12357
	schedulerPort     = 12359
	etcdMetricsPort   = 12381
	auditLogFile      = "audit.log"
	etcdSnapshotCount = 10000
)

// Failure timing of the lab. A cut-off node is NotReady after nodeGrace and
// its pods are evicted evictionDelay later; Kubernetes' own 50 s and 300 s
// make a person, or a test, wait six minutes for what it came to see. Nodes
// renew their lease each 5 s, so four must be missed.
const (
	nodeGrace     = 20 * time.Second
	evictionDelay = 30 * time.Second
)

func (l *Lab) etcdProcess() process {
	client := fmt.Sprintf("https://127.0.0.1:%d", etcdClientPort)
	peer := fmt.Sprintf("https://127.0.0.1:%d", etcdPeerPort)
	metrics := fmt.Sprintf("http://127.0.0.1:%d", etcdMetricsPort)
	return process{
		Name: "etcd",
		Path: systemTool("etcd"),
		Args: []string{
			"--name=lab",
			"--data-dir=" + l.etcd(),
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer,
			"--initial-cluster=lab=" + peer,
			"--listen-metrics-urls=" + metrics,
			"--client-cert-auth", "--trusted-ca-file=" + l.pki("etcd-ca.crt"),
			"--cert-file=" + l.pki("etcd.crt"), "--key-file=" + l.pki("etcd.key"),
			"--peer-client-cert-auth", "--peer-trusted-ca-file=" + l.pki("etcd-ca.crt"),
			"--peer-cert-file=" + l.pki("etcd.crt"), "--peer-key-file=" + l.pki("etcd.key"),
			fmt.Sprintf("--snapshot-count=%d", etcdSnapshotCount),
			"--logger=zap", "--log-level=warn",
		},
		Files: []string{l.pki("etcd-ca.crt"), l.pki("etcd.crt")},
		Ready: func(ctx context.Context) error { return probe(ctx, http.DefaultClient, metrics+"/health") },
	}
}

func (l *Lab) apiServer(audit bool) (process, error) {
	path, err := l.tools.Path("kube-apiserver")
	if err != nil {
		return process{}, err
	}
	args := []string{
		"--bind-address=" + ControlAddress, fmt.Sprintf("--secure-port=%d", APIPort),
		"--advertise-address=" + ControlAddress,
		"--tls-cert-file=" + l.pki("apiserver.crt"), "--tls-private-key-file=" + l.pki("apiserver.key"),
		"--tls-min-version=VersionTLS12",
		"--client-ca-file=" + l.pki("ca.crt"),
		fmt.Sprintf("--etcd-servers=https://127.0.0.1:%d", etcdClientPort),
		"--etcd-cafile=" + l.pki("etcd-ca.crt"),
		"--etcd-certfile=" + l.pki("apiserver-etcd.crt"), "--etcd-keyfile=" + l.pki("apiserver-etcd.key"),
		"--encryption-provider-config=" + l.key("encryption.yaml"),
		"--kubelet-certificate-authority=" + l.pki("ca.crt"),
		"--kubelet-client-certificate=" + l.pki("apiserver-kubelet.crt"), "--kubelet-client-key=" + l.pki("apiserver-kubelet.key"),
		// Node names are in no DNS of the machine.
		"--kubelet-preferred-address-types=InternalIP",
		"--requestheader-client-ca-file=" + l.pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + l.pki("front-proxy.crt"), "--proxy-client-key-file=" + l.pki("front-proxy.key"),
		// The machine has routes to pods but no kube-proxy: webhooks and the
		// metrics API are called at their endpoints.
		"--enable-aggregator-routing=true",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--anonymous-auth=false",
		"--service-account-issuer=https://kubernetes.default.svc." + ClusterDomain,
		"--service-account-key-file=" + l.key("service-accounts.pub"),
		"--service-account-signing-key-file=" + l.key("service-accounts.key"),
		"--service-cluster-ip-range=" + ServiceRange,
		"--allow-privileged=true",
		fmt.Sprintf("--default-not-ready-toleration-seconds=%d", int(evictionDelay.Seconds())),
		fmt.Sprintf("--default-unreachable-toleration-seconds=%d", int(evictionDelay.Seconds())),
		"--profiling=false",
		"--event-ttl=1h",
		// Long requests are cut off at a stop, so that `down` does not wait a minute.
		"--shutdown-delay-duration=0s",
		"--v=1",
	}
	files := []string{
		l.pki("ca.crt"), l.pki("apiserver.crt"), l.pki("etcd-ca.crt"), l.pki("apiserver-etcd.crt"), l.pki("apiserver-kubelet.crt"),
		l.pki("front-proxy-ca.crt"), l.pki("front-proxy.crt"), l.key("encryption.yaml"), l.key("service-accounts.pub"),
	}
	if audit {
		files = append(files, l.config("audit-policy.yaml"))
		args = append(args,
			"--audit-policy-file="+l.config("audit-policy.yaml"),
			"--audit-log-path="+l.below("logs", []string{auditLogFile}),
			"--audit-log-maxage=7", "--audit-log-maxbackup=3", "--audit-log-maxsize=50",
		)
	}
	return process{
		Name: "apiserver", Path: path, Args: args, Files: files,
		// A memory goal, not a limit: the collector works harder above it.
		Env: []string{"GOGC=75"},
		// It would wait for its watchers, most of whom are gone.
		StopWithin: 2 * time.Second,
		Ready: func(ctx context.Context) error {
			client, err := l.api()
			if err != nil {
				return err
			}
			return client.get(ctx, "/readyz", nil)
		},
	}, nil
}

// auditPolicy records who changed what, without the contents of secrets.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    verbs: [get, list, watch]
  - level: None
    resources: [{group: coordination.k8s.io, resources: [leases]}, {group: "", resources: [events, nodes/status, pods/status]}]
  - level: Metadata
`

func (l *Lab) controllerManager() (process, error) {
	path, err := l.tools.Path("kube-controller-manager")
	if err != nil {
		return process{}, err
	}
	access := l.config("controller-manager.kubeconfig")
	return process{
		Name: "controller-manager", Path: path,
		Args: []string{
			"--kubeconfig=" + access, "--authentication-kubeconfig=" + access, "--authorization-kubeconfig=" + access,
			"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", controllerPort),
			"--tls-cert-file=" + l.pki("controller-manager.crt"), "--tls-private-key-file=" + l.pki("controller-manager.key"),
			"--client-ca-file=" + l.pki("ca.crt"), "--requestheader-client-ca-file=" + l.pki("front-proxy-ca.crt"),
			"--cluster-signing-cert-file=" + l.pki("ca.crt"), "--cluster-signing-key-file=" + l.pki("ca.key"),
			"--root-ca-file=" + l.pki("ca.crt"),
			"--service-account-private-key-file=" + l.key("service-accounts.key"),
			"--use-service-account-credentials=true",
			"--service-cluster-ip-range=" + ServiceRange,
			"--cluster-cidr=" + PodRange, "--allocate-node-cidrs=false",
			// One instance: an election would only delay it, and a slow disk
			// would make it resign.
			"--leader-elect=false",
			"--node-monitor-period=2s", "--node-monitor-grace-period=" + nodeGrace.String(),
			// Scaling is decided each 5 s instead of 15 so that it can be watched.
			"--horizontal-pod-autoscaler-sync-period=5s",
			"--horizontal-pod-autoscaler-initial-readiness-delay=10s",
			"--horizontal-pod-autoscaler-cpu-initialization-period=30s",
			"--kube-api-qps=100", "--kube-api-burst=200",
			"--profiling=false", "--v=1",
		},
		Files: []string{access, l.pki("ca.crt"), l.pki("controller-manager.crt"), l.key("service-accounts.pub")},
		Ready: l.healthz(controllerPort),
	}, nil
}

func (l *Lab) scheduler() (process, error) {
	path, err := l.tools.Path("kube-scheduler")
	if err != nil {
		return process{}, err
	}
	access := l.config("scheduler.kubeconfig")
	return process{
		Name: "scheduler", Path: path,
		Args: []string{
			"--kubeconfig=" + access, "--authentication-kubeconfig=" + access, "--authorization-kubeconfig=" + access,
			"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", schedulerPort),
			"--tls-cert-file=" + l.pki("scheduler.crt"), "--tls-private-key-file=" + l.pki("scheduler.key"),
			"--client-ca-file=" + l.pki("ca.crt"), "--requestheader-client-ca-file=" + l.pki("front-proxy-ca.crt"),
			"--leader-elect=false",
			"--kube-api-qps=100", "--kube-api-burst=200",
			"--profiling=false", "--v=1",
		},
		Files: []string{access, l.pki("ca.crt"), l.pki("scheduler.crt")},
		Ready: l.healthz(schedulerPort),
	}, nil
}

// healthz asks a component of the control plane on loopback; it serves a
// certificate of the lab's authority.
func (l *Lab) healthz(port int) func(context.Context) error {
	return func(ctx context.Context) error {
		pool, err := l.trust()
		if err != nil {
			return err
		}
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
		defer transport.CloseIdleConnections()
		return probe(ctx, &http.Client{Transport: transport}, fmt.Sprintf("https://127.0.0.1:%d/healthz", port))
	}
}

// trust holds the lab's cluster authority.
func (l *Lab) trust() (*x509.CertPool, error) {
	content, err := os.ReadFile(l.pki("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("reading the lab's authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate", l.pki("ca.crt"))
	}
	return pool, nil
}

func probe(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 300))
		return fmt.Errorf("%s answers %s: %s", url, response.Status, body)
	}
	return nil
}
