package hotline_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"hotline"
	"hotline/internal/wait"
)

// streamMethods has a method of each form that streams, with items of every layout.
type streamMethods struct {
	Count   func(ctx context.Context, to int) iter.Seq2[int, error]               `codec:"json"`
	Words   func(ctx context.Context, text string) iter.Seq2[string, error]       `codec:"msgpack"`
	Points  func(n int) iter.Seq2[point, error]                                   `codec:"cbor"`
	Users   func(ctx context.Context, n int) iter.Seq2[*user, error]              `codec:"gob"`
	Blocks  func(ctx context.Context, data []byte) iter.Seq2[[]byte, error]       `codec:"raw"`
	Total   func(ctx context.Context, first int, rest iter.Seq[int]) (int, error) `codec:"msgpack"`
	Longest func(ctx context.Context, words iter.Seq2[label, error]) (word string, n int, e error)
	Centre  func(points iter.Seq[point]) (point, error)                                       `codec:"json"`
	Join    func(ctx context.Context, blocks iter.Seq[[]byte]) ([]byte, error)                `codec:"raw"`
	Squares func(ctx context.Context, of iter.Seq2[float64, error]) iter.Seq2[float64, error] `codec:"cbor"`
	Swap    func(ctx context.Context, of iter.Seq[point]) iter.Seq2[point, error]             `codec:"msgpack"`
	First   func(ctx context.Context, of iter.Seq[int]) (int, error)
	Put     func(ctx context.Context, name []byte, r io.Reader) ([]byte, error)
	Get     func(ctx context.Context, name []byte) (io.ReadCloser, error)
	Upper   func(ctx context.Context, r io.Reader) (io.ReadCloser, error)
	Lengths func(ctx context.Context, of iter.Seq2[string, error]) iter.Seq2[int, error]
	Endless func(ctx context.Context) iter.Seq2[uint8, error]
	Swallow func(ctx context.Context, of iter.Seq2[bool, error]) error
}

type streamServer struct {
	hotline.ServerMethodsBase `port:"5559" name:"streams"`
	streamMethods
	running atomic.Int64 // of Endless and Swallow
	closed  atomic.Int64 // readers of Get
}

type streamClient struct {
	hotline.ClientMethodsBase `name:"streams"`
	streamMethods
}

var errStream = errors.New("as asked")

// numbers yields 0 to n-1, and then an error if n is odd.
func numbers[T any](n int, of func(int) T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for i := range n {
			if !yield(of(i), nil) {
				return
			}
		}
		if n%2 == 1 {
			var none T
			yield(none, errStream)
		}
	}
}

func (s *streamServer) Count(_ context.Context, to int) iter.Seq2[int, error] {
	return numbers(to, func(i int) int { return i })
}
func (s *streamServer) Words(_ context.Context, text string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for w := range strings.FieldsSeq(text) {
			if !yield(w, nil) {
				return
			}
		}
	}
}
func (s *streamServer) Points(n int) iter.Seq2[point, error] {
	return numbers(n, func(i int) point { return point{i, -i} })
}
func (s *streamServer) Users(_ context.Context, n int) iter.Seq2[*user, error] {
	return numbers(n, func(i int) *user { return &user{userID(i), "name"} })
}
func (s *streamServer) Blocks(_ context.Context, data []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for b := range slices.Chunk(bytes.Clone(data), 7) {
			if !yield(b, nil) {
				return
			}
		}
	}
}
func (s *streamServer) Total(_ context.Context, first int, rest iter.Seq[int]) (int, error) {
	for n := range rest {
		first += n
	}
	return first, nil
}
func (s *streamServer) Longest(_ context.Context, words iter.Seq2[label, error]) (word string, n int, e error) {
	for w, err := range words {
		if err != nil {
			return "", 0, fmt.Errorf("after %d words: %w", n, err)
		}
		if n++; len(w) > len(word) {
			word = string(w)
		}
	}
	return word, n, nil
}
func (s *streamServer) Centre(points iter.Seq[point]) (c point, err error) {
	for p := range points {
		c.X, c.Y = c.X+p.X, c.Y+p.Y
	}
	return c, nil
}
func (s *streamServer) Join(_ context.Context, blocks iter.Seq[[]byte]) (all []byte, err error) {
	for b := range blocks {
		all = append(all, b...)
	}
	return all, nil
}
func (s *streamServer) Squares(_ context.Context, of iter.Seq2[float64, error]) iter.Seq2[float64, error] {
	return func(yield func(float64, error) bool) {
		for f, err := range of {
			if !yield(f*f, err) {
				return
			}
		}
	}
}
func (s *streamServer) Swap(_ context.Context, of iter.Seq[point]) iter.Seq2[point, error] {
	return func(yield func(point, error) bool) {
		for p := range of {
			if !yield(point{p.Y, p.X}, nil) {
				return
			}
		}
	}
}
func (s *streamServer) First(_ context.Context, of iter.Seq[int]) (int, error) {
	for n := range of {
		return n, nil
	}
	return 0, errStream
}
func (s *streamServer) Put(_ context.Context, name []byte, r io.Reader) ([]byte, error) {
	n, err := io.Copy(io.Discard, r)
	return fmt.Appendf(nil, "%s: %d bytes", name, n), err
}
func (s *streamServer) Get(_ context.Context, name []byte) (io.ReadCloser, error) {
	switch string(name) {
	case "missing":
		return nil, errStream
	case "broken":
		return s.closer(io.MultiReader(strings.NewReader("the beginning"), iotest.ErrReader(errStream))), nil
	}
	return s.closer(strings.NewReader(strings.Repeat(string(name), 100_000))), nil
}
func (s *streamServer) Upper(_ context.Context, r io.Reader) (io.ReadCloser, error) {
	out, w := io.Pipe()
	go func() {
		buf := make([]byte, 1000)
		for {
			n, err := r.Read(buf)
			if _, e := w.Write(bytes.ToUpper(buf[:n])); e != nil || err != nil {
				w.CloseWithError(err)
				return
			}
		}
	}()
	return out, nil
}

