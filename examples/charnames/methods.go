// Package charnames serves the names of the Unicode characters: many light clients, one service that holds the index.
//
//	go run ./cmd/hotline serve examples/charnames/service.ini           the service
//	go run ./examples/charnames/client search greek small alpha         a client
//	go run ./examples/charnames/split                                   what the split saves in memory
//
// The names are those of the Unicode Character Database, as golang.org/x/text/unicode/runenames has them, and of the
// ideographs and Hangul syllables, which the Unicode Standard gives by rule (section 4.8).
package charnames

import (
	"context"
	"fmt"
)

// Methods is what the service and its clients share. All of them only read, so a call that was lost with its link may
// be made again.
type Methods struct {
	Name     func(ctx context.Context, r rune) (string, error)                              `idempotent:"true"`
	Find     func(ctx context.Context, name string) (Character, error)                      `idempotent:"true"`
	Describe func(ctx context.Context, text string) ([]Character, error)                    `idempotent:"true"`
	Range    func(ctx context.Context, first, last rune) ([]Character, error)               `idempotent:"true"`
	Search   func(ctx context.Context, query string, limit int) (best []Character, _ error) `idempotent:"true"`
	Stats    func(ctx context.Context) (Stats, error)                                       `idempotent:"true"`
}

// The limits of the methods.
const (
	MaxText   = 1000 // characters that Describe takes
	MaxRange  = 1000 // code points that Range looks at
	MaxLimit  = 100  // characters that Search returns
	MaxQuery  = 200  // bytes that Search takes
	maxQuoted = 60   // bytes of a user's text that an error repeats
)

// Character is a character and what it is called.
type Character struct {
	Char string // the character itself
	Code string // as in "U+03B1"
	Name string // as in "GREEK SMALL LETTER ALPHA", or a label as in "<control-000A>"
}

// newCharacter puts r and its name together.
func newCharacter(r rune, name string) Character {
	return Character{Char: string(r), Code: fmt.Sprintf("%U", r), Name: name}
}

// Stats says what the service holds and has done.
type Stats struct {
	Unicode    string // version of the standard, as in "15.0.0"
	Characters int    // that have a name
	Words      int    // different ones in the names
	HeapBytes  int64  // that the index takes, measured
	Calls      int64  // answered since the start, this one included
}
