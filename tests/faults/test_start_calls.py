"""Each system call of a start fails in turn, by strace(1).

Which calls there are is recorded, not listed: from main() to the reactor's first turn. Each then
fails once, with an error that it may return. The start is refused with one line that names what
failed and leaves nothing behind, or goes on, with the very same rights as an undisturbed one.
"""

from __future__ import annotations

import collections
import itertools
import pathlib
import re
import unittest
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import live
from trial import Rights, needs, open_folder, sanitized, trial

import lab

OPTIONS = ("-B", "1", "--max-sessions", "4096", "--threads", "2", "-u", "nobody")
ANSWER = b"GET"
FIRST_OF_MAIN = re.compile(r"fcntl\(0, F_GETFD")
REACTOR_TURNS = re.compile(r"epoll_wait\(")
CALL = re.compile(r"(?P<task>\d+) +(?P<name>[a-z]\w*)\((?P<rest>.*)$")

# Errors that a call may return, the likeliest first. Any other call: _ANY.
_ERRORS: Mapping[str, Sequence[str]] = {
    "accept": ("ECONNABORTED",),
    "accept4": ("ECONNABORTED",),
    "bind": ("EADDRINUSE", "EACCES", "ENOSPC"),
    "capget": ("EPERM",),
    "capset": ("EPERM",),
    "chmod": ("EPERM", "ENOENT"),
    "clone": ("EAGAIN",),
    "clone3": ("EAGAIN", "EPERM"),
    "close": ("EIO",),
    "connect": ("EACCES", "EAGAIN"),
    "epoll_create1": ("EMFILE", "ENOMEM"),
    "epoll_ctl": ("ENOSPC", "ENOMEM"),
    "eventfd2": ("EMFILE", "ENODEV"),
    "fcntl": ("EBADF",),
    "flock": ("ENOLCK", "EINTR"),
    "getrandom": ("ENOSYS",),
    "getsockopt": ("ENOBUFS", "EINVAL"),
    "ioctl": ("ENOTTY", "EINVAL"),
    "listen": ("EADDRINUSE",),
    "lseek": ("ESPIPE",),
    "madvise": ("EINVAL",),
    "mkdir": ("EROFS", "ENOSPC"),
    "mmap": ("ENOMEM", "EPERM"),
    "mprotect": ("ENOMEM",),
    "openat": ("EMFILE", "EACCES", "ENOENT", "ENOMEM"),
    "poll": ("EINTR", "ENOMEM"),
    "prctl": ("EPERM", "EINVAL"),
    "read": ("EIO",),
    "recvmsg": ("ENOMEM", "ENOBUFS"),
    "rt_sigaction": ("EINVAL",),
    "rt_sigprocmask": ("EINVAL",),
    "sched_getaffinity": ("EINVAL",),
    "sched_setaffinity": ("EINVAL", "EPERM"),
    "sendto": ("ENOBUFS",),
    "setresuid": ("EPERM", "EAGAIN"),
    "setsockopt": ("ENOMEM", "EPERM", "EINVAL"),
    "signalfd4": ("EMFILE", "ENODEV"),
    "socket": ("EMFILE", "EPERM", "EAFNOSUPPORT"),
    "timerfd_create": ("EMFILE", "EINVAL"),
    "unlink": ("EROFS", "EACCES"),
}
_ANY = ("EPERM", "ENOMEM")

# strace lets a call fail by giving it a number that there is not, for which the filter would end tcpeek.
# That the filter itself cannot be had or loaded is tried by tests/engine/process/sandbox_life_test.cc.
UNFILTERED = (*OPTIONS, "--no-seccomp")

# They cannot fail, so nobody looks (or libc aborts): an error would be strace's and not the kernel's.
# brk() answers with the old end of the heap instead; test_start_memory refuses that memory. A write() of the
# main thread has the number of one by which a reader tells of its report, and that one cannot fail;
# test_output_lost.py has output that fails.
_CANNOT_FAIL = frozenset(
    ("brk", "exit", "exit_group", "futex", "getegid", "geteuid", "getgid", "getpid", "gettid", "getuid",
     "munmap", "restart_syscall", "rseq", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "set_robust_list",
     "umask", "write")
)  # fmt: skip

# A start that fails to drop privileges must not continue.
_RIGHTS = frozenset(("capset", "setgroups", "setresgid", "setresuid", "setuid", "setgid"))


def setUpModule() -> None:
    needs("strace")
    lab.require()


@dataclass(frozen=True)
class Call:
    """The `number`-th call of this name by its thread; strace counts so, too."""

    name: str
    number: int
    text: str

    @property
    def errors(self) -> Sequence[str]:
        return _ERRORS.get(self.name, _ANY)


