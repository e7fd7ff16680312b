package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"time"
)

// Door is a port of the machine's loopback that leads to the same port of a
// node.
type Door struct {
	Network string `json:"network"` // "tcp" or "udp"
	Listen  string `json:"listen"`
	Port    int    `json:"port"` // on the nodes
}

// Ports under which the platform is reached on loopback and on every node.
const (
	HTTPSPort = 8443
	HTTPPort  = 8080
	DNSPort   = 1053
)

func doors() []Door {
	door := func(network string, port int) Door {
		return Door{network, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), port}
	}
	return []Door{door("tcp", HTTPSPort), door("tcp", HTTPPort), door("tcp", DNSPort), door("udp", DNSPort)}
}

// doorsConfig is what the forwarder is told by its argument.
type doorsConfig struct {
	Doors []Door   `json:"doors"`
	Nodes []string `json:"nodes"` // addresses
	Logs  string   `json:"logs"`  // directory whose files are kept small
}

// doorsProcess is the forwarder, a hidden command of the slipway CLI.
func (l *Lab) doorsProcess(nodes []Placement) (process, error) {
	config := doorsConfig{Doors: doors(), Logs: l.below("logs", nil)}
	for _, node := range nodes {
		config.Nodes = append(config.Nodes, node.Address.String())
	}
	encoded, err := json.Marshal(config)
	if err != nil {
		return process{}, fmt.Errorf("encoding the doors: %w", err)
	}
	return process{
		Name: "doors", Path: l.self, Args: []string{"lab", "doors", string(encoded)},
		// Another build of the CLI may forward in another way.
		Files: []string{l.self},
		Ready: func(ctx context.Context) error {
			for _, door := range config.Doors {
				if door.Network != "tcp" {
					continue
				}
				conn, err := (&net.Dialer{}).DialContext(ctx, door.Network, door.Listen)
				if err != nil {
					return err
				}
				_ = conn.Close()
			}
			return nil
		},
		StopWithin: 2 * time.Second,
	}, nil
}

func (l *Lab) raiseDoors(ctx context.Context, nodes []Placement, p *progress) error {
	forwarder, err := l.doorsProcess(nodes)
	if err != nil {
		return err
	}
	if err := l.bring(ctx, forwarder, p); err != nil {
		return err
	}
	return l.await(ctx, forwarder)
}
