package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// FreeAddress is an address of the loopback, as host:port, at which nothing
// listens. Its port is below those that the kernel hands out: one of those could
// be another program's before it is used, or while its server is away.
func FreeAddress() (string, error) {
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", 15000+rand.IntN(15000))
		listener, err := net.Listen("tcp", address)
		if err == nil {
			return address, listener.Close()
		}
	}
	return "", errors.New("no port of the loopback is free")
}
