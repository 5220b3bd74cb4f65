package split

import (
	"context"
	"strings"
	"unicode"

	"hotline"
)

// Tokenizer is the service that cuts texts into words.
type Tokenizer struct {
	hotline.ServerMethodsBase `port:"5571" name:"tokenizer" version:"1.0.0"`
	TokenizerMethods
	Index *Peer[IndexClient]
}

// TokenizerClient calls it.
type TokenizerClient struct {
	hotline.ClientMethodsBase `port:"5571" name:"tokenizer" version:"1"`
	TokenizerMethods
}

// Words returns the words of a text.
func (s *Tokenizer) Words(ctx context.Context, text string) ([]string, error) {
	index, err := s.Index.Client(ctx)
	if err != nil {
		return nil, err
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) })
	for i, word := range words {
		one, plural := strings.CutSuffix(word, "s")
		if !plural {
			continue
		}
		known, err := index.Knows(ctx, one)
		if err != nil {
			return nil, err
		}
		if known {
			words[i] = one
		}
	}
	return words, nil
}
