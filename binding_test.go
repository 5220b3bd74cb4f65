package hotline_test

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"hotline"
	"hotline/codec"
)

type (
	// jsonTally lacks a method.
	jsonTally struct {
		hotline.ServerMethodsBase `port:"tally" name:"tally" codec:"json"`
	}
	cborTally struct {
		hotline.ServerMethodsBase `port:"tally" name:"tally" codec:"cbor"`
	}
	fullJSONTally struct {
		hotline.ServerMethodsBase `port:"tally" name:"tally" codec:"json"`
	}

	// tallyClient leaves the codecs to the server.
	tallyClient struct {
		hotline.ClientMethodsBase `name:"tally"`
		Add                       func(a, b int) (int, error)
		Flip                      func(p point) (point, error)
	}
)

func (*jsonTally) Add(a, b int) int       { return a + b }
func (*cborTally) Add(a, b int) int       { return a + b }
func (*cborTally) Flip(p point) point     { return point{p.Y, p.X} }
func (*fullJSONTally) Add(a, b int) int   { return a + b }
func (*fullJSONTally) Flip(p point) point { return point{p.Y, p.X} }

// TestMisfitDoesNotChooseCodecs: an instance that the client does not fit has no say in how it talks to another one.
func TestMisfitDoesNotChooseCodecs(t *testing.T) {
	lacking, full := tempDir(t), tempDir(t)
	start(t, lacking, 1, new(jsonTally))
	start(t, full, 1, new(cborTally))
	var c tallyClient
	if err := new(hotline.Dialer).Connect(t.Context(), &c, addressOf(t, lacking, "unix"), addressOf(t, full, "unix")); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.check(t)
}

// check makes a call of each method.
func (c *tallyClient) check(t testing.TB) {
	t.Helper()
	if got, err := c.Add(2, 3); got != 5 || err != nil {
		t.Errorf("Add(2, 3): got %d, %v", got, err)
	}
	if got, err := c.Flip(point{1, 2}); got != (point{2, 1}) || err != nil {
		t.Errorf("Flip(1, 2): got %v, %v", got, err)
	}
}

// TestFirstLinkChoosesCodecs: an instance whose codecs are others than those that the functions were made for is refused.
func TestFirstLinkChoosesCodecs(t *testing.T) {
	dir := tempDir(t)
	first := start(t, dir, 1, new(cborTally))
	var c tallyClient
	if err := (&hotline.Dialer{Dir: dir, Timeout: patience}).Connect(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	start(t, dir, 2, new(fullJSONTally))
	first.leave(t)
	_, err := c.Add(2, 3)
	var mismatch *hotline.MismatchError
	if !errors.As(err, &mismatch) || !errors.Is(err, hotline.ErrNotExecuted) {
		t.Fatalf("Add at an instance with another codec: got %v, want MismatchError and ErrNotExecuted", err)
	}
	for _, want := range []string{"method Add: codec cbor here, as the instance chose that the client was linked to first, json there", "method Flip"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Add at an instance with another codec: got %q, want it to say %q", err, want)
		}
	}
}

// renamed is a codec by another name. Its first question for the name of a field is told.
type renamed struct {
	codec.Codec
	name  string
	asked func()
}

func (c *renamed) Name() string { return c.name }

func (c *renamed) FieldName(f reflect.StructField) (string, bool) {
	if c.asked != nil {
		c.asked()
	}
	return f.Name, true
}

type (
	oneTally struct {
		hotline.ServerMethodsBase `port:"tally" name:"tally" codec:"one"`
	}
	twoTally struct {
		hotline.ServerMethodsBase `port:"tally" name:"tally" codec:"two"`
	}
)

func (*oneTally) Add(a, b int) int   { return a + b }
func (*oneTally) Flip(p point) point { return point{p.Y, p.X} }
func (*twoTally) Add(a, b int) int   { return a + b }
func (*twoTally) Flip(p point) point { return point{p.Y, p.X} }

// TestInstancesThatAnswerAtOnce: of two that are compared with the client at the same time the one that is taken chooses the codecs.
func TestInstancesThatAnswerAtOnce(t *testing.T) {
	var both sync.WaitGroup
	both.Add(2)
	codecs := func(asked func() func()) (all []codec.Codec) {
		for name, like := range map[string]string{"one": "json", "two": "cbor"} {
			c, err := codec.Find(like, nil)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, &renamed{c, name, asked()})
		}
		return all
	}
	var addresses []string
	for _, service := range []any{new(oneTally), new(twoTally)} {
		dir := tempDir(t)
		startBy(t, &hotline.Server{Codecs: codecs(func() func() { return nil })}, dir, 1, service)
		addresses = append(addresses, addressOf(t, dir, "unix"))
	}
	d := &hotline.Dialer{Timeout: patience, Codecs: codecs(func() func() {
		return sync.OnceFunc(func() { both.Done(); both.Wait() })
	})}
	var c tallyClient
	if err := d.Connect(t.Context(), &c, addresses...); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.check(t)
}
