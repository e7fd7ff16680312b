// Package dash shows a platform on a web page of its own, from what Prometheus
// knows: requests, errors, latency, the database, rollouts, restarts, use
// against requests, alerts and cost. It is for whoever has no Grafana at hand.
//
// What is asked is written here, in panels.go; a browser chooses a panel and a
// span of time and cannot ask for anything else. The page needs no network but
// this server, and no library.
//
// # Who may look
//
// The server listens on loopback, knows no write, and refuses what a page of
// another site could bring about through this machine's browser: a name that
// resolves here (DNS rebinding), a request from another site, a frame.
// Other users of this machine can open it; there is nothing secret in it.
package dash
