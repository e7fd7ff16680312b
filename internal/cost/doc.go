// Package cost says what a stack costs a month: from what it declares and a
// table of prices. It counts what is paid for being there. What is paid for
// being used is named with its price and not guessed, and a type that the table
// does not know is named too: nothing is silently free.
package cost
