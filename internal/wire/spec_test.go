package wire

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"hotline/internal/spectest"
)

func TestSpecHeader(t *testing.T) {
	tables := spectest.Tables(t, "../..")
	spectest.Compare(t, tables, "Every frame is a header and a payload. Header and a payload of up to 32 bytes are one cache line.", [][]string{
		{num(offLength), "4", "length"},
		{num(offKind), "1", "kind"},
		{num(offFlags), "1", "flags"},
		{num(offMethod), "2", "method"},
		{num(offID), "8", "id"},
		{num(offTimeout), "8", "timeout"},
		{num(offTotal), "4", "total"},
		{num(offMetadata), "4", "metadata"},
	})
	// Put writes each field where the table says, and nothing else.
	h := Header{Length: 0x01020304, Kind: 5, Flags: 6, Method: 0x0708, ID: 0x090a0b0c0d0e0f10, Timeout: 0x1112131415161718,
		Total: 0x191a1b1c, Metadata: 0x1d1e1f20}
	b := make([]byte, HeaderSize)
	h.Put(b)
	want := binary.LittleEndian.AppendUint32(nil, h.Length)
	want = append(want, byte(h.Kind), byte(h.Flags))
	want = binary.LittleEndian.AppendUint16(want, h.Method)
	want = binary.LittleEndian.AppendUint64(want, h.ID)
	want = binary.LittleEndian.AppendUint64(want, h.Timeout)
	want = binary.LittleEndian.AppendUint32(want, h.Total)
	want = binary.LittleEndian.AppendUint32(want, h.Metadata)
	if string(b) != string(want) {
		t.Errorf("Put: got % x, want % x", b, want)
	}
}

func TestSpecKindsFlagsAndCodes(t *testing.T) {
	tables := spectest.Tables(t, "../..")
	var kinds, codes [][]string
	for k, name := range kindNames {
		if name != "" {
			kinds = append(kinds, []string{num(k), name})
		}
	}
	for c, name := range codeNames {
		if name != "" {
			codes = append(codes, []string{num(c), name})
		}
	}
	spectest.Compare(t, tables, "Kinds", kinds)
	spectest.Compare(t, tables, "be made again.", codes)
	spectest.Compare(t, tables, "Flags", [][]string{
		{num(int(FlagMore)), "more"}, {num(int(FlagPiece)), "piece"}, {num(int(FlagCancellable)), "cancellable"},
		{num(int(FlagBlock)), "block"}, {num(int(FlagSends)), "sends"}, {num(int(FlagTakes)), "takes"},
	})
	if all := FlagMore | FlagPiece | FlagCancellable | FlagBlock | FlagSends | FlagTakes; all != knownFlags {
		t.Errorf("the flags of the table are %#x, those of the code %#x", all, knownFlags)
	}
	for c := range Code(len(codeNames)) {
		if c.Executed() != (c >= 16) {
			t.Errorf("%v.Executed(): got %v; spec.md says that codes below 16 were not executed", c, c.Executed())
		}
	}
}

func TestSpecBlockReference(t *testing.T) {
	spectest.Compare(t, spectest.Tables(t, "../.."), "The message of a frame with the flag block is a reference of 16 bytes", [][]string{
		{num(offBlockOffset), "8", "offset"},
		{num(offBlockArena), "4", "arena", fmt.Sprintf("%d: of the direction that the frame travels; %d: of the other, a block of the receiver's comes back",
			ArenaSender, ArenaReceiver)},
		{num(offBlockZero), "4", "zero"},
	})
	if BlockRefSize != 16 {
		t.Errorf("spec.md says that a reference is 16 bytes: the code says %d", BlockRefSize)
	}
	b := make([]byte, BlockRefSize)
	BlockRef{Offset: 0x0102030405060708, Arena: ArenaReceiver}.Put(b)
	if want := []byte{8, 7, 6, 5, 4, 3, 2, 1, 2, 0, 0, 0, 0, 0, 0, 0}; string(b) != string(want) {
		t.Errorf("Put: got % x, want % x", b, want)
	}
}

func TestSpecLimits(t *testing.T) {
	spectest.Compare(t, spectest.Tables(t, "../.."), "Limits", [][]string{
		{"header size", num(HeaderSize)},
		{"frame payload", num(MaxFramePayload)},
		{"metadata", num(MaxMetadata)},
		{"identities", num(MaxIdentities)},
		{"identity name", num(MaxIdentityName)},
		{"identity bytes", num(MaxIdentityBytes)},
		{"handshake", num(MaxHandshake)},
		{"methods", num(MaxMethods)},
		{"stream window", num(StreamWindow)},
	})
}

