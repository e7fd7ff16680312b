// Package lab tests the lab as its users meet it: with the slipway command, on
// this machine, with real processes. It needs root and some minutes:
//
//	slipway test lab        (make lab-test)
//
// There can be one lab per machine, so it refuses to run beside another; its
// own lives in temporary directories and leaves nothing behind.
package lab
