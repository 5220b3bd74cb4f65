package codec_test

import (
	"testing"
	"time"

	"hotline/codec"
	"hotline/internal/race"
)

// Encoding plain kinds into a slice with room allocates nothing, and decoding them no more than strings and bytes need.
func TestPlainKindsDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes sync.Pool drop items")
	}
	var (
		n, n8, n16, n32, n64 = -1000, int8(-8), int16(-16), int32(-32), int64(1) << 40
		u, u8, u16, u32, u64 = uint(1000), uint8(8), uint16(16), uint32(32), uint64(1) << 63
		f32, f64, yes        = float32(1.5), 2.25, true
		s, b                 = "a string that is longer than thirty-two bytes", make([]byte, 1024)
		when, took           = time.Date(2024, 5, 6, 7, 8, 9, 10, time.UTC), time.Minute
	)
	values := []any{&n, &n8, &n16, &n32, &n64, &u, &u8, &u16, &u32, &u64, &f32, &f64, &yes, &s, &b, &when, &took}
	numbers := values[:13]
	for _, c := range []codec.Codec{codec.JSON(), codec.Msgpack(), codec.CBOR()} {
		dst := make([]byte, 0, 8<<10)
		if got := testing.AllocsPerRun(100, func() { dst, _ = c.Append(dst[:0], values) }); got != 0 {
			t.Errorf("%s: Append allocates %v times", c.Name(), got)
		}
		src, out := encode(t, c, numbers...), zeros(numbers)
		if got := testing.AllocsPerRun(100, func() { _ = c.Decode(src, out) }); got != 0 {
			t.Errorf("%s: Decode of numbers allocates %v times", c.Name(), got)
		}
		src, out = encode(t, c, &s, &b), zeros([]any{&s, &b})
		if got := testing.AllocsPerRun(100, func() { _ = c.Decode(src, out) }); got != 2 {
			t.Errorf("%s: Decode of a string and bytes allocates %v times, want 2", c.Name(), got)
		}
	}
	c, dst := codec.Raw(), make([]byte, 0, 8<<10)
	one := []any{&b}
	if got := testing.AllocsPerRun(100, func() { dst, _ = c.Append(dst[:0], one) }); got != 0 {
		t.Errorf("raw: Append allocates %v times", got)
	}
}

// A struct costs what the library needs and no more.
func TestStructsDoNotAllocate(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes sync.Pool drop items")
	}
	type point struct {
		X, Y  int
		Label string
	}
	p := point{1, 2, "label"}
	values := []any{&p}
	for _, c := range []codec.Codec{codec.JSON(), codec.Msgpack(), codec.CBOR()} {
		dst := make([]byte, 0, 8<<10)
		if got := testing.AllocsPerRun(100, func() { dst, _ = c.Append(dst[:0], values) }); got != 0 {
			t.Errorf("%s: Append allocates %v times", c.Name(), got)
		}
	}
}
