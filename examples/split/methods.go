// Package split is an example of a program that is cut into processes by its addresses alone: an index of texts, and a
// tokenizer that cuts texts into words and asks the index which words it knows.
//
//	go run ./examples/split/program -ask                                # both in one process, and calls are function calls
//
//	go run ./examples/split/program -index auto:// &                    # the tokenizer in one process
//	go run ./examples/split/program -tokenizer auto:// -ask             # and the index in another one
//
//	go run ./examples/split/program -listen HOST1 -index tcp://HOST2 &  # the same on two machines
//	go run ./examples/split/program -listen HOST2 -tokenizer tcp://HOST1 -ask
package split

import "context"

// TokenizerMethods are what the tokenizer and its clients share.
type TokenizerMethods struct {
	// Words returns the words of a text, in lower case. A plural is its singular where the index knows that one.
	Words func(ctx context.Context, text string) ([]string, error)
}

// IndexMethods are what the index and its clients share.
type IndexMethods struct {
	// Add puts a text into the index and returns its number.
	Add func(ctx context.Context, text string) (int, error)

	// Knows reports whether a word is in a text.
	Knows func(ctx context.Context, word string) (bool, error)

	// Find returns the numbers of the texts that have all the words of a question.
	Find func(ctx context.Context, question string) ([]int, error)
}
