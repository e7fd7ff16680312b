package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

var errUnsent = errors.New("the request found no free connection")

// StatusError is an answer with another status than the operation expects.
type StatusError struct {
	Operation string
	Status    int
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s was answered %d", e.Operation, e.Status) }

// Kind sorts failures by what a person would look at next: the status of an
// answer, a timeout, an answer that cannot be read, or a connection that failed.
func Kind(err error) string {
	var status *StatusError
	var network net.Error
	switch {
	case errors.Is(err, errUnsent):
		return Unsent
	case errors.As(err, &status):
		return strconv.Itoa(status.Status)
	case errors.Is(err, errAnswer):
		return "answer"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timeout"
	default:
		return "connection"
	}
}

// errAnswer is wrapped by errors about what an answer says.
var errAnswer = errors.New("the answer is not what the service promises")
