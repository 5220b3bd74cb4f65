package codec_test

import (
	"reflect"
	"testing"
	"time"

	"hotline/codec"
)

// BenchmarkPlan is what a bound method costs in its codec: the arguments or the results of one call, encoded and decoded.
func BenchmarkPlan(b *testing.B) {
	for _, list := range []struct {
		name   string
		values []any
	}{
		{"ints", ptrs(2, 3)},
		{"large-ints", ptrs(300_000, int64(-5_000_000_000))},
		{"named", ptrs(number(2), number(3))},
		{"strings", ptrs("a key", "a value that is somewhat longer")},
		{"mixed", ptrs(true, 1.5, time.Unix(1700000000, 5), uint32(7), Base{1, "x"})},
	} {
		for _, c := range structured() {
			var types []reflect.Type
			for _, v := range list.values {
				types = append(types, reflect.TypeOf(v).Elem())
			}
			for _, how := range []struct {
				name string
				codec.Plan
			}{{"plan", codec.PlanFor(c, types)}, {"general", c}} {
				src := encode(b, c, list.values...)
				out := zeros(list.values)
				b.Run(c.Name()+"/"+list.name+"/append/"+how.name, func(b *testing.B) {
					dst := make([]byte, 0, 512)
					b.ReportAllocs()
					for b.Loop() {
						if _, err := how.Append(dst, list.values); err != nil {
							b.Fatal(err)
						}
					}
				})
				b.Run(c.Name()+"/"+list.name+"/decode/"+how.name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						if err := how.Decode(src, out); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}
