package simcloud

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
)

// Change is one creation, update or deletion, from the first API call to the
// end of the waiting.
type Change struct {
	Host *Host
	// Verb is create, update, delete or read.
	Verb string
	// Called is what messages call the thing; Action is the API call.
	Called, Action string
	// Record is the thing.
	Record *Record
	// Lasts is how long the cloud takes.
	Lasts time.Duration

	// number of the operation in the ledger.
	number int
	// made says that the change took effect.
	made bool
	// began and ended are on the simulated clock.
	began, ended float64
}

var (
	errInjected  = errors.New("api error InternalFailure: the request was cut off by SLIPWAY_SIMULATION_FAIL_AT or SLIPWAY_SIMULATION_FAIL_RESOURCE")
	errCancelled = errors.New("the update was cancelled while waiting; the thing is left as it is")
)

// attempts is how often the official plugin tries a throttled call.
const attempts = 25

// Run judges the change, puts it into effect, and waits as long as the cloud
// would. The operation it counts as may be the one that is to fail.
func (c *Change) Run(ctx context.Context, judge func(tx *Tx) error) error {
	started := time.Now()
	err := c.Call(ctx, func(tx *Tx) error {
		if c.number == 0 {
			tx.Operations++
			c.number = tx.Operations
		}
		fails := c.fails()
		if fails && (!c.Host.Settings.FailHalfway || c.Verb != "create") {
			return errInjected
		}
		if err := judge(tx); err != nil {
			return err
		}
		c.made = true
		switch c.Verb {
		case "delete":
			c.Record.Status = deleting
			if c.Lasts == 0 || !c.Host.Settings.waits() {
				tx.Remove(c.Record)
				return nil
			}
		case "create":
			c.Record.Status = active
			if c.Lasts > 0 && c.Host.Settings.waits() {
				c.Record.Status = creating
			}
		default:
			c.Record.Status = active
		}
		if c.Record.ID != "" && c.Record.Properties != nil {
			tx.Put(c.Record)
		}
		return nil
	})
	if err == nil && c.fails() {
		err = errInjected
	}
	if err == nil {
		err = c.wait(ctx)
	}
	return errors.Join(err, c.settle(started, err))
}

// fails tells whether this is the operation that is to fail.
func (c *Change) fails() bool {
	if name := c.Host.Settings.FailResource; name != "" && name == resource.URN(c.Record.URN).Name() {
		return true
	}
	at := c.Host.Settings.FailAt
	return at > 0 && (c.number == at || c.Host.Settings.FailOn && c.number > at)
}

// Halfway tells whether a failed creation left a thing behind.
func (c *Change) Halfway(err error) bool { return err != nil && c.made }

// Call is one API call: it may be throttled, and needs credentials.
func (c *Change) Call(ctx context.Context, do func(tx *Tx) error) error {
	throttled := errors.New("api error Throttling: Rate exceeded")
	for range attempts {
		err := c.Host.World.Do(func(tx *Tx) error {
			tx.Calls++
			if c.Host.Settings.Credentials == "denied" {
				return refuse("AccessDenied", "the credentials of account %s are not authorized to perform: %s", c.Host.Settings.Account, c.Action)
			}
			if every := c.Host.Settings.Throttle; every > 0 && tx.Calls%every == 0 {
				return throttled
			}
			return do(tx)
		})
		if !errors.Is(err, throttled) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return fmt.Errorf("exceeded the maximum of %d attempts: %w", attempts, throttled)
}

// wait lasts as long as AWS takes, on the simulation's clock.
func (c *Change) wait(ctx context.Context) error {
	if c.Host.Settings.Jumps {
		var err error
		if c.began, err = c.Host.enter(c.Lasts.Seconds()); err != nil {
			return err
		}
		if c.ended = c.began + c.Lasts.Seconds(); c.Lasts == 0 {
			return nil
		}
		return c.Host.until(ctx, c.ended)
	}
	scaled := time.Duration(float64(c.Lasts) * c.Host.Settings.Scale)
	if scaled <= 0 {
		return nil
	}
	timer := time.NewTimer(scaled)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.Host.stopped:
		return errCancelled
	case <-ctx.Done():
		return errCancelled
	}
}

// settle ends what took time, and writes the operation down.
func (c *Change) settle(started time.Time, outcome error) error {
	failed := ""
	if outcome != nil {
		failed = outcome.Error()
	}
	return c.Host.World.Do(func(tx *Tx) error {
		if outcome == nil && c.Record.Status != active && c.Record.ID != "" {
			if current := tx.Get(c.Record.Token, c.Record.ID, c.Record.Region); current != nil {
				switch current.Status {
				case creating:
					current.Status = active
					c.Record.Status = active
					tx.Put(current)
				case deleting:
					tx.Remove(current)
				}
			}
		}
		seconds := func(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
		return tx.log(Operation{
			Number: c.number, Verb: c.Verb, URN: c.Record.URN, ID: c.Record.ID, Started: seconds(started),
			Ended: seconds(time.Now()), Seconds: c.Lasts.Seconds(), Failed: failed, From: c.began, To: c.ended,
		})
	})
}

// Explain says what failed, where, and that it was a simulation.
func (c *Change) Explain(err error) error {
	return rpcerror.Newf(codes.Unknown, "SIMULATED %s: %s %s %s: %v", c.Host.Name,
		map[string]string{"create": "creating", "update": "updating", "delete": "deleting", "read": "reading"}[c.Verb],
		c.Called, resource.URN(c.Record.URN).Name(), err)
}

// InitFailed tells the engine that a thing exists but is not what it should be:
// the engine keeps it in the state and updates it the next time.
func (c *Change) InitFailed(id string, properties, inputs *structpb.Struct, err error) error {
	return rpcerror.WithDetails(
		rpcerror.New(codes.Unknown, "SIMULATED "+c.Host.Name+": "+err.Error()),
		&pulumirpc.ErrorResourceInitFailed{Id: id, Properties: properties, Inputs: inputs, Reasons: []string{simulated + err.Error()}})
}
