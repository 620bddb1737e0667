"""Many frames in few system calls: sendmmsg() by way of ctypes, several hundred thousand a second.

Exact: a frame is sent or an exception says so. A full queue of the link is waited for.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from itertools import islice

import live  # noqa: F401  (the path to tests/live)

import lab

_MESSAGES_A_CALL = 1024  # the kernel's UIO_MAXIOV
_CHUNK = 8 * _MESSAGES_A_CALL

# struct iovec; struct mmsghdr of a message with one iovec and nothing else (64-bit Linux).
_IOVEC = struct.Struct("=QQ")
_MMSGHDR = struct.Struct("=QIxxxxQQQQixxxxIxxxx")

_libc = ctypes.CDLL(None, use_errno=True)


class Burst:
    """Frames laid out in memory, ready to go."""

    def __init__(self, frames: Sequence[bytes]) -> None:
        self._count = len(frames)
        self._content = ctypes.create_string_buffer(b"".join(frames))
        self._iovecs = ctypes.create_string_buffer(_IOVEC.size * self._count)
        self._headers = ctypes.create_string_buffer(_MMSGHDR.size * self._count)
        at = ctypes.addressof(self._content)
        vector = ctypes.addressof(self._iovecs)
        for number, frame in enumerate(frames):
            _IOVEC.pack_into(self._iovecs, number * _IOVEC.size, at, len(frame))
            _MMSGHDR.pack_into(self._headers, number * _MMSGHDR.size, 0, 0, vector, 1, 0, 0, 0, 0)
            at += len(frame)
            vector += _IOVEC.size

    @property
    def content(self) -> memoryview:
        """All frames, one after the other: what is changed here is what is sent next."""
        return memoryview(self._content).cast("B")

    def send(self, sender: socket.socket) -> int:
        """Sends them out of a raw socket; returns how many they were."""
        done = 0
        deadline = time.monotonic() + lab.DEADLINE_S
        while done < self._count:
            first = ctypes.byref(self._headers, done * _MMSGHDR.size)
            most = min(self._count - done, _MESSAGES_A_CALL)
            count = _libc.sendmmsg(sender.fileno(), first, most, 0)
            if count > 0:
                done += count
                continue
            error = ctypes.get_errno()
            if error not in (errno.ENOBUFS, errno.EAGAIN, errno.EINTR) or time.monotonic() > deadline:
                raise OSError(error, f"sendmmsg: {os.strerror(error)}")
            time.sleep(0.0001)
        return done


def blast(sender: socket.socket, frames: Iterable[bytes]) -> int:
    """Sends frames as they come, some thousand at a time."""
    source = iter(frames)
    sent = 0
    while chunk := list(islice(source, _CHUNK)):
        sent += Burst(chunk).send(sender)
    return sent
