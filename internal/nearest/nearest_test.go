package nearest_test

import (
	"testing"

	"hotline/internal/nearest"
)

func TestWord(t *testing.T) {
	words := []string{"import_from", "log_dir", "min_proc_num", "max_proc_num", "binary", "Sum", "EchoRaw", "5555"}
	for in, want := range map[string]string{
		"import_form": "import_from", "LOGDIR": "log_dir", "max_procnum": "max_proc_num", "log_dir": "log_dir",
		"bianry": "binary", "sum": "Sum", "Sun": "Sum", "echoraw": "EchoRaw", "EchoRow": "EchoRaw", "5556": "5555",
		"colour": "", "Something else": "", "": "", "x": "",
	} {
		if got := nearest.Word(in, words); got != want {
			t.Errorf("Word(%q): got %q, want %q", in, got, want)
		}
	}
	if got := nearest.Word("a", nil); got != "" {
		t.Errorf("Word without words: got %q", got)
	}
}
