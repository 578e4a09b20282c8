"""Irrevocable restrictions of a decoder process, applied before its first file and enforced by the kernel.

It can open no file or socket, start no process, affect no other one, write nothing but answers; it is not root, and
ends with its parent. All of this on Linux; elsewhere what `setrlimit` offers.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys
from contextlib import suppress

_NOBODY = 65534
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_CLONE_THREAD = 0x00010000

_ALLOW, _ERROR, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_X32 = 0x40000000
# By machine: the kernel's audit id; `clone`, `clone3`; and the refused calls: starting and tracing processes, sending
# signals, and reading other processes' memory. Opening anything fails by the limit of no open files.
_CALLS = {
    "x86_64": (0xC000003E, 56, 435, (57, 58, 59, 322, 62, 200, 101, 310, 311)),
    "aarch64": (0xC00000B7, 220, 435, (221, 281, 129, 130, 117, 270, 271)),
}


def confine(parent: int) -> None:
    """Apply all restrictions. Exits if `parent`, the process that started this one, has ended."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET):
            libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)  # where users may, and a container allows it
        with suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:  # noqa: PTH123
            file.write("1000")  # if the machine runs out of memory, end this process first
        _leave_root()
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        resource.setrlimit(limit, (0, 0))
    if sys.platform == "linux":
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _refuse_calls(libc)


def _leave_root() -> None:
    if os.geteuid() == 0:
        with suppress(OSError):
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)


def _refuse_calls(libc: ctypes.CDLL) -> None:
    """Have the kernel refuse calls that start processes or affect others, where supported. Threads are allowed:
    libde265, which decodes HEIC, starts one."""
    known = _CALLS.get(platform.machine())
    if known is None:
        return
    machine, clone, clone3, refused = known
    refusal = (_RETURN, 0, 0, _ERROR | errno.EPERM)
    program = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, machine),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, _X32),
        refusal,
    ]
    for call in refused:
        program += [(_EQUAL, 0, 1, call), refusal]
    program += [
        # glibc then falls back to `clone`, whose flags are visible to the filter.
        (_EQUAL, 0, 1, clone3),
        (_RETURN, 0, 0, _ERROR | errno.ENOSYS),
        (_EQUAL, 0, 4, clone),
        (_LOAD, 0, 0, 16),
        (_AND, 0, 0, _CLONE_THREAD),
        (_EQUAL, 0, 1, 0),
        refusal,
        (_RETURN, 0, 0, _ALLOW),
    ]
    steps = b"".join(struct.pack("HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(steps)
    filter_of = struct.pack("HxxxxxxP", len(program), ctypes.addressof(held))
    libc.prctl(_PR_SET_SECCOMP, 2, ctypes.c_char_p(filter_of), 0, 0)
