"""A stand-in for tcpeek's socket that can also misbehave."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DEADLINE_S = 60.0


def filter_element(name: str, base: int, refresh: bool = False) -> dict[str, Any]:
    failure = {"total": base + 3, "timeout": base + 4, "reject": base + 5}
    if not refresh:
        failure["unreach"] = base + 6
    return {name: {"success": {"total": base, "dupsyn": base + 1, "dupsynack": base + 2},
                   "failure": failure}}


def listen(server: socket.socket, user: int | None) -> None:
    """As this user, which SO_PEERCRED tells the clients."""
    before = os.geteuid()
    if user is not None:
        os.seteuid(user)
    try:
        server.listen()
    finally:
        os.seteuid(before)


Replies = Mapping[str, bytes]  # by word or whole request


class FakeTcpeek:
    """Answers each client with `reply`; then closes, or holds the connection until stopped. Of several replies it
    gives that to the request, or to its first word, or as tcpeek does that to GET."""

    def __init__(self, path: Path, reply: bytes | Replies, hold: bool = False, pieces: int = 1,
                 listener: int | None = None) -> None:
        self.request = b""  # of all clients, one after the other
        self._replies = {"GET": reply} if isinstance(reply, bytes) else dict(reply)
        self._next_replies: Replies = {}
        self._hold = hold
        self._pieces = pieces
        self._stop = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        listen(self._listener, listener)
        self._listener.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(DEADLINE_S)
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            with client:
                self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        client.settimeout(DEADLINE_S)
        request = b""
        while not request.endswith(b"\n"):
            piece = client.recv(4096)
            if not piece:
                return
            request += piece
            self.request += piece
        reply = self._reply_to(request.decode().strip())
        self._replies.update(self._next_replies)
        size = max(1, -(-len(reply) // self._pieces))
        try:
            for start in range(0, len(reply), size):
                client.sendall(reply[start:start + size])
        except OSError:  # a client that refuses an endless reply leaves
            return
        if self._hold:
            self._stop.wait(DEADLINE_S)

    def _reply_to(self, request: str) -> bytes:
        return self._replies.get(request) or self._replies.get(request.partition(" ")[0]) or self._replies["GET"]

    def then_says(self, **replies: bytes) -> None:
        """From the second request on."""
        self._next_replies = replies

    def now_says(self, **replies: bytes) -> None:
        self._replies.update(replies)
