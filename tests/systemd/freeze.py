"""Stops a single thread of another process, as if it hung, by ptrace(2).

Not by SIGSTOP, which stops all threads: the others are to go on.
"""

from __future__ import annotations

import ctypes
import os
import signal

PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207
WALL = 0x40000000  # __WALL: also threads, which are no children

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request: int, thread: int) -> None:
    if _libc.ptrace(request, thread, None, None) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace({request:#x}, {thread}): {os.strerror(error)}")


class Frozen:
    """The thread stands still until it is killed. Made, asked and used by one thread of ours."""

    def __init__(self, thread: int) -> None:
        self._thread = thread
        _ptrace(PTRACE_SEIZE, thread)
        _ptrace(PTRACE_INTERRUPT, thread)
        _, status = os.waitpid(thread, WALL)
        assert os.WIFSTOPPED(status), f"thread {thread} did not stop: {status:#x}"

    def killed(self) -> signal.Signals | None:
        """The signal that ended it; None as long as it stands."""
        pid, status = os.waitpid(self._thread, WALL | os.WNOHANG)
        if pid == 0:
            return None
        assert os.WIFSIGNALED(status), f"thread {self._thread} did something else: {status:#x}"
        return signal.Signals(os.WTERMSIG(status))
