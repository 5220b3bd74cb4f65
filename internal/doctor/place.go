package doctor

import (
	"fmt"
	"strings"
)

// remote are file systems whose locks and sockets other machines, or nobody, can see.
var remote = map[string]bool{"nfs": true, "cifs": true, "smb2": true, "9p": true, "fuse": true, "ceph": true, "afs": true}

// simple are file systems without sockets, owners or modes.
var simple = map[string]bool{"msdos": true, "exfat": true}

// directory judges the runtime directory.
func (f *Facts) directory() []Finding {
	const check = "runtime directory"
	if f.DirError != nil {
		return []Finding{{check, Error, f.DirError.Error(), "see there; every command of hotline has this directory, and fails likewise"}}
	}
	d := &f.Dir
	found := fmt.Sprintf("%s, mode %#o, on %s", d.Path, d.Mode.Perm(), orUnknown(d.System))
	all := []Finding{}
	switch {
	case simple[d.System]:
		all = append(all, Finding{check, Error, found + ", which has no sockets",
			"set HOTLINE_DIR to a directory on another file system, such as a tmpfs"})
	case remote[d.System]:
		all = append(all, Finding{check, Warning, found + ": sockets and locks work on one machine only, and may be slow or missing",
			"set HOTLINE_DIR to a directory of this machine's own, such as one in /run or /tmp"})
	case d.Mode.Perm()&0o055 != 0:
		all = append(all, Finding{check, Warning, found + ": others can see which services run (their sockets refuse others)",
			"run chmod 700 " + d.Path})
	default:
		all = append(all, ok(check, "%s", found))
	}
	if f.LongestWay > f.MaxWay {
		return append(all, Finding{"socket paths", Error,
			fmt.Sprintf("the longest has %d bytes, this system takes %d", f.LongestWay, f.MaxWay), "set HOTLINE_DIR to something shorter"})
	}
	return append(all, ok("socket paths", "up to %d bytes of %d", f.LongestWay, f.MaxWay))
}

func orUnknown(system string) string {
	if system == "" {
		return "an unknown file system"
	}
	return system
}

// builds judges where programs are built.
func (f *Facts) builds() Finding {
	const check = "build directory"
	t := &f.Temporary
	found := fmt.Sprintf("%s on %s, %s free", t.Path, orUnknown(t.System), free(t.Free))
	switch {
	case t.Path == "":
		return Finding{check, Error, "there is none", "set TMPDIR to a directory that you can write to"}
	case t.NoExec:
		return Finding{check, Error, found + ": it is mounted noexec, so that what is built there can't run",
			"set GOTMPDIR or TMPDIR to a directory on another file system, or use services with binary="}
	case t.Free < noSpace:
		return Finding{check, Error, found, "make room there, or set TMPDIR to another directory"}
	case t.Free < lowSpace:
		return Finding{check, Warning, found + ": a program and what the compiler writes may not fit",
			"make room there, or set TMPDIR to another directory"}
	}
	return ok(check, "%s", found)
}

func free(n uint64) string {
	if n == 1<<64-1 {
		return "an unknown space"
	}
	return bytes(n)
}

// control judges the manager, or what is left of one.
func (f *Facts) control() Finding {
	switch {
	case f.Manager != "":
		return ok("manager", "%s", f.Manager)
	case f.StaleControl:
		return Finding{"manager", Warning, "none runs, but the control socket of one is there that was killed",
			"nothing needs to be done: the next manager replaces it"}
	case f.ManagerError != nil:
		return Finding{"manager", Error, f.ManagerError.Error(), "see its output; if it hangs, stop it by its pid"}
	}
	return Finding{"manager", Note, "none runs here", "hotline serve FILE.ini starts one"}
}

// leftovers judges what is there of those who are gone.
func (f *Facts) leftovers() []Finding {
	var all []Finding
	if f.DeadError != nil {
		all = append(all, Finding{"dead instances", Warning, f.DeadError.Error(), "see there"})
	}
	if len(f.Orphans) > 0 {
		all = append(all, Finding{"orphans", Warning, some(f.Orphans) + ": the manager that started it is gone, and it has not stopped",
			"it is still called: stop it by its pid, so that the next manager need not wait for its TCP port"})
	}
	for _, c := range []struct {
		check string
		what  []string
		mend  string
	}{
		{"dead instances", f.Dead, "nothing needs to be done: the next manager, or instance of the same service, removes their files"},
		{"old builds", f.OldBuilds, "nothing needs to be done: the next manager of this user removes them"},
		{"old logs", f.OldLogs, fmt.Sprintf("remove those that you don't need: nothing has been written to them for %d days", int(OldAfter.Hours()/24))},
	} {
		if len(c.what) > 0 {
			all = append(all, Finding{c.check, Note, some(c.what), c.mend})
		}
	}
	if len(all) == 0 {
		all = append(all, ok("leftovers", "none"))
	}
	return all
}

// some returns the first few of a list.
func some(all []string) string {
	const most = 5
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
}
