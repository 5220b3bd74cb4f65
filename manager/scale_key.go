package manager

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Ranges of the keys of scaling.
const (
	maxScaleShare = 1000 // CPUs: 100,000 %
	maxScaleQueue = 1e6  // calls
)

// scaleKeys are the keys that say how the number of workers follows what they have to do.
func scaleKeys() []serviceKey {
	const low, high = 100 * time.Millisecond, 7 * 24 * time.Hour
	return []serviceKey{
		{name: "scale", effect: onSettings, about: "busy, queue or cpu; default: busy; what the number of workers follows, between " +
			"min_proc_num and max_proc_num", set: setScale},
		{name: "scale_up", effect: onSettings, about: "a percentage, or waiting calls for scale = queue; " +
			"default: 75%, 1 or, for cpu, 30%; a worker is added where the average is not below it", set: func(s *Service, _, value string) (err error) {
			s.ScaleUp, err = parseThreshold(value)
			return err
		}},
		{name: "scale_down", effect: onSettings, about: "below scale_up; default: 25%, 0.1 or, for cpu, 15%; " +
			"a worker is taken away where the average is not above it", set: func(s *Service, _, value string) (err error) {
			s.ScaleDown, err = parseThreshold(value)
			return err
		}},
		durationKey("scale_up_window", onSettings, low, high, false, "100ms to 168h; default: 20s; what scale_up is compared with is an average of this time",
			func(s *Service) *time.Duration { return &s.ScaleUpWindow }),
		durationKey("scale_down_window", onSettings, low, high, false, "100ms to 168h; default: 4m; the same for scale_down",
			func(s *Service) *time.Duration { return &s.ScaleDownWindow }),
		durationKey("scale_cooldown", onSettings, low, high, false, "100ms to 168h; default: 20s; the shortest time between two changes",
			func(s *Service) *time.Duration { return &s.ScaleCooldown }),
	}
}

func setScale(s *Service, _, value string) error {
	switch by := ScaleBy(value); by {
	case ScaleByBusy, ScaleByQueue, ScaleByCPU:
		s.Scale = by
		return nil
	}
	return fmt.Errorf("%q is none of busy, queue and cpu: write busy to scale by the share of time with a call under way, "+
		"queue by waiting calls, or cpu by CPU time", value)
}

// parseThreshold reads a percentage, which it returns as a share, or a number of calls.
func parseThreshold(value string) (float64, error) {
	number, percent := strings.CutSuffix(value, "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is neither a percentage nor a number: write one such as 75%%, or 1.5 with scale = queue", value)
	case percent && !(v > 0 && v <= 100*maxScaleShare):
		return 0, fmt.Errorf("%s is out of range: write a percentage over 0%% and up to %d%%", value, 100*maxScaleShare)
	case !percent && !(v > 0 && v <= maxScaleQueue):
		return 0, fmt.Errorf("%s is out of range: write a number over 0 and up to %d", value, int(maxScaleQueue))
	case percent:
		v /= 100
	}
	return v, nil
}

// checkScale reports what the keys of scaling say together, each by its key.
func (s *Service) checkScale(fail func(key, format string, args ...any)) {
	r := s.scaling()
	for _, key := range []string{"scale_up", "scale_down"} {
		v, ok := s.values[key]
		if !ok {
			continue
		}
		percent := strings.HasSuffix(v.value, "%")
		switch {
		case r.by == ScaleByQueue && percent:
			fail(key, "%s is a percentage, and scale = queue counts waiting calls: write a number such as 1.5", v.value)
			return
		case r.by != ScaleByQueue && !percent:
			fail(key, "%s has no unit, and scale = %s needs a percentage: write one such as 30%%", v.value, r.by)
			return
		}
	}
	key := "scale_up"
	if _, ok := s.values[key]; !ok {
		key = "scale_down"
	}
	switch {
	case r.by == ScaleByBusy && r.up > 1:
		fail(key, "no worker is busy for more than 100%% of the time: write less, or scale = cpu")
	case r.down >= r.up:
		fail(key, "scale_up is %s and scale_down is %s: down must be below up", r.format(r.up), r.format(r.down))
	}
}