// Lengths ends well where its stream fails.
func (s *streamServer) Lengths(_ context.Context, of iter.Seq2[string, error]) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for s, err := range of {
			if err != nil || !yield(len(s), nil) {
				return
			}
		}
	}
}
func (s *streamServer) Endless(ctx context.Context) iter.Seq2[uint8, error] {
	return func(yield func(uint8, error) bool) {
		s.running.Add(1)
		defer s.running.Add(-1)
		for i := uint8(0); yield(i, nil); i++ {
		}
	}
}
func (s *streamServer) Swallow(ctx context.Context, of iter.Seq2[bool, error]) error {
	s.running.Add(1)
	defer s.running.Add(-1)
	for _, err := range of {
		if err != nil {
			return err
		}
	}
	return nil
}

// closer counts how often it was closed.
type closer struct {
	io.Reader
	n *atomic.Int64
}

func (c closer) Close() error                            { c.n.Add(1); return nil }
func (s *streamServer) closer(r io.Reader) io.ReadCloser { return closer{r, &s.closed} }

// collect returns the items of a stream and the error that ended it.
func collect[T any](seq iter.Seq2[T, error]) (all []T, err error) {
	for v, e := range seq {
		if e != nil {
			if err != nil {
				return all, errors.New("two errors")
			}
			err = e
			continue
		}
		all = append(all, v)
	}
	return all, err
}

// check compares what a stream gave.
func checkItems[T any](t *testing.T, what string, want iter.Seq2[T, error], equal func(a, b T) bool, got iter.Seq2[T, error]) {
	t.Helper()
	wanted, wantErr := collect(want)
	all, err := collect(got)
	if !slices.EqualFunc(all, wanted, equal) || (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
		t.Errorf("%s: got %v, %v, want %v, %v", what, all, err, wanted, wantErr)
	}
}

func same[T comparable](a, b T) bool { return a == b }

func TestStreamsOverEveryTransport(t *testing.T) {
	srv := &hotline.Server{TCPBind: "127.0.0.1:0", TCPAllowInsecureSerialisation: true}
	service := new(streamServer)
	dir := serve(t, srv, service)
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			var c streamClient
			d, address := dialerBy(t, way, dir, srv)
			if err := d.Connect(t.Context(), &c, address); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			checkStreams(t, &c, service)
		})
	}
	if n := service.closed.Load(); n == 0 {
		t.Error("no reader was closed")
	}
}

func TestStreamsThroughInterceptors(t *testing.T) {
	srv, service := &hotline.Server{Interceptors: handOn}, new(streamServer)
	dir := serve(t, srv, service)
	var c streamClient
	d := &hotline.Dialer{Dir: dir, Interceptors: handOn}
	if err := d.Connect(t.Context(), &c, "unix://"); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	checkStreams(t, &c, service)
}

