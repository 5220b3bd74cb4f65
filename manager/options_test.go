package manager

import (
	"strings"
	"testing"
	"time"
)

func TestNewRefuses(t *testing.T) {
	one := &Config{Services: []Service{{Section: "x", Binary: "/bin/x", MinProcNum: 1, MaxProcNum: 1}}}
	tests := []struct {
		config  *Config
		options *Options
		want    string
	}{
		{&Config{}, nil, "no service"},
		{one, &Options{StartTimeout: -1}, "StartTimeout"},
		{one, &Options{StopTimeout: -1}, "StopTimeout"},
		{one, &Options{DrainTimeout: -1}, "DrainTimeout"},
		{one, &Options{RestartMin: time.Hour}, "over RestartMax"},
	}
	for _, test := range tests {
		if _, err := New(test.config, test.options); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("New(%+v): got %v, want %s", test.options, err, test.want)
		}
	}
	if _, err := New(one, nil); err != nil {
		t.Error(err)
	}
}
