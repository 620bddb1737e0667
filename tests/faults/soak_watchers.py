"""Sixteen watchers for a soak, as many as there can be: some of everything, one of them slow, one that leaves and
resumes again and again, and some of a filter or of a kind. Each checks every number that it is sent."""

from __future__ import annotations

import json
import pathlib
import re
import selectors
import socket
import time
from dataclasses import dataclass

import live  # noqa: F401  (the path to tests/live)

import lab
from companion import Ending

# Most lines by far; any other way to write one is read as JSON.
_OUTCOME = re.compile(rb'\{"event":"outcome","boot":"([0-9a-f]{16})","seq":(\d+),')
_CHUNK = 1 << 18
_SLOW_BYTES, _SLOW_PAUSE_S = 8192, 0.1  # far less than comes
_STAYS_S, _AWAY_S = 5.0, 1.0
_CATCHING_UP_S = 120.0  # with all that is kept, in a debug build


@dataclass
class Told:
    """What a watcher was told; of those of a filter or a kind, `missed` are numbers of any events."""

    words: str
    lines: int = 0
    outcomes: int = 0
    changes: int = 0
    gaps: int = 0
    missed: int = 0
    queue_full: int = 0  # outcomes that nobody could be told
    capture: int = 0  # packets
    resumed: int = 0
    first: int = 0
    last: int = 0


class Stream:
    """One watcher."""

    def __init__(self, path: pathlib.Path, words: str) -> None:
        self._path = path
        self._whole = words == ""
        self._rest = b""
        self._boot = b""
        self.told = Told(words)
        self._next = 0
        self.socket = self._open(words)
        self.told.first = self._next

    def _open(self, words: str) -> socket.socket:
        """Waits for a place: who has just left may still have it."""
        deadline = time.monotonic() + lab.DEADLINE_S
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(self._path))
            client.settimeout(lab.DEADLINE_S)
            client.sendall(f"WATCH {words}\n".encode())
            self._rest = b""
            while b"\n" not in self._rest and (chunk := client.recv(_CHUNK)):
                self._rest += chunk
            if b'"error"' not in self._rest.split(b"\n")[0]:
                break
            client.close()
            if time.monotonic() > deadline:
                raise AssertionError(f"WATCH {words}: {self._rest!r}")
            time.sleep(0.02)
        self._feed(b"")
        return client

    @property
    def last(self) -> int:
        """All events up to this one are known about."""
        return self._next - 1

    def leave(self) -> None:
        self.socket.close()

    def resume(self) -> None:
        self.told.resumed += 1
        self.socket = self._open(f"{self.told.words} from={self._next}")

    def read(self, most: int = _CHUNK) -> None:
        """What there is."""
        self.socket.setblocking(False)
        try:
            chunk = self.socket.recv(most)
        except BlockingIOError:
            return
        if not chunk:
            raise AssertionError(f"WATCH {self.told.words}: the stream ended at {self.last}")
        self._feed(chunk)

    def _feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._take(line)
        self.told.last = self.last

    def _take(self, line: bytes) -> None:
        self.told.lines += 1
        if outcome := _OUTCOME.match(line):
            self._take_event(outcome[1], int(outcome[2]))
            self.told.outcomes += 1
            return
        read = json.loads(line)
        if "at" in read:
            self._take_place(read["boot"].encode(), read["at"])
        elif "event" not in read:
            self._take_gap(read["gap"]["from"], read["gap"]["to"])
        else:
            self._take_event(read["boot"].encode(), read["seq"])
            self.told.changes += read["event"] == "change"
            if read["event"] == "gap":
                assert read["reason"] in ("queue_full", "capture"), read
                setattr(self.told, read["reason"], getattr(self.told, read["reason"]) + read["count"])

    def _take_place(self, boot: bytes, at: int) -> None:
        self._check_boot(boot)
        if self._next:
            expected = at == self.last if self._whole else at >= self.last
            assert expected, f"WATCH {self.told.words}: at {at} after {self.last}"
        self._next = at + 1

    def _take_gap(self, first: int, last: int) -> None:
        expected = first == self._next if self._whole else first >= self._next
        assert expected and last >= first, f"WATCH {self.told.words}: a gap {first} to {last} after {self.last}"
        self.told.gaps += 1
        self.told.missed += last - first + 1
        self._next = last + 1

    def _take_event(self, boot: bytes, seq: int) -> None:
        self._check_boot(boot)
        expected = seq == self._next if self._whole else seq >= self._next
        assert expected, f"WATCH {self.told.words}: event {seq} after {self.last}"
        self._next = seq + 1

    def _check_boot(self, boot: bytes) -> None:
        self._boot = self._boot or boot
        assert boot == self._boot, f"boot {boot!r} after {self._boot!r}"


class Watchers:
    """All of them, in turns on one thread."""

    def __init__(self, path: pathlib.Path, filters: tuple[str, str]) -> None:
        self._path = path
        words = [f"filter={name}" for name in filters for _ in range(4)] + ["result=failure"] * 2 + ["result=change"]
        self._keen = [Stream(path, of) for of in ("", "", "", *words)]
        self._slow = Stream(path, "")
        self._leaver = Stream(path, "")
        self._is_there = True
        self._turns_at = time.monotonic() + _STAYS_S
        self._reads_at = 0.0
        self._selector = selectors.DefaultSelector()
        for stream in self._keen:
            self._selector.register(stream.socket, selectors.EVENT_READ, stream)

    def run(self, ending: Ending) -> list[Told]:
        while not ending.has_come():
            self._read_keen()
            self._read_slow()
            self._come_or_go()
        end = self._how_far_events_are()
        everyone = [*self._keen, self._slow, self._leaver]
        deadline = time.monotonic() + _CATCHING_UP_S
        while late := [stream for stream in everyone if stream.last < end]:
            for stream in late:
                stream.read()
            if time.monotonic() > deadline:
                raise AssertionError(f"not told of event {end}: {[stream.told for stream in late]}")
        for stream in everyone:
            stream.leave()
        return [stream.told for stream in everyone]

    def _read_keen(self) -> None:
        for key, _ in self._selector.select(0.05):
            key.data.read()
        if self._is_there:
            self._leaver.read()

    def _read_slow(self) -> None:
        if time.monotonic() >= self._reads_at:
            self._reads_at = time.monotonic() + _SLOW_PAUSE_S
            self._slow.read(_SLOW_BYTES)

    def _come_or_go(self) -> None:
        if time.monotonic() < self._turns_at:
            return
        if self._is_there:
            self._leaver.leave()
        else:
            self._leaver.resume()
        self._is_there = not self._is_there
        self._turns_at = time.monotonic() + (_STAYS_S if self._is_there else _AWAY_S)

    def _how_far_events_are(self) -> int:
        """In the place of the one that leaves, which resumes afterwards."""
        if self._is_there:
            self._leaver.leave()
        fresh = Stream(self._path, "")
        end = fresh.last
        fresh.leave()
        self._leaver.resume()
        return end
