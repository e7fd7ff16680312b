// Package erasure erases what a stack holds about one person and proves it: it
// searches every place, erases there, and searches again.
//
// The subject, which says who, goes to programs inside the cluster by their
// standard input. It is in no report, error or command line.
package erasure
