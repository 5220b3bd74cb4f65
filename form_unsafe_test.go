package hotline

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"hotline/codec"
	"hotline/internal/link"
)

type (
	formFlag  bool
	formID    int
	formRatio float64
	formTitle string
	formBlob  []byte
	formPoint struct{ X, Y int }
)

var formLayouts = []layout{layoutOther, layoutByte, layoutWord, layoutFloat, layoutString, layoutSlice, layoutPointer}

// formValues are values of the types that have each layout.
var formValues = map[layout][]any{
	layoutOther:   {formPoint{1, 2}, [2]int{3, 4}, float32(1.5), int16(-5), time.Unix(5, 6)},
	layoutByte:    {true, int8(-8), uint8(200), formFlag(true)},
	layoutWord:    {-7, uint(8), formID(-9)},
	layoutFloat:   {1.25, formRatio(-2.5)},
	layoutString:  {"a string on the stack or in the heap, as long as it is", formTitle("title")},
	layoutSlice:   {[]byte("bytes"), []string{"a", "b"}, []*formPoint{{5, 6}, nil}, formBlob("blob")},
	layoutPointer: {&formPoint{7, 8}, map[string]int{"one": 1}, new(int)},
}

func init() {
	if unsafe.Sizeof(uint(0)) == 8 {
		formValues[layoutWord] = append(formValues[layoutWord], int64(-1)<<40, uint64(1)<<63, time.Hour)
	} else {
		formValues[layoutOther] = append(formValues[layoutOther], int64(-1)<<40, uint64(1)<<63, time.Hour)
	}
}

func TestLayouts(t *testing.T) {
	for l, values := range formValues {
		for _, v := range values {
			if got := layoutOf(reflect.TypeOf(v)); got != l {
				t.Errorf("layoutOf(%T): got %d, want %d", v, got, l)
			}
		}
	}
}

// listed reports whether the list at formOf has a form for these arguments and this result.
func listed(args []layout, r layout) bool {
	in := func(l layout, list ...layout) bool { return slices.Contains(list, l) }
	one := []layout{layoutByte, layoutWord, layoutFloat, layoutString, layoutSlice, layoutPointer}
	few := []layout{layoutNone, layoutByte, layoutWord, layoutString, layoutSlice, layoutPointer}
	switch len(args) {
	case 0:
		return in(r, layoutNone) || in(r, one...)
	case 1:
		return in(args[0], one...) && (in(r, layoutNone) || in(r, one...))
	case 2:
		if args[0] == layoutFloat {
			return args[1] == layoutFloat && in(r, layoutNone, layoutFloat)
		}
		return in(args[0], layoutWord, layoutString) && in(args[1], layoutWord, layoutString, layoutSlice, layoutPointer) && in(r, few...)
	case 3:
		return in(args[0], layoutWord, layoutString) && in(args[1], layoutWord, layoutString, layoutSlice) &&
			in(args[2], layoutWord, layoutString) && in(r, few...)
	}
	return false
}

// eachForm calls f with all lists of up to four layouts and every result.
func eachForm(f func(args []layout, r layout)) {
	lists := [][]layout{nil}
	for i := 0; i < len(lists); i++ {
		for _, r := range append(formLayouts, layoutNone) {
			f(lists[i], r)
		}
		if len(lists[i]) < 4 {
			for _, l := range formLayouts {
				lists = append(lists, append(slices.Clone(lists[i]), l))
			}
		}
	}
}

func TestFormsAreThoseListed(t *testing.T) {
	forms := 0
	eachForm(func(args []layout, r layout) {
		results := []layout{r}
		if r == layoutNone {
			results = nil
		}
		got := formOf(args, results) != nil
		if got != listed(args, r) {
			t.Errorf("arguments %v, result %v: a form %v, want %v", args, r, got, !got)
		}
		if got {
			forms++
		}
	})
	if forms != 171 {
		t.Errorf("%d forms, want 171", forms)
	}
	if formOf(nil, []layout{layoutWord, layoutWord}) != nil {
		t.Error("a form for two results")
	}
}

// formCase is one form with types of its layouts, and the values to call it with.
type formCase struct {
	sig           signature
	args, results []reflect.Value
	err           error
	form          *form
}

// eachCase calls f with every form, with and without a context and an error, and with every type of each layout once at
// least.
func eachCase(f func(c *formCase)) {
	turn := 0
	pick := func(l layout) reflect.Value {
		turn++
		return reflect.ValueOf(formValues[l][turn%len(formValues[l])])
	}
	eachForm(func(args []layout, r layout) {
		if !listed(args, r) {
			return
		}
		for i := range 16 {
			c := new(formCase)
			c.sig.context, c.sig.err = i&1 != 0, i&2 != 0
			if c.sig.err && i&4 != 0 {
				c.err = errors.New("as asked")
			}
			for _, l := range args {
				c.args = append(c.args, pick(l))
				c.sig.args = append(c.sig.args, c.args[len(c.args)-1].Type())
			}
			var results []layout
			if r != layoutNone {
				results = []layout{r}
				c.results = []reflect.Value{pick(r)}
				c.sig.results = []reflect.Type{c.results[0].Type()}
			}
			c.form = formOf(args, results)
			f(c)
		}
	})
}

