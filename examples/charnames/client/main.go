// Command client asks the charnames service.
//
//	client search greek small alpha     characters by words of their names, the best first
//	client name U+03B1                  the name of a code point
//	client find greek small letter pi   the character of a name
//	client describe 'α → ω'             the characters of a text
//
// With the command alone it answers every line of its standard input.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"hotline"
	"hotline/examples/charnames"
)

const usage = `usage: client [flags] search|name|find|describe [WORDS...]

Without WORDS every line of the standard input is a question of its own.

`

func main() {
	log.SetFlags(0)
	address := flag.String("address", "auto://", "where the service is: auto://, shm://, unix:// or tcp://host[:port]")
	limit := flag.Int("limit", 10, "how many characters a search returns")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), usage)
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*address, *limit, flag.Arg(0), flag.Args()[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(address string, limit int, command string, words []string) error {
	ctx := context.Background()
	var client charnames.Client
	if err := hotline.Connect(ctx, &client, address); err != nil {
		return err
	}
	defer client.Close()
	ask := questions(&client, limit)[command]
	switch {
	case ask == nil:
		return fmt.Errorf("unknown command %q: use search, name, find or describe", command)
	case len(words) == 0:
		return answerLines(ctx, ask, os.Stdin)
	}
	return answer(ctx, ask, strings.Join(words, " "))
}

// answerLines answers every line. One that has no answer is reported, and the others go on.
func answerLines(ctx context.Context, ask question, in io.Reader) error {
	failed := 0
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		if err := answer(ctx, ask, lines.Text()); err != nil {
			log.Print(err)
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("lines without an answer: %d", failed)
	}
	return lines.Err()
}

func answer(ctx context.Context, ask question, text string) error {
	all, err := ask(ctx, text)
	for _, c := range all {
		fmt.Printf("%-8s %s\t%s\n", c.Code, printable(c.Char), c.Name)
	}
	return err
}
