package split

import (
	"context"
	"slices"
	"sync"

	"hotline"
)

// Index is the service that knows which words are in which texts.
type Index struct {
	hotline.ServerMethodsBase `port:"5572" name:"index" version:"1.0.0"`
	IndexMethods
	Tokenizer *Peer[TokenizerClient]

	mu    sync.Mutex
	texts int              // guarded by mu
	words map[string][]int // guarded by mu: the texts that a word is in
}

// IndexClient calls it.
type IndexClient struct {
	hotline.ClientMethodsBase `port:"5572" name:"index" version:"1"`
	IndexMethods
}

// Add puts a text into the index.
func (s *Index) Add(ctx context.Context, text string) (int, error) {
	words, err := s.tokens(ctx, text)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.words == nil {
		s.words = make(map[string][]int)
	}
	s.texts++
	for _, word := range words {
		s.words[word] = append(s.words[word], s.texts)
	}
	return s.texts, nil
}

// Knows is called by the tokenizer, while a call of its own is under way: no lock is held then.
func (s *Index) Knows(_ context.Context, word string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.words[word]) > 0
}

// Find returns the texts that have all the words of a question.
func (s *Index) Find(ctx context.Context, question string) ([]int, error) {
	words, err := s.tokens(ctx, question)
	if err != nil || len(words) == 0 {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := slices.Clone(s.words[words[0]]) // the caller's from now on, and it may be in this process
	for _, word := range words[1:] {
		found = slices.DeleteFunc(found, func(text int) bool { return !slices.Contains(s.words[word], text) })
	}
	return found, nil
}

// tokens returns the words of a text, each once.
func (s *Index) tokens(ctx context.Context, text string) ([]string, error) {
	tokenizer, err := s.Tokenizer.Client(ctx)
	if err != nil {
		return nil, err
	}
	words, err := tokenizer.Words(ctx, text)
	if err != nil {
		return nil, err
	}
	words = slices.Sorted(slices.Values(words)) // a copy: what a call returned may be shared with the method
	return slices.Compact(words), nil
}
