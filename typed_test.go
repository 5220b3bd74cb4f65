package hotline_test

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"hotline"
)

type (
	userID  int
	enabled bool
	octet   uint8
	celsius float64
	label   string
	blob    []byte
	user    struct {
		ID    userID
		Label label
	}
	index map[label]userID
)

// typedMethods are methods of many forms, in the types that people write: every layout in every place, and what goes
// through package reflect.
type typedMethods struct {
	Nothing    func(context.Context) error
	Bare       func() error
	Now        func() (time.Duration, error)
	Flip       func(context.Context, bool) (enabled, error)
	Octet      func(octet) (int8, error)
	Next       func(context.Context, userID) (userID, error)
	Negate     func(int64) (int64, error)
	Warmer     func(context.Context, celsius) (float64, error)
	Upper      func(context.Context, label) (string, error)
	Reverse    func(context.Context, blob) ([]byte, error)
	Lines      func(context.Context, []string) ([]label, error)
	Copy       func(context.Context, *user) (*user, error)
	Invert     func(context.Context, map[userID]label) (index, error)
	Find       func(context.Context, string, int) (*user, error)
	Put        func(context.Context, label, blob, time.Duration) (enabled, error)
	Join       func(context.Context, string, string, string) (label, error)
	Hypotenuse func(float64, celsius) (float64, error)
	Deep       func(context.Context, int, string) (int, error)
	Swap       func(context.Context, user) (user, error)
	Divide     func(context.Context, int, int) (int, int, error)
	Mixed      func(context.Context, int32, any, float32, time.Time) (uint16, []any, error)
	Promoted   func(context.Context, uint64) (uint64, error)
	ByValue    func(context.Context, uint) (uint, error)
	Fails      func(context.Context, string, userID) (label, error)
}

type typedServer struct {
	hotline.ServerMethodsBase `port:"5556" name:"typed"`
	promoted
	calls int
}

type typedClient struct {
	hotline.ClientMethodsBase `name:"typed"`
	typedMethods
}

// promoted has a method that typedServer gets by embedding.
type promoted struct{ add uint64 }

func (p *promoted) Promoted(_ context.Context, n uint64) uint64 { return n + p.add }

// ByValue has a value receiver: what is called is a wrapper that the compiler makes.
func (s typedServer) ByValue(_ context.Context, n uint) (uint, error) { return n + uint(s.add), nil }

func (s *typedServer) Nothing(context.Context)                           { s.calls++ }
func (s *typedServer) Bare()                                             { s.calls++ }
func (s *typedServer) Now() time.Duration                                { return time.Hour }
func (s *typedServer) Flip(_ context.Context, yes bool) enabled          { return enabled(!yes) }
func (s *typedServer) Octet(b octet) (int8, error)                       { return int8(b), nil }
func (s *typedServer) Next(_ context.Context, id userID) (userID, error) { return id + 1, nil }
func (s *typedServer) Negate(n int64) int64                              { return -n }
func (s *typedServer) Warmer(_ context.Context, c celsius) float64       { return float64(c) + 1 }
func (s *typedServer) Upper(_ context.Context, l label) (string, error) {
	return strings.ToUpper(string(l)), nil
}
func (s *typedServer) Reverse(_ context.Context, b blob) ([]byte, error) {
	for i := range len(b) / 2 {
		b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
	}
	return b, nil
}
func (s *typedServer) Lines(_ context.Context, lines []string) ([]label, error) {
	var all []label
	for _, l := range lines {
		all = append(all, label(l))
	}
	return all, nil
}
func (s *typedServer) Copy(_ context.Context, u *user) (*user, error) {
	if u == nil {
		return nil, nil
	}
	return &user{u.ID, u.Label}, nil
}
func (s *typedServer) Invert(_ context.Context, m map[userID]label) (index, error) {
	out := index{}
	for id, l := range m {
		out[l] = id
	}
	return out, nil
}
func (s *typedServer) Find(_ context.Context, name string, n int) (*user, error) {
	runtime.GC()
	return &user{userID(n), label(name)}, nil
}
func (s *typedServer) Put(_ context.Context, key label, value blob, ttl time.Duration) (enabled, error) {
	return string(key) == string(value) && ttl == time.Minute, nil
}
func (s *typedServer) Join(_ context.Context, a, b, c string) (label, error) {
	return label(a + b + c), nil
}
func (s *typedServer) Hypotenuse(a float64, b celsius) float64 { return a*a + float64(b*b) }
func (s *typedServer) Deep(_ context.Context, n int, text string) (int, error) {
	return len(text) + int(deep(n)), nil
}
func (s *typedServer) Swap(_ context.Context, u user) user           { return user{-u.ID, u.Label + "!"} }
func (s *typedServer) Divide(_ context.Context, a, b int) (int, int) { return a / b, a % b }
func (s *typedServer) Mixed(_ context.Context, a int32, b any, c float32, d time.Time) (uint16, []any, error) {
	return uint16(a), []any{b, float64(c), d.Unix()}, nil
}
func (s *typedServer) Fails(context.Context, string, userID) (label, error) {
	return "a result beside an error", errors.New("as asked")
}

// deep needs so much stack that it has to grow.
func deep(n int) byte {
	var big [1 << 10]byte
	if n == 0 {
		return big[0]
	}
	return deep(n-1) + big[n%len(big)]
}

