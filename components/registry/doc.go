// Package registry makes the repositories that an account's clusters pull
// images from.
//
// A tag means one image for ever: it is a hash of the sources, so pushing
// another image under it is a mistake, and is refused. That is also why what is
// tagged is never deleted by age, which could take an image that a rollback asks
// for; the newest of them are kept, and what lost its tag goes after a few days.
// Images are scanned as they arrive.
package registry
