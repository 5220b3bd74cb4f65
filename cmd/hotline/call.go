package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/spf13/cobra"

	"hotline"
	"hotline/internal/logs"
	"hotline/internal/plural"
	"hotline/internal/shape"
)

const callHelp = `Call a method of a running service and print its results.

Each word after METHOD is one argument, as JSON. Where a string is wanted, a
word without quotes is the string itself; so is a word that is no JSON, for any
other type that is written as text. @FILE takes an argument's value from a
file, and - from the standard input: a string or bytes are taken as they are,
anything else is read as JSON. In JSON, bytes are base64.

A raw method takes the bytes of its one word, @FILE or -, and its result is
written as it is, without a line end. The results of any other method are
printed as JSON: nothing for none, one value for one, a list for several.
JSON is indented on a terminal, and one line elsewhere. With -o json the results
are always a list on one line, those of raw methods as base64.`

func (a *app) callCommand() *cobra.Command {
	var r reach
	cmd := &cobra.Command{
		Use:   "call NAME|PORT METHOD [JSON | @FILE | -]...",
		Short: "Call a method of a running service",
		Long:  callHelp,
		Example: `  hotline call echo_serv Sum 2 3
  hotline call people Add '{"name": "Ada", "age": 36}'
  hotline call echo_serv EchoRaw - < picture.png > copy.png
  hotline call 5555 EchoRaw hello --address tcp://10.0.0.7 --timeout 2s`,
		Args:              operands(2, anyNumber),
		ValidArgsFunction: a.complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := r.check(); err != nil {
				return err
			}
			ctx, cancel := r.context(cmd.Context())
			defer cancel()
			return a.call(ctx, args[0], args[1], args[2:], &r)
		},
	}
	r.flags(cmd)
	r.messageFlag(cmd)
	return cmd
}

func (a *app) call(ctx context.Context, target, method string, words []string, r *reach) error {
	q, err := a.newRequest(ctx, target, method, words, r)
	if err != nil {
		return err
	}
	defer q.client.Close()
	results, err := invoke(ctx, q.client, q.method, q.args)
	if err != nil {
		return r.explain(ctx, err)
	}
	return a.printResults(q.method, results)
}

// request is a call that is ready to be made, any number of times. Its client belongs to whoever asked for it.
type request struct {
	client  *hotline.Client
	service hotline.ServiceInfo
	method  *hotline.MethodInfo
	args    []any
}

// newRequest connects to a service, and reads and checks the words that are a method's arguments.
func (a *app) newRequest(ctx context.Context, target, method string, words []string, r *reach) (*request, error) {
	c, err := a.dial(ctx, target, r)
	if err != nil {
		return nil, err
	}
	q := &request{client: c, service: c.Service()}
	if q.method, err = findMethod(&q.service, method); err == nil {
		q.args, err = a.arguments(ctx, q.method, words, r)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return q, nil
}

// arguments returns the values that words are for m.
func (a *app) arguments(ctx context.Context, m *hotline.MethodInfo, words []string, r *reach) ([]any, error) {
	types, err := valueTypes(m, m.Arguments)
	if err != nil {
		return nil, fmt.Errorf("the arguments of %s: %w", m.Name, err)
	}
	if len(words) != len(types) {
		return nil, usagef("%s takes %s, not %d: %s", m.Name, plural.Of(len(types), "argument"), len(words), m.Signature)
	}
	args, err := readArguments(ctx, words, a.in, cmp.Or(r.maxMessage, defaultMaxMessage))
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	return buildArguments(m, types, args)
}

// valueTypes returns Go types for the arguments or the results of m. Where the codec is JSON, what has no type stays
// JSON, so that every digit of its numbers goes through.
func valueTypes(m *hotline.MethodInfo, of string) ([]reflect.Type, error) {
	untyped := reflect.TypeFor[any]()
	if m.Codec == "json" {
		untyped = reflect.TypeFor[json.RawMessage]()
	}
	types, _, err := shape.TypesWith(of, untyped)
	return types, err
}

// buildArguments makes the values that m takes.
func buildArguments(m *hotline.MethodInfo, types []reflect.Type, args []argument) ([]any, error) {
	values := make([]any, len(args))
	for i, arg := range args {
		if m.Codec == "raw" {
			values[i] = arg.text
			continue
		}
		v, err := arg.value(types[i])
		if err != nil {
			return nil, usagef("argument %d of %s: %w\nIts signature: %s", i+1, m.Name, err, m.Signature)
		}
		values[i] = v.Interface()
	}
	return values, nil
}

// invoke makes the call and returns its results.
func invoke(ctx context.Context, c *hotline.Client, m *hotline.MethodInfo, args []any) ([]reflect.Value, error) {
	types, err := valueTypes(m, m.Results)
	if err != nil {
		return nil, fmt.Errorf("the results of %s: %w", m.Name, err)
	}
	pointers := make([]any, len(types))
	results := make([]reflect.Value, len(types))
	for i, t := range types {
		p := reflect.New(t)
		pointers[i], results[i] = p.Interface(), p.Elem()
	}
	if err := c.Call(ctx, m.Name, pointers, args...); err != nil {
		return nil, err
	}
	return results, nil
}

// printResults writes what a call returned.
func (a *app) printResults(m *hotline.MethodInfo, results []reflect.Value) error {
	if m.Codec == "raw" && !a.json() {
		for _, r := range results {
			if _, err := a.out.Write(r.Bytes()); err != nil {
				return err
			}
		}
		return nil
	}
	text, err := resultText(results, a.json())
	if err != nil || len(text) == 0 {
		return err
	}
	if isTerminal(a.out) != nil && !a.json() {
		var indented bytes.Buffer
		if json.Indent(&indented, text, "", "  ") == nil {
			text = []byte(logs.Clean(indented.String())) // JSON escapes less than a terminal obeys
		}
	}
	_, err = a.out.Write(append(text, '\n'))
	return err
}

// resultText returns the JSON of one result, or a list of none or several; always a list if list is set.
func resultText(results []reflect.Value, list bool) ([]byte, error) {
	if len(results) == 1 && !list {
		return appendJSON(nil, results[0])
	}
	if len(results) == 0 && !list {
		return nil, nil
	}
	var err error
	text := []byte{'['}
	for i, r := range results {
		if i > 0 {
			text = append(text, ',')
		}
		if text, err = appendJSON(text, r); err != nil {
			return nil, fmt.Errorf("result %d has no JSON: %w", i+1, err)
		}
	}
	return append(text, ']'), nil
}
