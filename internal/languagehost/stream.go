package languagehost

import (
	"sync"

	"google.golang.org/grpc"
)

// lockedStream lets the copiers of standard output and standard error send on
// the same stream, which gRPC does not allow at the same time.
type lockedStream[T any] struct {
	grpc.ServerStreamingServer[T]
	mu sync.Mutex
}

// Send sends one message.
func (s *lockedStream[T]) Send(message *T) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ServerStreamingServer.Send(message)
}
