package link_test

import (
	"flag"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hotline/internal/wait"
)

var schedules = flag.Int("schedules", 400, "how many random schedules TestSchedules follows")

// tick is the unit of a schedule's times. They are those of a bubble's clock, which moves when everything is asleep, so what
// happens in one tick happens at once, on as many CPUs as there are.
const tick = time.Millisecond

// kind is what a step of a schedule does.
type kind int

const (
	aCall kind = iota
	aOneway
	aPing
	aServerStream
	aClientStream
	aBoth
)

func (k kind) sends() bool   { return k == aClientStream || k == aBoth }
func (k kind) takes() bool   { return k == aServerStream || k == aBoth }
func (k kind) streams() bool { return k >= aServerStream }

// step is one call of a schedule. Times are in ticks.
type step struct {
	Kind    kind
	Start   int
	Size    int  // of the request, in bytes
	Reply   int  // likewise
	Runs    int  // how long its handler takes, beside its streams
	Heeds   bool // the handler ends with its context
	Fails   bool // the handler's error is errPlanned, behind all items
	Timeout int  // 0 for none
	Context bool // the timeout is the context's
	Cancel  int  // after its start; less than 0 for never

	Up, Down int  // items that the client and the server send
	Item     int  // their size, in bytes
	Pause    int  // before each item of the producer
	Slow     int  // before each item of the consumer
	Break    int  // items after which the client gives its stream up; less than 0 for never
	Stop     int  // items after which the handler receives no more; less than 0 for never
	UpFails  bool // the client's stream ends with errPlanned
}

// mayEnd reports whether the step may end before its handler returns though its link lives.
func (s *step) mayEnd() bool { return s.Timeout > 0 || s.Cancel >= 0 || s.Break >= 0 }

// wayOut is how a link ends.
type wayOut int

const (
	inPeace    wayOut = iota // when all steps are through
	byDrain                  // Server.Shutdown
	byCut                    // no more is passed on from one moment on
	byBytes                  // likewise, from one byte on
	byClient                 // Client.Close
	byServer                 // Server.Close
	afterDrain               // a cut while the server drains
	waysOut
)

// plannedEnd says when.
type plannedEnd struct {
	How      wayOut
	At       int  // in ticks
	Patience int  // of Shutdown, in ticks; 0 for as long as it takes
	Bytes    int  // of byBytes
	Upward   bool // they are those of the client
}

// schedule is a link's life: all that happens to it, drawn before anything does.
type schedule struct {
	Steps    []step
	End      plannedEnd
	Limit    int // of calls in flight
	Frame    int // the longest, in bytes
	Chunk    int // the most that the relay passes on at once, in bytes
	Capacity int // frames that each of its four pipes holds
	Trusted  bool
}

// drawSchedule draws calls that begin within a few ticks, so that many are in flight at once.
func drawSchedule(t *rapid.T) schedule {
	s := schedule{
		Steps:    rapid.SliceOfN(rapid.Custom(drawStep), 1, 24).Draw(t, "steps"),
		Limit:    rapid.SampledFrom([]int{1, 3, 1024, 1024}).Draw(t, "limit"),
		Frame:    rapid.SampledFrom([]int{4 << 10, 16 << 10}).Draw(t, "frame"),
		Chunk:    rapid.SampledFrom([]int{1 << 16, 1000, 33}).Draw(t, "chunk"),
		Capacity: rapid.SampledFrom([]int{4, 1}).Draw(t, "capacity"),
		Trusted:  rapid.Bool().Draw(t, "trusted"),
	}
	s.End.How = wayOut(rapid.IntRange(0, int(waysOut)-1).Draw(t, "how"))
	s.End.At = rapid.IntRange(0, 20).Draw(t, "at")
	s.End.Patience = rapid.SampledFrom([]int{0, 0, 5, 1}).Draw(t, "patience")
	s.End.Bytes = rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, 60_000)).Draw(t, "bytes")
	s.End.Upward = rapid.Bool().Draw(t, "upward")
	return s
}

func drawStep(t *rapid.T) step {
	never := func(most int) *rapid.Generator[int] { return rapid.OneOf(rapid.Just(-1), rapid.IntRange(0, most)) }
	size := rapid.OneOf(rapid.IntRange(4, 100), rapid.IntRange(4, 20_000))
	s := step{
		Kind:    kind(rapid.IntRange(0, int(aBoth)).Draw(t, "kind")),
		Start:   rapid.IntRange(0, 10).Draw(t, "start"),
		Size:    size.Draw(t, "size"),
		Reply:   size.Draw(t, "reply"),
		Runs:    rapid.SampledFrom([]int{0, 0, 1, 5}).Draw(t, "runs"),
		Heeds:   rapid.Bool().Draw(t, "heeds"),
		Fails:   rapid.Bool().Draw(t, "fails"),
		Timeout: rapid.SampledFrom([]int{0, 0, 1, 4}).Draw(t, "timeout"),
		Context: rapid.Bool().Draw(t, "by context"),
		Cancel:  never(6).Draw(t, "cancel"),
		Break:   -1,
		Stop:    -1,
	}
	if !s.Kind.streams() {
		return s
	}
	items := rapid.OneOf(rapid.IntRange(0, 4), rapid.IntRange(0, 60))
	s.Item = rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(0, 5000)).Draw(t, "item")
	s.Pause = rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "pause")
	s.Slow = rapid.SampledFrom([]int{0, 0, 1}).Draw(t, "slow")
	if s.Kind.sends() {
		s.Up = items.Draw(t, "up")
		s.Stop = never(4).Draw(t, "stop")
		s.UpFails = rapid.Bool().Draw(t, "up fails")
	}
	if s.Kind.takes() {
		s.Down, s.Reply = items.Draw(t, "down"), 0
		s.Break = never(4).Draw(t, "break")
	}
	return s
}

// Calls and streams of every kind, made, cancelled, timed out, broken out of and cut off at any times, all end with an
// outcome, and it is true: see life.check. In the end nothing is left of them on either side.
func TestSchedules(t *testing.T) {
	checks := flag.Lookup("rapid.checks")
	old := checks.Value.String()
	defer checks.Value.Set(old)
	if err := checks.Value.Set(strconv.Itoa(*schedules)); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		s := drawSchedule(r)
		var failure error
		wait.Bubble(t, func(t *testing.T) { failure = s.follow() })
		if failure != nil {
			r.Fatalf("%v\nin %#v", failure, s)
		}
	})
}