// Hello and Welcome are encoded field by field in the order of the tables: a value that is made from the table is
// parsed to the fields of those names.
func TestSpecHandshake(t *testing.T) {
	tables := spectest.Tables(t, "../..")
	hello, err := ParseHello(fromTable(t, tables["Hello"]))
	if err != nil {
		t.Fatal(err)
	}
	wantHello := &Hello{Oldest: 2, Newest: 3, MaxMessage: 4, Service: "5", Port: "6", ServiceVersion: "7"}
	if !reflect.DeepEqual(hello, wantHello) {
		t.Errorf("a hello made by the table: got %+v, want %+v", hello, wantHello)
	}
	table := tables["Welcome"]
	table[1] = []string{"version", "uint16", "fixed"}
	b := fromTable(t, table[:len(table)-1])
	b = appendUint32(b, 1)
	b = append(b, fromTable(t, tables["and for each method"])...)
	welcome, err := ParseWelcome(b)
	if err != nil {
		t.Fatal(err)
	}
	wantWelcome := &Welcome{Version: Version, MaxMessage: 3, MaxInFlight: 4, Service: "5", Port: "6", ServiceVersion: "7", Instance: "8",
		Methods: []Method{{Name: "1", Codec: "2", Fingerprint: 3, Arguments: "4", Results: "5", Signature: "6", Doc: "7"}}}
	if !reflect.DeepEqual(welcome, wantWelcome) {
		t.Errorf("a welcome made by the table: got %+v, want %+v", welcome, wantWelcome)
	}
	if got := wantHello.Append(nil); string(got) != string(fromTable(t, tables["Hello"])) {
		t.Errorf("Hello.Append: got % x, the table makes % x", got, fromTable(t, tables["Hello"]))
	}
	if got := wantWelcome.Append(nil); string(got) != string(b) {
		t.Errorf("Welcome.Append: got % x, the table makes % x", got, b)
	}
}

// Metadata and errors are encoded field by field in the order of the tables too.
func TestSpecMetadataAndErrors(t *testing.T) {
	tables := spectest.Tables(t, "../..")
	pair, identity := tables["and for each pair"], tables["and for each identity"]
	b := fromTable(t, tables["had: a caller that wants that of the answer, and has no pairs to send, sends a block of no pairs."])
	if b = append(b, fromTable(t, pair)...); string(b) != string(AppendMetadata(nil, map[string]string{"1": "2"})) {
		t.Errorf("AppendMetadata: got % x, the table makes % x", AppendMetadata(nil, map[string]string{"1": "2"}), b)
	}
	payload := tables["The payload of an error and of a refuse"]
	b = append(fromTable(t, payload[:1]), 1, 0, 0, 0)
	b = append(b, fromTable(t, identity)...)
	clear(b[9:13]) // the depth of the first is 0
	want := AppendError(nil, &Error{Message: "1", Identities: []Identity{{Name: "2", Value: []byte("3")}}})
	if string(b) != string(want) || payload[1][0] != "identities" {
		t.Errorf("AppendError: got % x, the table makes % x", want, b)
	}
}

// fromTable encodes a message by the rows of its table; each field holds the number of its row.
func fromTable(t *testing.T, rows [][]string) (b []byte) {
	t.Helper()
	for i, row := range rows {
		n := i + 1
		switch field, typ := row[0], row[1]; {
		case field == "magic":
			if !strings.HasPrefix(row[2], fmt.Sprintf("%#x", uint32(Magic))) {
				t.Errorf("magic: the table says %q, the code %#x", row[2], uint32(Magic))
			}
			b = appendUint32(b, Magic)
		case field == "version" && typ == "uint16":
			b = appendUint16(b, Version)
		case typ == "uint16":
			b = appendUint16(b, uint16(n))
		case typ == "uint32":
			b = appendUint32(b, uint32(n))
		case typ == "uint64":
			b = appendUint64(b, uint64(n))
		case typ == "string" || typ == "bytes":
			b = appendString(b, num(n))
		default:
			t.Fatalf("field %q has type %q", field, typ)
		}
	}
	return b
}

func num(n int) string { return fmt.Sprint(n) }
