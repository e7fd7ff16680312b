//go:build lab

package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// workload is a web server on every node, behind a service and a host port,
// and a writer with a volume of 64 MiB on the second node. Both end when told
// to: the first process of a container ignores SIGTERM unless it asks for it.
const workload = `
apiVersion: v1
kind: Namespace
metadata: {name: probe}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: probe, annotations: {defaultVolumeType: local}}
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Delete
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web, namespace: probe}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: web
          image: docker.io/library/busybox:1.35
          imagePullPolicy: IfNotPresent
          command: [sh, -c, 'mkdir -p /tmp/w && echo "$NODE" >/tmp/w/index.html && trap "exit 0" TERM && { httpd -f -p 8080 -h /tmp/w & wait; }']
          env: [{name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
          ports: [{containerPort: 8080, hostPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1, timeoutSeconds: 5}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: probe}
spec: {clusterIP: 10.96.77.7, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: probe}
spec: {storageClassName: probe, accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: writer, namespace: probe}
spec:
  serviceName: writer
  selector: {matchLabels: {app: writer}}
  template:
    metadata: {labels: {app: writer}}
    spec:
      terminationGracePeriodSeconds: 0
      nodeSelector: {kubernetes.io/hostname: node-2}
      containers:
        - name: writer
          image: docker.io/library/busybox:1.35
          imagePullPolicy: IfNotPresent
          command: [sh, -c, 'trap "exit 0" TERM; echo started; sleep 1000000 & wait']
          volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`

// running waits until the workload runs on all nodes.
func (s site) running(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, "the workload runs", func() error {
		for _, what := range []string{"daemonset/web", "statefulset/writer"} {
			if out, err := s.tryKubectl(t.Context(), "", "-n", "probe", "rollout", "status", what, "--timeout=5s"); err != nil {
				return fmt.Errorf("%w\n%s", err, out)
			}
		}
		return nil
	})
}

// inside runs a shell command, which may run twice, in the writer's pod. After a
// crash the API calls a pod ready that its node has yet to start again.
func (s site) inside(t *testing.T, script string) string {
	t.Helper()
	var out string
	eventually(t, time.Minute, "an answer from inside the pod", func() (err error) {
		out, err = s.tryKubectl(t.Context(), "", "-n", "probe", "exec", "writer-0", "--", "sh", "-c", script)
		return err
	})
	return out
}

// fetch asks for a page from the writer's pod. It speaks HTTP by itself, since
// the static busybox has no working resolver for its own wget.
func (s site) fetch(t *testing.T, address, port string) (string, error) {
	t.Helper()
	out, err := s.tryKubectl(t.Context(), "", "-n", "probe", "exec", "writer-0", "--", "sh", "-c",
		fmt.Sprintf(`printf 'GET / HTTP/1.0\r\n\r\n' | nc -w 2 %s %s | tail -n 1`, address, port))
	if err != nil {
		return out, err
	}
	if !strings.HasPrefix(out, "node-") {
		return out, fmt.Errorf("%s answers %q", address, out)
	}
	return out, nil
}

func (s site) podAddress(t *testing.T, node string) string {
	t.Helper()
	return s.kubectl(t, "-n", "probe", "get", "pods", "-l", "app=web", "--field-selector=spec.nodeName="+node,
		"-o", "jsonpath={.items[0].status.podIP}")
}
