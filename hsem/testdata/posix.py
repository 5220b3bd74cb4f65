# The same as posix.c, by way of ctypes: posix.py COMMAND NAME [NUMBER [FILE]].
import ctypes
import errno
import os
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
libc.sem_open.restype = ctypes.c_void_p


class Timespec(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("nsec", ctypes.c_long)]


def check(what, result):
    if result != 0:
        sys.exit("%s: %s" % (what, os.strerror(ctypes.get_errno())))


def main(command, name, number=0, path=None):
    name, number = name.encode(), int(number)
    if command == "unlink":
        return check("sem_unlink", libc.sem_unlink(name))
    if command == "create":
        sem = libc.sem_open(name, os.O_CREAT | os.O_EXCL, 0o600, ctypes.c_uint(number))
    else:
        sem = libc.sem_open(name, 0)
    if not sem:
        sys.exit("sem_open: " + os.strerror(ctypes.get_errno()))
    sem = ctypes.c_void_p(sem)
    if command == "post":
        check("sem_post", libc.sem_post(sem))
    elif command == "wait":
        print("waiting", flush=True)
        check("sem_wait", libc.sem_wait(sem))
    elif command == "timedwait":
        at = time.time() + number / 1000
        ts = Timespec(int(at), int(at % 1 * 1e9))
        if libc.sem_timedwait(sem, ctypes.byref(ts)) == 0:
            sys.exit(3)
        if ctypes.get_errno() != errno.ETIMEDOUT:
            check("sem_timedwait", -1)
    elif command == "value":
        value = ctypes.c_int()
        check("sem_getvalue", libc.sem_getvalue(sem, ctypes.byref(value)))
        print(value.value)
    elif command == "hammer":
        with open(path, "r+b", buffering=0) as f:
            for _ in range(number):
                check("sem_wait", libc.sem_wait(sem))
                f.seek(0)
                count, = struct.unpack("@l", f.read(8))
                f.seek(0)
                f.write(struct.pack("@l", count + 1))
                check("sem_post", libc.sem_post(sem))
    elif command != "create":
        sys.exit("no such command")


main(*sys.argv[1:])
