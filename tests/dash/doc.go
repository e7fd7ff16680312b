// Package dash looks at the page of `slipway dash` in a real browser, drawn from
// a real Prometheus: Debian's, started for the test on loopback, with a day of
// invented samples under the names and labels that a platform's exporters use.
//
// The browser is driven through a pipe, so it listens nowhere. With -shots DIR
// its pictures are kept; dash.png among them is docs/images/dash.png.
package dash
