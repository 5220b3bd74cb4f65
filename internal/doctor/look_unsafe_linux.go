package doctor

import (
	"errors"
	"math"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"hotline/internal/unixsock"
)

// The inode numbers of the machine's own namespaces (include/uapi/linux/nsfs.h).
const (
	machineUsers = "user:[4026531837]"
	machinePIDs  = "pid:[4026531836]"
)

// system gathers what Linux tells.
func (f *Facts) system() {
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		f.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	f.Files, f.Locked = limitOf(unix.RLIMIT_NOFILE), limitOf(unix.RLIMIT_MEMLOCK)
	f.OwnPIDs, f.OwnUsers = isOwn("pid", machinePIDs), isOwn("user", machineUsers)
	f.Features = map[string]error{"memfd_create": tryMemfd(), "futex": tryFutex(), "eventfd": tryEventfd(), "SO_PEERCRED": tryPeer()}
}

func limitOf(resource int) Limit {
	var l unix.Rlimit
	if unix.Getrlimit(resource, &l) != nil {
		return Limit{math.MaxUint64, math.MaxUint64}
	}
	return Limit{l.Cur, l.Max}
}

func isOwn(kind, machine string) bool {
	name, err := os.Readlink("/proc/self/ns/" + kind)
	return err == nil && name != machine
}

func tryMemfd() error {
	fd, err := unix.MemfdCreate("hotline-doctor", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(os.Getpagesize())); err != nil {
		return err
	}
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW)
	return err
}

// futexWait is FUTEX_WAIT (futex(2)).
const futexWait = 0

// tryFutex waits on a word that has another value, which returns at once.
func tryFutex() error {
	word := uint32(1)
	_, _, errno := unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), futexWait, 0, 0, 0, 0)
	if errno == unix.EAGAIN {
		return nil
	}
	return errno
}

func tryEventfd() error {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

// tryPeer asks who is at the other end of a pair of sockets: this process.
func tryPeer() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.Close(pair[1])
	file := os.NewFile(uintptr(pair[0]), "pair")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return err
	}
	defer conn.Close()
	peer, err := unixsock.PeerOf(conn.(*net.UnixConn))
	if err == nil && !peer.Trusted() {
		err = errors.New("it tells another user than ours")
	}
	return err
}

// systems are the names of file systems by their magic numbers (statfs(2)).
var systems = map[int64]string{
	unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs", unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs",
	unix.BTRFS_SUPER_MAGIC: "btrfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", 0x2fc12fc1: "zfs", unix.F2FS_SUPER_MAGIC: "f2fs",
	unix.NFS_SUPER_MAGIC: "nfs", 0xff534d42: "cifs", 0xfe534d42: "smb2", unix.V9FS_MAGIC: "9p", unix.FUSE_SUPER_MAGIC: "fuse",
	0xc36400: "ceph", unix.AFS_SUPER_MAGIC: "afs", unix.MSDOS_SUPER_MAGIC: "msdos", 0x2011bab0: "exfat",
}

// fill asks the file system of p's path.
func (p *Place) fill() {
	var s unix.Statfs_t
	if unix.Statfs(p.Path, &s) != nil {
		return
	}
	p.System = systems[int64(uint32(s.Type))]
	p.Free = s.Bavail * uint64(s.Bsize)
	p.NoExec = s.Flags&unix.ST_NOEXEC != 0
}
