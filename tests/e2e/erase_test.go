//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"slipway.dev/slipway/tests/harness"
)

// person is somebody with rows, a key, and records in the logs of two programs.
type person struct {
	subject, item string
	key           map[string]string
	body          map[string]any
}

// leaveTraces stores a row under a key, has Traefik log a request whose method
// names the person, in upper case, and a pod of the service a line of text.
func leaveTraces(t *testing.T, subject string) person {
	t.Helper()
	p := person{
		subject: subject, key: map[string]string{"Idempotency-Key": "key-" + subject},
		body: map[string]any{"name": "boat of " + subject, "quantity": 1},
	}
	made := ask(t, http.MethodPost, "/v1/items", p.key, p.body)
	require.Equal(t, http.StatusCreated, made.status, "%s", made.body)
	p.item, _ = made.json(t)["id"].(string)
	ask(t, strings.ToUpper(subject), "/v1/items", nil, nil)

	ctx := within(t, time.Minute)
	pods, err := live.Pods(ctx, harness.API, "app.kubernetes.io/name=api,app.kubernetes.io/component=web")
	require.NoError(t, err)
	for _, pod := range pods {
		if pod.Ready() && pod.Metadata.DeletionTimestamp == "" {
			write := fmt.Sprintf("open('/proc/1/fd/1', 'w').write('a line about %s\\n')", subject)
			_, err := live.Kubectl(ctx, "exec", "-n", harness.API, pod.Metadata.Name, "--", "python", "-c", write)
			require.NoError(t, err)
			return p
		}
	}
	t.Fatal("no pod of the API is ready")
	return p
}

// recorded counts the archived records about a person by class.
func (p person) recorded(t *testing.T, since time.Time) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, one := range archived(t, since) {
		text, err := json.Marshal(one.Body)
		require.NoError(t, err)
		if strings.Contains(strings.ToLower(string(text)), p.subject) {
			counts[one.class]++
		}
	}
	return counts
}

// Of two people, one is erased from the database and from the log archive, and
// nothing of the other's.
func TestEraseTakesOnePersonsDataAndNoOthers(t *testing.T) {
	healthy(t)
	began := time.Now().Add(-time.Second)
	nonce := fmt.Sprint(began.UnixNano())
	// The other's name begins like the first one's.
	one, other := leaveTraces(t, "person-"+nonce), leaveTraces(t, "person-"+nonce+"7")
	// All that they caused has arrived when five more looks find no more.
	var others, both map[string]int
	same := 0
	require.NoError(t, harness.Eventually(within(t, 2*time.Minute), 2*time.Second, func(context.Context) error {
		wereOthers, wereBoth := others, both
		others, both = other.recorded(t, began), one.recorded(t, began)
		for _, class := range []string{"access", "application"} {
			// The first one's text is in the other's, too.
			if others[class] == 0 || both[class] <= others[class] {
				return fmt.Errorf("records of the other are %v, of both %v; each should have some", others, both)
			}
		}
		if same++; !maps.Equal(others, wereOthers) || !maps.Equal(both, wereBoth) {
			same = 0
		}
		if same < 5 {
			return errors.New("records are still arriving")
		}
		return nil
	}))

	ctx := within(t, 5*time.Minute)
	said, err := harness.Slipway(ctx, live.Checkout, "erase", one.subject, "--dry-run")
	require.NoError(t, err)
	require.Regexp(t, `database +items +1 +0 +-`, said)
	require.Equal(t, http.StatusOK, ask(t, http.MethodGet, "/v1/items/"+one.item, nil, nil).status, "a dry run erased")

	said, err = harness.Slipway(ctx, live.Checkout, "erase", one.subject, "--yes")
	require.NoError(t, err)
	require.NotContains(t, said, one.subject)
	require.Contains(t, said, "a search of every place found nothing afterwards")
	require.Regexp(t, `database +items +1 +1 +0\n`, said)
	require.Regexp(t, `database +idempotency_keys +1 +1 +0\n`, said)
	require.Contains(t, said, "until rotated")

	require.Equal(t, http.StatusNotFound, ask(t, http.MethodGet, "/v1/items/"+one.item, nil, nil).status)
	require.Equal(t, http.StatusOK, ask(t, http.MethodGet, "/v1/items/"+other.item, nil, nil).status)
	again := ask(t, http.MethodPost, "/v1/items", other.key, other.body)
	require.Equal(t, other.item, again.json(t)["id"], "the other's answer is not repeated any more")
	require.Equal(t, others, other.recorded(t, began), "records of the other")
	require.Equal(t, others, one.recorded(t, began), "what is left that holds the text is the other's")

	said, err = harness.Slipway(ctx, live.Checkout, "erase", one.subject, "--yes")
	require.NoError(t, err)
	require.Contains(t, said, "nothing that can be searched holds the subject")
}
