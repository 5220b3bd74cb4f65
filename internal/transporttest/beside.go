package transporttest

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"hotline/internal/link"
	"hotline/internal/wire"
)

// testMetadata sends metadata of many lengths beside messages of many, and wants it back beside the replies and errors.
func testMetadata(t *testing.T, p *pairing) {
	most := min(wire.MaxMetadata, p.maxFrame/2)
	for _, n := range []int{0, 1, 31, 32, 33, 1000, most} {
		for _, m := range []int{0, 16, p.maxFrame - n, p.maxFrame - n + 1, 2 * p.maxFrame} {
			metadata, data := pattern(n, uint64(m)), pattern(m, uint64(n))
			reply, err := p.client.Call(t.Context(), &link.Request{Method: methodEcho, Metadata: metadata, Payload: data, Fresh: true})
			if err != nil || !bytes.Equal(reply.Body, data) || !bytes.Equal(reply.Metadata, metadata) {
				t.Fatalf("echo of %d bytes with %d of metadata: got %d with %d, %v", m, n, len(reply.Body), len(reply.Metadata), err)
			}
		}
		metadata := pattern(n, 1)
		reply, err := p.client.Call(t.Context(), &link.Request{Method: methodFail, Metadata: metadata})
		if !isCode(err, wire.CodeApplication) || !bytes.Equal(reply.Metadata, metadata) {
			t.Fatalf("an error with %d bytes of metadata: got %d, %v", n, len(reply.Metadata), err)
		}
	}
	_, err := p.client.Call(t.Context(), &link.Request{Method: methodEcho, Metadata: make([]byte, most+1)})
	var large *link.TooLargeError
	if !errors.As(err, &large) || !errors.Is(err, link.ErrNotExecuted) || large.Size != most+1 || large.Limit != most {
		t.Errorf("%d bytes of metadata: got %v", most+1, err)
	}
}

// testErrors wants an error to come with all that it says of itself.
func testErrors(t *testing.T, p *pairing) {
	for _, n := range []int{0, 1, 1000, 8 << 10} {
		value := pattern(n, 3)
		_, err := p.call(t.Context(), methodFail, value)
		want := &wire.Error{Code: wire.CodeApplication, Message: "as asked",
			Identities: []wire.Identity{{Name: "argument", Value: value}, {Depth: 1, Name: "within", Value: []byte{}}}}
		if !reflect.DeepEqual(err, want) {
			t.Errorf("got %#v, want %#v", err, want)
		}
	}
}
