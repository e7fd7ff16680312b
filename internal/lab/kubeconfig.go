package lab

import (
	"encoding/base64"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

// ContextName is the context in the lab's kubeconfig.
const ContextName = "slipway-lab"

func serverURL() string { return fmt.Sprintf("https://%s:%d", ControlAddress, APIPort) }

// componentKubeconfig points at certificate files, so that a renewed
// certificate needs no new kubeconfig.
func (l *Lab) componentKubeconfig(identity string) ([]byte, error) {
	return kubeconfig(
		map[string]any{"server": serverURL(), "certificate-authority": l.pki("ca.crt")},
		map[string]any{"client-certificate": l.pki(identity + ".crt"), "client-key": l.pki(identity + ".key")},
	)
}

// adminKubeconfig carries everything inside, because it is copied around.
func (l *Lab) adminKubeconfig() ([]byte, error) {
	encoded := map[string]string{}
	for _, name := range []string{"ca.crt", "admin.crt", "admin.key"} {
		content, err := os.ReadFile(l.pki(name))
		if err != nil {
			return nil, fmt.Errorf("composing the kubeconfig: %w", err)
		}
		encoded[name] = base64.StdEncoding.EncodeToString(content)
	}
	return kubeconfig(
		map[string]any{"server": serverURL(), "certificate-authority-data": encoded["ca.crt"]},
		map[string]any{"client-certificate-data": encoded["admin.crt"], "client-key-data": encoded["admin.key"]},
	)
}

func kubeconfig(cluster, user map[string]any) ([]byte, error) {
	return yaml.Marshal(map[string]any{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": ContextName,
		"clusters":        []any{map[string]any{"name": ContextName, "cluster": cluster}},
		"users":           []any{map[string]any{"name": ContextName, "user": user}},
		"contexts": []any{map[string]any{
			"name":    ContextName,
			"context": map[string]any{"cluster": ContextName, "user": ContextName},
		}},
	})
}
