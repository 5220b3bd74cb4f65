package codec_test

import (
	"testing"

	"hotline/codec"
)

type order struct {
	ID       int64
	Customer string
	Items    []item
	Paid     bool
}

type item struct {
	Name  string
	Price float64
	Count int
}

func benchmarkValues() map[string][]any {
	return map[string][]any{
		"ints":  ptrs(2, 300_000),
		"bytes": ptrs(make([]byte, 1024)),
		"struct": ptrs(order{ID: 123456, Customer: "A. Customer", Paid: true, Items: []item{
			{"first", 1.25, 1}, {"second", 100, 20}, {"third", 3.5, 3},
		}}),
	}
}

func BenchmarkAppend(b *testing.B) {
	for name, values := range benchmarkValues() {
		for _, c := range codec.Builtin() {
			if c.Name() == "raw" && name != "bytes" {
				continue
			}
			b.Run(c.Name()+"/"+name, func(b *testing.B) {
				dst := encode(b, c, values...)
				b.SetBytes(int64(len(dst)))
				b.ReportAllocs()
				for b.Loop() {
					dst, _ = c.Append(dst[:0], values)
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, values := range benchmarkValues() {
		for _, c := range codec.Builtin() {
			if c.Name() == "raw" && name != "bytes" {
				continue
			}
			b.Run(c.Name()+"/"+name, func(b *testing.B) {
				src, out := encode(b, c, values...), zeros(values)
				o, _ := out[0].(*order)
				b.SetBytes(int64(len(src)))
				b.ReportAllocs()
				for b.Loop() {
					if o != nil {
						*o = order{}
					}
					if err := c.Decode(src, out); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
