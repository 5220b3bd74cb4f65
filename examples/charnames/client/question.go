package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"hotline/examples/charnames"
)

// question asks the service one thing.
type question func(ctx context.Context, text string) ([]charnames.Character, error)

// questions returns what can be asked of a connected client, by command.
func questions(client *charnames.Client, limit int) map[string]question {
	return map[string]question{
		"describe": client.Describe,
		"search": func(ctx context.Context, text string) ([]charnames.Character, error) {
			all, err := client.Search(ctx, text, limit)
			if err == nil && len(all) == 0 {
				err = fmt.Errorf("no name has all the words of %q", text)
			}
			return all, err
		},
		"find": func(ctx context.Context, text string) ([]charnames.Character, error) {
			c, err := client.Find(ctx, text)
			if err != nil {
				return nil, err
			}
			return []charnames.Character{c}, nil
		},
		"name": func(ctx context.Context, text string) ([]charnames.Character, error) {
			r, err := parseCodePoint(text)
			if err != nil {
				return nil, err
			}
			name, err := client.Name(ctx, r)
			if err != nil {
				return nil, err
			}
			return []charnames.Character{{Char: string(r), Code: fmt.Sprintf("%U", r), Name: name}}, nil
		},
	}
}

// parseCodePoint reads "U+03B1".
func parseCodePoint(text string) (rune, error) {
	digits, ok := strings.CutPrefix(strings.ToUpper(strings.TrimSpace(text)), "U+")
	n, err := strconv.ParseInt(digits, 16, 32)
	if !ok || err != nil {
		return 0, fmt.Errorf("%q is no code point: write it as U+03B1", text)
	}
	return rune(n), nil
}

// printable keeps control characters from the terminal, and puts marks that combine on a dotted circle.
func printable(char string) string {
	switch r := []rune(char)[0]; {
	case !unicode.IsPrint(r):
		return " "
	case unicode.Is(unicode.M, r):
		return "◌" + char
	}
	return char
}
