package registry

import "testing"

func FuzzParseGrant(f *testing.F) {
	for _, name := range []string{"5555.echo_serv@1.abcdefgh.u65534", "word.a.b@0.abcdefgh.u0", "5555-abcdefgh.unix", "5555.echo@1.u1", "..@..u1"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		g, ok := parseGrant(name)
		if !ok {
			return
		}
		if g.file() != name || CheckPort(g.claim.port) != nil || CheckName(g.claim.name) != nil || g.uid < 0 {
			t.Errorf("%q: got %+v", name, g)
		}
		if _, isClaim := parseClaim(name); isClaim {
			t.Errorf("%q is a claim, too", name)
		}
	})
}