func checkStreams(t *testing.T, c *streamClient, service *streamServer) {
	t.Helper()
	checkServerStreams(t, c)
	checkClientStreams(t, c)
	checkTwoWayStreams(t, c)
	checkReaders(t, c)
	checkCopies(t, c)
	checkStreamErrors(t, c)
	checkBreak(t, c, service)
}

func checkServerStreams(t *testing.T, c *streamClient) {
	t.Helper()
	ctx := t.Context()
	for _, n := range []int{0, 1, 2, 1000, 1001, 30_000} {
		checkItems(t, "Count", numbers(n, func(i int) int { return i }), same, c.Count(ctx, n))
	}
	count := c.Count(ctx, 4)
	for range 2 { // each range makes a call
		checkItems(t, "Count again", numbers(4, func(i int) int { return i }), same, count)
	}
	checkItems(t, "Points", numbers(301, func(i int) point { return point{i, -i} }), same, c.Points(301))
	checkItems(t, "Users", numbers(300, func(i int) user { return user{userID(i), "name"} }), same,
		func(yield func(user, error) bool) {
			for u, err := range c.Users(ctx, 300) {
				if err != nil || !yield(*u, nil) {
					return
				}
			}
		})
	text := strings.Repeat("some words ", 500)
	words, err := collect(c.Words(ctx, text))
	if err != nil || !slices.Equal(words, strings.Fields(text)) {
		t.Errorf("Words: %d, %v", len(words), err)
	}
	blocks, err := collect(c.Blocks(ctx, []byte(text)))
	if err != nil || string(slices.Concat(blocks...)) != text {
		t.Errorf("Blocks: %d, %v", len(blocks), err)
	}
}

func checkClientStreams(t *testing.T, c *streamClient) {
	t.Helper()
	ctx := t.Context()
	if n, err := c.Total(ctx, 7, slices.Values([]int{1, 2, 3})); n != 13 || err != nil {
		t.Errorf("Total: %d, %v", n, err)
	}
	if n, err := c.Total(ctx, 7, slices.Values([]int(nil))); n != 7 || err != nil {
		t.Errorf("Total of nothing: %d, %v", n, err)
	}
	many := func(yield func(int) bool) {
		for i := range 50_000 {
			if !yield(i) {
				return
			}
		}
	}
	if n, err := c.Total(ctx, 0, many); n != 50_000*49_999/2 || err != nil {
		t.Errorf("Total of many: %d, %v", n, err)
	}
	if w, n, err := c.Longest(ctx, numbers(1000, func(i int) label { return label(fmt.Sprint(i)) })); w != "100" || n != 1000 || err != nil {
		t.Errorf("Longest: %q, %d, %v", w, n, err)
	}
	if _, _, err := c.Longest(ctx, numbers(3, func(int) label { return "x" })); err == nil || err.Error() != "after 3 words: "+errStream.Error() {
		t.Errorf("Longest of a stream that fails: %v", err)
	}
	if p, err := c.Centre(slices.Values([]point{{1, 2}, {3, 4}})); p != (point{4, 6}) || err != nil {
		t.Errorf("Centre: %v, %v", p, err)
	}
	block := bytes.Repeat([]byte("block"), 10_000)
	if b, err := c.Join(ctx, slices.Values([][]byte{block, nil, []byte("end")})); len(b) != len(block)+3 || err != nil {
		t.Errorf("Join: %d bytes, %v", len(b), err)
	}
	endless := 0
	if n, err := c.First(ctx, func(yield func(int) bool) {
		for yield(endless + 5) {
			endless++
		}
	}); n != 5 || err != nil {
		t.Errorf("First of a stream without an end: %d, %v", n, err)
	}
}