// checkTyped calls all of the methods.
func checkTyped(t *testing.T, c *typedMethods) {
	t.Helper()
	ctx := t.Context()
	check := func(method string, want any) func(got any, err error) {
		return func(got any, err error) {
			t.Helper()
			if err != nil || !cmp.Equal(got, want) {
				t.Errorf("%s: got %v (%T), %v, want %v", method, got, got, err, want)
			}
		}
	}
	check("Nothing", nil)(nil, c.Nothing(ctx))
	check("Bare", nil)(nil, c.Bare())
	check("Now", time.Hour)(two(c.Now()))
	check("Flip", enabled(false))(two(c.Flip(ctx, true)))
	check("Flip", enabled(true))(two(c.Flip(ctx, false)))
	check("Octet", int8(-56))(two(c.Octet(200)))
	check("Next", userID(-4))(two(c.Next(ctx, -5)))
	check("Negate", int64(1)<<62)(two(c.Negate(-1 << 62)))
	check("Warmer", 1.5)(two(c.Warmer(ctx, 0.5)))
	check("Upper", "ABC")(two(c.Upper(ctx, "abc")))
	check("Upper", "")(two(c.Upper(ctx, "")))
	check("Reverse", []byte("cba"))(two(c.Reverse(ctx, blob("abc"))))
	check("Reverse", []byte(nil))(two(c.Reverse(ctx, nil)))
	check("Lines", []label{"a", "b"})(two(c.Lines(ctx, []string{"a", "b"})))
	check("Copy", &user{7, "seven"})(two(c.Copy(ctx, &user{7, "seven"})))
	check("Copy", (*user)(nil))(two(c.Copy(ctx, nil)))
	check("Invert", index{"one": 1})(two(c.Invert(ctx, map[userID]label{1: "one"})))
	check("Find", &user{3, "name"})(two(c.Find(ctx, "name", 3)))
	check("Put", enabled(true))(two(c.Put(ctx, "key", blob("key"), time.Minute)))
	check("Join", label("abc"))(two(c.Join(ctx, "a", "b", "c")))
	check("Hypotenuse", 25.0)(two(c.Hypotenuse(3, 4)))
	check("Deep", 4)(two(c.Deep(ctx, 500, "text")))
	check("Swap", user{-1, "a!"})(two(c.Swap(ctx, user{1, "a"})))
	quotient, rest, err := c.Divide(ctx, 17, 5)
	check("Divide", []int{3, 2})([]int{quotient, rest}, err)
	n, list, err := c.Mixed(ctx, 70, "any", 1.5, time.Unix(5, 0))
	check("Mixed", uint16(70))(n, err)
	check("Mixed", []any{"any", 1.5, int64(5)})(list, err)
	check("Promoted", uint64(41))(two(c.Promoted(ctx, 1)))
	check("ByValue", uint(42))(two(c.ByValue(ctx, 2)))
	if got, err := c.Fails(ctx, "", 1); got != "" || err == nil || err.Error() != "as asked" {
		t.Errorf("Fails: got %q, %v", got, err)
	}
}

func two[T any](v T, err error) (any, error) { return v, err }

func newTypedServer() *typedServer { return &typedServer{promoted: promoted{add: 40}} }

// The methods and the functions do the same whether they have a form or go through package reflect.
func TestTyped(t *testing.T) {
	for _, slow := range []bool{false, true} {
		var c typedClient
		if err := hotline.Loop(newTypedServer(), &c, slow); err != nil {
			t.Fatal(err)
		}
		for range 3 { // the frames are used again
			checkTyped(t, &c.typedMethods)
		}
	}
}

// Which of the methods above have a form: those with structs by value, two results or four arguments have none.
func TestTypedForms(t *testing.T) {
	slow := map[string]bool{"Swap": true, "Divide": true, "Mixed": true}
	for f := range reflect.TypeFor[typedMethods]().Fields() {
		if got := hotline.HasForm(f.Type); got == slow[f.Name] {
			t.Errorf("%s %v: a form %v, want %v", f.Name, f.Type, got, !got)
		}
	}
}

// Calls at once don't see each other's arguments and results.
func TestTypedConcurrent(t *testing.T) {
	srv := new(hotline.Server)
	dir := serve(t, srv, newTypedServer())
	for _, way := range []string{"inproc", "direct"} {
		t.Run(way, func(t *testing.T) {
			var c typedClient
			d, address := dialerBy(t, way, dir, srv)
			if err := d.Connect(t.Context(), &c, address); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			checkTypedConcurrent(t, &c)
		})
	}
}

func checkTypedConcurrent(t *testing.T, c *typedClient) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			own := label(strings.Repeat(string(rune('a'+i)), 10+i))
			for n := range 200 {
				if got, err := c.Upper(t.Context(), own); err != nil || got != strings.ToUpper(string(own)) {
					t.Errorf("Upper(%s): got %s, %v", own, got, err)
				}
				if n%50 == 0 { // it collects garbage
					if got, err := c.Find(t.Context(), string(own), i<<20|n); err != nil || *got != (user{userID(i<<20 | n), own}) {
						t.Errorf("Find(%s, %d): got %v, %v", own, i<<20|n, got, err)
					}
				}
				if got, err := c.Swap(t.Context(), user{userID(n), own}); err != nil || got != (user{userID(-n), own + "!"}) {
					t.Errorf("Swap(%d, %s): got %v, %v", n, own, got, err)
				}
				if got, err := c.Fails(t.Context(), string(own), 1); err == nil || got != "" {
					t.Errorf("Fails: got %v, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	checkTyped(t, &c.typedMethods)
}
