package harness

import (
	"context"
	"fmt"
	"strings"
)

// watched lists the namespaces whose pods Healthy looks at.
var watched = []string{API, Database, Ingress, DNS, Monitoring, Logging, "cert-manager", "kube-system"}

// Symptoms is what an engineer would look at first: every pod that is not
// ready, with its events and the end of its logs. A test prints it when the
// platform does not recover, since the lab is gone by the time anyone reads.
func (p *Platform) Symptoms(ctx context.Context) string {
	var b strings.Builder
	say := func(title string, args ...string) {
		out, err := p.Kubectl(ctx, args...)
		if err != nil {
			out += "\n" + err.Error()
		}
		fmt.Fprintf(&b, "--- %s\n%s\n", title, tail(out))
	}
	say("nodes", "get", "nodes", "-o", "wide")
	for _, ns := range watched {
		var pods struct {
			Items []Pod `json:"items"`
		}
		if err := p.Get(ctx, &pods, "pods", "-n", ns); err != nil {
			fmt.Fprintf(&b, "--- pods of %s\n%v\n", ns, err)
			continue
		}
		for _, pod := range pods.Items {
			if pod.Status.Phase == "Succeeded" || pod.Ready() {
				continue
			}
			name := pod.Metadata.Name
			say(ns+"/"+name, "describe", "pod", "-n", ns, name)
			say("logs of "+ns+"/"+name, "logs", "-n", ns, name, "--all-containers", "--prefix", "--tail=60")
			// Most pods have not restarted: their error would only distract.
			if out, err := p.Kubectl(ctx, "logs", "-n", ns, name, "--all-containers", "--prefix", "--previous", "--tail=30"); err == nil {
				fmt.Fprintf(&b, "--- logs before the restart of %s/%s\n%s\n", ns, name, tail(out))
			}
		}
	}
	return b.String()
}