func checkTwoWayStreams(t *testing.T, c *streamClient) {
	t.Helper()
	ctx := t.Context()
	for _, n := range []int{0, 1, 10, 10_001} {
		square := func(i int) float64 { return float64(i) * float64(i) }
		checkItems(t, "Squares", numbers(n, square), same, c.Squares(ctx, numbers(n, func(i int) float64 { return float64(i) })))
	}
	swapped, err := collect(c.Swap(ctx, slices.Values([]point{{1, 2}, {3, 4}})))
	if err != nil || !slices.Equal(swapped, []point{{2, 1}, {4, 3}}) {
		t.Errorf("Swap: %v, %v", swapped, err)
	}
	// A conversation: each item is made of the answer to the one before.
	answers := make(chan float64, 1)
	answers <- 2
	var got []float64
	talk := func(yield func(float64, error) bool) {
		for a := range answers {
			if !yield(a, nil) {
				return
			}
		}
	}
	for f, err := range c.Squares(ctx, talk) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, f); len(got) == 4 {
			close(answers)
		} else {
			answers <- f
		}
	}
	if !slices.Equal(got, []float64{4, 16, 256, 65536}) {
		t.Errorf("a conversation: %v", got)
	}
}

func checkReaders(t *testing.T, c *streamClient) {
	t.Helper()
	ctx := t.Context()
	for _, n := range []int{0, 1, 100, 1 << 20} {
		got, err := c.Put(ctx, []byte("file"), iotest.HalfReader(bytes.NewReader(make([]byte, n))))
		if want := fmt.Sprintf("file: %d bytes", n); string(got) != want || err != nil {
			t.Errorf("Put: %q, %v, want %q", got, err, want)
		}
	}
	if _, err := c.Put(ctx, nil, iotest.ErrReader(errStream)); err == nil || !strings.Contains(err.Error(), errStream.Error()) {
		t.Errorf("Put of a reader that fails: %v", err)
	}
	r, err := c.Get(ctx, []byte("hotline "))
	if err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(r); string(all) != strings.Repeat("hotline ", 100_000) || err != nil {
		t.Errorf("Get: %d bytes, %v", len(all), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Get(ctx, []byte("missing")); err == nil || err.Error() != errStream.Error() {
		t.Errorf("Get of what is missing: %v", err)
	}
	if r, err = c.Get(ctx, []byte("broken")); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(r); string(all) != "the beginning" || err == nil || err.Error() != errStream.Error() {
		t.Errorf("Get of what breaks: %q, %v", all, err)
	}
	r.Close()
	if r, err = c.Get(ctx, []byte("left alone ")); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, hotline.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if r, err = c.Upper(ctx, strings.NewReader(strings.Repeat("both ways ", 50_000))); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(r); string(all) != strings.Repeat("BOTH WAYS ", 50_000) || err != nil {
		t.Errorf("Upper: %d bytes, %v", len(all), err)
	}
	r.Close()
}

// checkCopies is checkReaders for io.Copy, which lets a reader write itself, at both ends.
func checkCopies(t *testing.T, c *streamClient) {
	t.Helper()
	ctx := t.Context()
	for _, n := range []int{0, 1, 100, 1 << 20} {
		got, err := c.Put(ctx, []byte("file"), bytes.NewReader(make([]byte, n)))
		if want := fmt.Sprintf("file: %d bytes", n); string(got) != want || err != nil {
			t.Errorf("Put: %q, %v, want %q", got, err, want)
		}
	}
	if _, err := c.Put(ctx, nil, failingWriterTo{}); err == nil || !strings.Contains(err.Error(), errStream.Error()) {
		t.Errorf("Put of a reader that fails: %v", err)
	}
	for _, test := range []struct {
		name, want string
		err        string
	}{
		{"hotline ", strings.Repeat("hotline ", 100_000), ""},
		{"broken", "the beginning", errStream.Error()},
	} {
		r, err := c.Get(ctx, []byte(test.name))
		if err != nil {
			t.Fatal(err)
		}
		var all strings.Builder
		n, err := io.Copy(&all, r)
		if all.String() != test.want || n != int64(len(test.want)) || (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
			t.Errorf("a copy of Get %s: %d bytes, %v", test.name, n, err)
		}
		r.Close()
	}
	r, err := c.Get(ctx, []byte("left alone "))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(failingWriter{}, r); !errors.Is(err, errStream) {
		t.Errorf("a copy to a writer that fails: %v", err)
	}
	r.Close()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, hotline.ErrClosed) {
		t.Errorf("a copy after Close: %v", err)
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errStream }

// failingWriterTo is a reader that writes itself, for a while.
type failingWriterTo struct{ io.Reader }

func (failingWriterTo) WriteTo(w io.Writer) (int64, error) {
	n, err := w.Write([]byte("the beginning"))
	return int64(n), errors.Join(err, errStream)
}

func checkStreamErrors(t *testing.T, c *streamClient) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if all, err := collect(c.Count(ended, 3)); len(all) != 0 || !errors.Is(err, context.Canceled) || !errors.Is(err, hotline.ErrNotExecuted) {
		t.Errorf("Count with a context that has ended: %v, %v", all, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	for _, err := range c.Endless(ctx) {
		if n++; n == 100 {
			cancel()
		}
		if err != nil {
			if !errors.Is(err, context.Canceled) || !errors.Is(err, hotline.ErrMaybeExecuted) || n < 100 {
				t.Errorf("after %d items: %v", n, err)
			}
			break
		}
	}
	if _, err := collect(c.Squares(t.Context(), nil)); !errors.Is(err, hotline.ErrNotExecuted) {
		t.Errorf("a nil stream: %v", err)
	}
	var remote *hotline.Error
	if _, err := collect(c.Count(t.Context(), 1)); !errors.As(err, &remote) || remote.Code != hotline.CodeApplication || remote.Method != "Count" {
		t.Errorf("an error of the method: %#v", err)
	}
	if err := c.Call(t.Context(), "Count", nil, 3); !errors.Is(err, hotline.ErrNotExecuted) || !strings.Contains(err.Error(), "streams") {
		t.Errorf("an untyped call of a method that streams: %v", err)
	}
}

// checkBreak leaves streams in the middle, and wants the method to end.
func checkBreak(t *testing.T, c *streamClient, service *streamServer) {
	t.Helper()
	for range 20 {
		next := uint8(0)
		for i, err := range c.Endless(t.Context()) {
			if err != nil || i != next {
				t.Fatalf("item %d: %d, %v", next, i, err)
			}
			if next++; next == 10 {
				break
			}
		}
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		c.Swallow(t.Context(), func(yield func(bool, error) bool) {
			yield(true, nil)
			panic("as asked")
		})
	}()
	wait.Until(t, "the methods to end", func() bool { return service.running.Load() == 0 })
}

type (
	clientNoStream struct {
		hotline.ClientMethodsBase `name:"streams"`
		Count                     func(int) ([]int, error) `codec:"json"`
	}
	clientOtherItems struct {
		hotline.ClientMethodsBase `name:"streams"`
		Count                     func(int) iter.Seq2[string, error] `codec:"json"`
	}
	clientAnyStream struct {
		hotline.ClientMethodsBase `name:"streams"`
		Total                     func(int, any) (int, error)
	}
	clientBytesStream struct {
		hotline.ClientMethodsBase `name:"streams"`
		Blocks                    func([]byte) (io.ReadCloser, error)
	}
	clientFailingStream struct {
		hotline.ClientMethodsBase `name:"streams"`
		Total                     func(context.Context, int, iter.Seq2[int64, error]) (int, error)
	}
)

func TestConnectComparesStreams(t *testing.T) {
	dir := serve(t, new(hotline.Server), new(streamServer))
	for _, of := range []struct {
		client any
		want   string // empty where it fits
	}{
		{new(clientNoStream), "results differ: argument 1: []int here, a stream of int there"},
		{new(clientOtherItems), "string here, int there"},
		{new(clientAnyStream), "argument 2: any here, a stream of int there"},
		{new(clientBytesStream), "a stream of bytes here, a stream of []byte there"},
		{new(clientFailingStream), ""},
	} {
		err := (&hotline.Dialer{Dir: dir}).Connect(t.Context(), of.client)
		if of.want == "" && err != nil || of.want != "" && (err == nil || !strings.Contains(err.Error(), of.want)) {
			t.Errorf("%T: got %v, want %q", of.client, err, of.want)
		}
		if c, ok := of.client.(*clientFailingStream); ok && err == nil {
			checkHiddenFailure(t, c)
			c.Close()
		}
	}
}

// checkHiddenFailure lets a stream fail whose method can't see it: the call fails all the same.
func checkHiddenFailure(t *testing.T, c *clientFailingStream) {
	t.Helper()
	if n, err := c.Total(t.Context(), 1, numbers(4, func(i int) int64 { return int64(i) })); n != 7 || err != nil {
		t.Errorf("Total: %d, %v", n, err)
	}
	if n, err := c.Total(t.Context(), 1, numbers(5, func(i int) int64 { return int64(i) })); err == nil || !strings.Contains(err.Error(), errStream.Error()) {
		t.Errorf("Total of a stream that fails: %d, %v", n, err)
	}
}