class Recorded:
    """The calls of a recorded start from main() to the reactor's first turn, of all threads.

    strace lets the n-th call of a name fail in every thread. A reader's n-th that main() or the
    loader has an n-th of, too, cannot be reached: it is counted as `hidden`.
    """

    def __init__(self, trace: str) -> None:
        self.hidden = 0
        self._counts: collections.Counter[tuple[str, str]] = collections.Counter()
        self._found: dict[tuple[str, int], Call | None] = {}  # None: the loader's
        self._cannot_fail: set[str] = set()
        in_main = False
        for line in trace.splitlines():
            if REACTOR_TURNS.search(line):
                break
            in_main = in_main or FIRST_OF_MAIN.search(line) is not None
            match = CALL.match(line)
            if match is not None:
                self._add(match["task"], match["name"], match["rest"], in_main)
        else:
            raise AssertionError("the reactor never began")
        self.calls = [call for call in self._found.values() if call is not None]

    def _add(self, task: str, name: str, rest: str, in_main: bool) -> None:
        self._counts[task, name] += 1
        self._note_descriptors(name, rest)
        if name in _CANNOT_FAIL or f"{name}({rest}".startswith(tuple(self._cannot_fail)):
            return
        key = (name, self._counts[task, name])
        self.hidden += key in self._found
        self._found.setdefault(key, Call(*key, rest) if in_main else None)

    def _note_descriptors(self, name: str, rest: str) -> None:
        """Calls on these descriptors that do not fail."""
        if name == "eventfd2":
            made = rest.rsplit(" ", 1)[1]
            self._cannot_fail.add(f'write({made}, "\\1')  # the counter is never full


def chosen(calls: Sequence[Call]) -> Iterator[tuple[Call, str]]:
    """All calls with all their errors, or the first and last of each name with the likeliest."""
    if live.FULL:
        yield from ((call, error) for call in calls for error in call.errors)
        return
    for _, same in itertools.groupby(sorted(calls, key=lambda call: call.name), key=lambda call: call.name):
        ordered = sorted(same, key=lambda call: call.number)
        yield from ((call, call.errors[0]) for call in dict.fromkeys((ordered[0], ordered[-1])))


@unittest.skipIf(sanitized(), "a sanitizer makes calls of its own, and does not expect them to fail")
class EachCall(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        open_folder(self.network)
        self.trace = pathlib.Path(f"{self.network.folder}.trace")
        self.addCleanup(self.trace.unlink)

    def strace(self, *options: str) -> list[str]:
        return ["strace", "-f", "-qq", "-o", str(self.trace), *options]

    def record(self) -> tuple[Recorded, Rights]:
        with trial(self.network, UNFILTERED, launcher=self.strace()) as one:
            self.assertTrue(one.ready(ANSWER), one.said())
            rights = one.rights()
            one.check_end()
        self.assertEqual(len(rights), 1, "threads differ")
        return Recorded(self.trace.read_text(encoding="utf-8")), rights

    def start(self, call: Call, error: str, rights: Rights) -> str:
        """Starts with this call failing; what became of that, in a word or more."""
        inject = f"inject={call.name}:error={error}:when={call.number}"
        launcher = self.strace("-e", f"trace={call.name}", "-e", inject)
        with trial(self.network, UNFILTERED, launcher=launcher) as one:
            ready = one.ready(ANSWER)
            became = "went on" if ready else one.check_refusal()
            if ready:
                self.assertEqual(one.rights(), rights)
                one.check_end()
            one.check_nothing_left()
        if "(INJECTED)" not in self.trace.read_text(encoding="utf-8"):
            return "was not made"
        if ready:
            self.assertNotIn(call.name, _RIGHTS)
        return became

    def test_each_call(self) -> None:
        recorded, rights = self.record()
        calls = recorded.calls
        became: collections.Counter[str] = collections.Counter()
        for call, error in chosen(calls):
            with self.subTest(call=call.name, number=call.number, error=error, text=call.text[:60]):
                what = self.start(call, error, rights)
                became[what if what in ("went on", "was not made") else "refused"] += 1
                if live.FULL:
                    print(f"  {call.name}({call.text[:48]:48} {error:12} {what}", flush=True)
        live.told(
            f"system calls from main() to the reactor's first turn that can fail: {len(calls)} "
            f"({len({call.name for call in calls})} names); made to fail: {sum(became.values())}; "
            f"refused with one line: {became['refused']}; went on with the same rights: {became['went on']}; "
            f"not made again: {became['was not made']}; out of reach: {recorded.hidden}"
        )
        self.assertGreater(became["refused"], became["was not made"])


if __name__ == "__main__":
    unittest.main()
