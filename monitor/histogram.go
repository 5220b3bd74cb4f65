package monitor

import (
	"encoding/json"
	"fmt"
	"time"

	"hotline/manager"
)

// Histogram is a histogram whose JSON has those buckets only that are not empty, with their bounds.
type Histogram struct{ manager.Histogram }

// sparse is the JSON of a Histogram.
type sparse struct {
	Sum     time.Duration `json:"sum_ns"`
	Buckets []bucket      `json:"buckets"`
}

// bucket counts calls that took less than its bound, and not less than that of the bucket before.
type bucket struct {
	Bound time.Duration `json:"lt_ns"`
	Calls uint64        `json:"calls"`
}

// MarshalJSON implements [json.Marshaler].
func (h Histogram) MarshalJSON() ([]byte, error) {
	s := sparse{Sum: h.Sum, Buckets: []bucket{}}
	for i, n := range h.Counts {
		if n > 0 {
			s.Buckets = append(s.Buckets, bucket{manager.Bound(i), n})
		}
	}
	return json.Marshal(s)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (h *Histogram) UnmarshalJSON(text []byte) error {
	var s sparse
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	counts, at := make([]uint64, manager.Buckets), 0
	for _, b := range s.Buckets {
		for at < len(counts) && manager.Bound(at) < b.Bound {
			at++
		}
		if at == len(counts) || manager.Bound(at) != b.Bound {
			return fmt.Errorf("a histogram has no bucket of %d ns, or it comes too late", b.Bound)
		}
		counts[at] = b.Calls
	}
	h.Sum, h.Counts = s.Sum, counts
	return nil
}