// funcType returns the type of a function with the case's parameters behind first.
func (c *formCase) funcType(err bool, first ...reflect.Type) reflect.Type {
	if c.sig.context {
		first = append(first, contextType)
	}
	out := slices.Clone(c.sig.results)
	if err {
		out = append(out, errorType)
	}
	return reflect.FuncOf(append(first, c.sig.args...), out, false)
}

// callee is a function of the case's own types, with a receiver, that checks what it is called with.
func (c *formCase) callee(t *testing.T, ctx context.Context, recv unsafe.Pointer, called *int) reflect.Value {
	return reflect.MakeFunc(c.funcType(c.sig.err, reflect.TypeFor[unsafe.Pointer]()), func(in []reflect.Value) []reflect.Value {
		*called++
		if got := in[0].UnsafePointer(); got != recv {
			t.Errorf("%v: the receiver came as %v", c, got)
		}
		in = in[1:]
		if c.sig.context {
			if in[0].Interface() != ctx {
				t.Errorf("%v: another context came", c)
			}
			in = in[1:]
		}
		growStack(100)
		c.compare(t, in, c.args)
		out := slices.Clone(c.results)
		if c.sig.err {
			out = append(out, reflect.ValueOf(&c.err).Elem())
		}
		return out
	})
}

func (c *formCase) compare(t *testing.T, got, want []reflect.Value) {
	t.Helper()
	for i := range want {
		if !reflect.DeepEqual(got[i].Interface(), want[i].Interface()) {
			t.Errorf("%v: value %d came as %v, want %v", c, i, got[i], want[i])
		}
	}
}

func (c *formCase) String() string {
	return fmt.Sprintf("%s with context %v, error %v", c.funcType(c.sig.err), c.sig.context, c.err)
}

// growStack makes the stack grow, so that it is moved with all that is on it.
func growStack(n int) byte {
	var big [1 << 10]byte
	if n == 0 {
		return big[0]
	}
	return growStack(n-1) + big[n]
}

// Every form calls functions whose types have its layouts, and gets all of the arguments across and the result back.
func TestEveryFormCalls(t *testing.T) {
	recv, n := unsafe.Pointer(new(formPoint)), 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	eachCase(func(c *formCase) {
		called := 0
		var f any = c.callee(t, ctx, recv, &called).Interface()
		e := &entry{code: (*unsafe.Pointer)((*[2]unsafe.Pointer)(unsafe.Pointer(&f))[1]), recv: recv}
		if c.sig.context {
			e.has |= hasContext
		}
		if c.sig.err {
			e.has |= hasError
		}
		v := newFrame(&c.sig)
		for i := range c.args {
			v.args.elems[i].Set(c.args[i])
		}
		err := c.form.call(e, ctx, &v.args.at, &v.results.at)
		if called != 1 || err != c.err {
			t.Errorf("%v: called %d times, error %v", c, called, err)
		}
		c.compare(t, v.results.elems, c.results)
		v.args.clear()
		v.results.clear()
		for _, e := range append(v.args.elems, v.results.elems...) {
			if !e.IsZero() {
				t.Errorf("%v: %v is left of a call", c, e)
			}
		}
		if n++; n%100 == 0 {
			runtime.GC()
		}
	})
}

// Every form makes a client's function whose type has its layouts, and which sends the arguments and returns the result.
func TestEveryFormBinds(t *testing.T) {
	by, n := codec.Msgpack(), 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	eachCase(func(c *formCase) {
		called := 0
		p := &proxy{name: "Method", sig: &c.sig, args: codec.PlanFor(by, c.sig.args), results: codec.PlanFor(by, c.sig.results)}
		p.frames.New = func() any { return newFrame(&c.sig) }
		p.send = func(got context.Context, payload []byte) (link.Reply, error) {
			called++
			if want := map[bool]context.Context{true: ctx, false: context.Background()}[c.sig.context]; got != want {
				t.Errorf("%v: another context came", c)
			}
			growStack(100)
			there := newFrame(&c.sig)
			if err := by.Decode(payload, there.args.ptrs); err != nil {
				t.Errorf("%v: %v", c, err)
			}
			c.compare(t, there.args.elems, c.args)
			for i := range c.results {
				there.results.elems[i].Set(c.results[i])
			}
			b, err := by.Append(nil, there.results.ptrs)
			return link.Reply{Body: b}, errors.Join(err, c.err)
		}
		var in []reflect.Value
		if c.sig.context {
			in = append(in, reflect.ValueOf(ctx))
		}
		f := p.function(c.funcType(true))
		out := f.Call(append(in, c.args...))
		err, _ := out[len(out)-1].Interface().(error)
		if called != 1 || !errors.Is(err, c.err) {
			t.Errorf("%v: called %d times, error %v", c, called, err)
		}
		if c.err == nil {
			c.compare(t, out, c.results)
		} else if len(c.results) > 0 && !out[0].IsZero() {
			t.Errorf("%v: result %v beside an error", c, out[0])
		}
		if n++; n%100 == 0 {
			runtime.GC()
		}
	})
}
