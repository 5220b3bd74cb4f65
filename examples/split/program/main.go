// Command program is an index of texts and its tokenizer: in one process, in two, or on two machines. See package split.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/rs/zerolog"

	"hotline"
	"hotline/examples/split"
)

func main() {
	tokenizer := flag.String("tokenizer", split.Inproc, "where the tokenizer is")
	index := flag.String("index", split.Inproc, "where the index is")
	listen := flag.String("listen", "", "host to be reached at from other machines")
	question := flag.Bool("ask", false, "put the lines of the standard input into the index, and answer those that begin with a ?")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	logger := zerolog.New(os.Stderr).Level(zerolog.WarnLevel)
	p, err := split.Open(ctx, &hotline.Server{TCPBind: *listen, Logger: &logger}, *tokenizer, *index)
	if err == nil && *question {
		err = ask(ctx, p, os.Stdin, os.Stdout)
		stop()
	}
	if p != nil {
		err = errors.Join(err, p.Wait())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "program:", err)
		os.Exit(1)
	}
}

// ask adds lines to the index and answers questions.
func ask(ctx context.Context, p *split.Parts, in io.Reader, out io.Writer) error {
	index, err := p.Index.Client(ctx)
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		question, asked := strings.CutPrefix(lines.Text(), "?")
		if !asked {
			if _, err := index.Add(ctx, lines.Text()); err != nil {
				return err
			}
			continue
		}
		found, err := index.Find(ctx, question)
		if err != nil {
			return err
		}
		fmt.Fprintln(out, strings.TrimSpace(question), found)
	}
	tokenizer, err := p.Tokenizer.Client(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(os.Stderr, "index: %s, tokenizer: %s\n", index.Client().Service().Address, tokenizer.Client().Service().Address)
	return err
}
