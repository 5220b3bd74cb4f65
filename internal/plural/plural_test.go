package plural

import "testing"

func TestOf(t *testing.T) {
	for n, want := range []string{"0 calls", "1 call", "2 calls"} {
		if got := Of(n, "call"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
