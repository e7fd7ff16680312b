package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
)

// dnsAnswers asks the cluster's DNS at its service address, from inside a
// node, for a name that every cluster has. It succeeds when each node gets
// the answer, so services work on all of them.
func (l *Lab) dnsAnswers(ctx context.Context) error {
	nodes, err := l.nodes()
	if err != nil {
		return err
	}
	for _, node := range nodes {
		err := inNamespace(namespaceFile(node), func() error {
			conn, err := net.Dial("udp", net.JoinHostPort(ClusterDNS, "53"))
			if err != nil {
				return err
			}
			defer func() { _ = conn.Close() }()
			return askFor(conn, "kubernetes.default.svc."+ClusterDomain+".", APIServiceIP)
		})
		if err != nil {
			return fmt.Errorf("the cluster's DNS does not answer on %s yet: %w", node.Name, err)
		}
	}
	return nil
}

// addonsReady reports the add-ons that do not work yet.
func (l *Lab) addonsReady(ctx context.Context) error {
	client, err := l.api()
	if err != nil {
		return err
	}
	var faults []error
	for _, path := range []string{
		"/apis/apps/v1/namespaces/kube-system/deployments/coredns",
		"/apis/apps/v1/namespaces/kube-system/deployments/metrics-server",
		"/apis/apps/v1/namespaces/local-path-storage/deployments/local-path-provisioner",
	} {
		var deployment struct {
			Metadata struct {
				Name       string `json:"name"`
				Generation int64  `json:"generation"`
			} `json:"metadata"`
			Spec struct {
				Replicas int `json:"replicas"`
			} `json:"spec"`
			Status struct {
				Observed int64 `json:"observedGeneration"`
				Updated  int   `json:"updatedReplicas"`
				Ready    int   `json:"readyReplicas"`
			} `json:"status"`
		}
		if err := client.get(ctx, path, &deployment); err != nil {
			faults = append(faults, err)
			continue
		}
		want := deployment.Spec.Replicas
		if s := deployment.Status; s.Observed < deployment.Metadata.Generation || s.Updated < want || s.Ready < want {
			faults = append(faults, fmt.Errorf("%s has %d of %d pods ready", deployment.Metadata.Name, s.Ready, want))
		}
	}
	// The aggregated API, asked the way an autoscaler asks.
	if err := client.get(ctx, "/apis/metrics.k8s.io/v1beta1/nodes", nil); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// askFor asks for the address of a name and compares it.
func askFor(conn net.Conn, name, want string) error {
	question := new(dns.Msg)
	question.SetQuestion(name, dns.TypeA)
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	exchange := &dns.Conn{Conn: conn}
	if err := exchange.WriteMsg(question); err != nil {
		return err
	}
	answer, err := exchange.ReadMsg()
	if err != nil {
		return err
	}
	if answer.Rcode != dns.RcodeSuccess {
		return fmt.Errorf("%s: %s", name, dns.RcodeToString[answer.Rcode])
	}
	for _, record := range answer.Answer {
		if a, ok := record.(*dns.A); ok && a.A.String() == want {
			return nil
		}
	}
	return fmt.Errorf("%s: no answer says %s", name, want)
}
