//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/tests/harness"
)

type autoscaler struct {
	Spec struct {
		MinReplicas int `json:"minReplicas"`
		MaxReplicas int `json:"maxReplicas"`
	} `json:"spec"`
	Status struct {
		CurrentReplicas int `json:"currentReplicas"`
		DesiredReplicas int `json:"desiredReplicas"`
		CurrentMetrics  []struct {
			Resource struct {
				Name    string `json:"name"`
				Current struct {
					AverageUtilization *int `json:"averageUtilization"`
				} `json:"current"`
			} `json:"resource"`
		} `json:"currentMetrics"`
	} `json:"status"`
}

func readAutoscaler(ctx context.Context) (autoscaler, error) {
	var hpa autoscaler
	err := live.Get(ctx, &hpa, "hpa", "api", "-n", harness.API)
	return hpa, err
}

func TestTheAutoscalerSeesBothMetricsAndScalesUnderLoad(t *testing.T) {
	healthy(t)
	ctx := within(t, 5*time.Minute)
	require.NoError(t, eventually(ctx, func() error {
		hpa, err := readAutoscaler(ctx)
		if err != nil {
			return err
		}
		seen := map[string]bool{}
		for _, m := range hpa.Status.CurrentMetrics {
			seen[m.Resource.Name] = m.Resource.Current.AverageUtilization != nil
		}
		if !seen["cpu"] || !seen["memory"] {
			return fmt.Errorf("metrics seen: %v", seen)
		}
		return nil
	}), "the autoscaler has no metrics")
	hpa, err := readAutoscaler(ctx)
	require.NoError(t, err)

	load, stop := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	for range 8 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for load.Err() == nil {
				req, err := http.NewRequestWithContext(load, http.MethodGet, live.URL+"/v1/items?limit=100", nil)
				if err != nil {
					return
				}
				if res, err := live.HTTP.Do(req); err == nil {
					_ = res.Body.Close()
				}
			}
		}()
	}
	scaling := within(t, 5*time.Minute)
	require.NoError(t, eventually(scaling, func() error {
		now, err := readAutoscaler(scaling)
		if err != nil {
			return err
		}
		if now.Status.CurrentReplicas <= hpa.Spec.MinReplicas {
			return fmt.Errorf("%d replicas run, %d desired, %d at least", now.Status.CurrentReplicas, now.Status.DesiredReplicas, hpa.Spec.MinReplicas)
		}
		return nil
	}), "the load did not scale the API")
}
