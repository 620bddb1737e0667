"""Memory is refused at each allocation of a start in turn, or limited as a whole.

The n-th allocation since main() fails alone, or with all that follow, for n = 1, 2, 3... Each start
ends with one clear line and leaves nothing behind, or is ready as if nothing had happened.
"""

from __future__ import annotations

import collections
import mmap
import pathlib
import re
import struct
import unittest

import live
from trial import Rights, open_folder, sanitized, trial

import lab

setUpModule = lab.require

LIBRARY = lab.binary().parent / "tests" / "faults" / "libfail_allocation.so"
# Without filters of system calls: libseccomp 2.5 frees twice what it has no memory for. It does so at the very
# start, before anything is open.
OPTIONS = (
    "-B", "1", "--max-sessions", "4096", "--threads", "2", "-u", "nobody", "web:RX@%:80", "--bpf", "tcp", "--no-seccomp",
)  # fmt: skip
ANSWER = b"GET"  # the JSON library allocates in its destructors: STATS is for when there is memory
STEP = 1 if live.FULL else 29  # a prime: no pattern of the program's meets it
EACH_UNTIL = 10**9 if live.FULL else 8  # every one of the first


_SHARED = 128

# Libraries that crash or exit when they get no memory: libpcap in its lexer, glibc where it reads
# nsswitch.conf. They are asked before anything has been opened or made.
_FRAIL = re.compile(r"libpcap\.so|libc\.so")


class Counter:
    """The memory shared with the library (tests/support/fail_allocation.cc)."""

    def __init__(self, path: pathlib.Path) -> None:
        path.write_bytes(bytes(_SHARED))
        self.environment = {"FAIL_ALLOCATION": str(path)}
        with open(path, "r+b") as file:
            self._words = mmap.mmap(file.fileno(), _SHARED)

    def set(self, failing: int) -> None:
        self._words[:] = struct.pack(f"=qq{_SHARED - 16}x", 0, failing)

    def counted(self) -> int:
        return int(struct.unpack_from("=q", self._words)[0])

    def asked_by(self) -> str:
        """For whom the first one failed: the program or a library, by its file's name."""
        return bytes(self._words[16:]).split(b"\0")[0].decode().rsplit("/", 1)[-1]

    def stop_failing(self) -> None:
        struct.pack_into("=q", self._words, 8, 0)


@unittest.skipIf(sanitized(), "the sanitizer's allocator cannot be replaced")
class EachAllocation(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        open_folder(self.network)
        path = self.network.folder.parent / f"{self.network.folder.name}.words"
        self.addCleanup(path.unlink)
        self.counter = Counter(path)
        self.frail: collections.Counter[str] = collections.Counter()
        self.seen: collections.Counter[str] = collections.Counter()

    def start(self, failing: int) -> tuple[bool, Rights]:
        """Starts with this allocation failing; whether it was ready, and its rights then."""
        self.counter.set(failing)
        # The shell puts the library into tcpeek alone, not into what leads to it.
        launcher = ("env", f"LD_PRELOAD={LIBRARY}")
        with trial(self.network, OPTIONS, launcher=launcher, environment=self.counter.environment) as one:
            ready = one.ready(ANSWER)
            self.counter.stop_failing()
            # The second answer says that the first was not the last thing it did.
            ready = ready and one.ready(ANSWER)
            rights: Rights = frozenset()
            if not ready and one.process.returncode != 1 and _FRAIL.match(self.counter.asked_by()):
                self.frail[self.counter.asked_by()] += 1
            elif ready:
                rights = one.rights()
                one.check_end()
            else:
                self.seen[one.check_refusal()] += 1
            one.check_nothing_left()
            return ready, rights

    def allocations(self) -> tuple[int, Rights]:
        """How many there are until the first answer, counted with none failing."""
        self.counter.set(0)
        launcher = ("env", f"LD_PRELOAD={LIBRARY}")
        with trial(self.network, OPTIONS, launcher=launcher, environment=self.counter.environment) as one:
            self.assertTrue(one.ready(ANSWER), one.said())
            count, rights = self.counter.counted(), one.rights()
            one.check_end()
        return count, rights

    def try_each(self, sign: int) -> None:
        count, expected = self.allocations()
        tried = tolerated = 0
        number = 1
        while number <= count:
            with self.subTest(failing=sign * number):
                ready, rights = self.start(sign * number)
                tried += 1
                if ready:
                    tolerated += 1
                    self.assertEqual(rights, expected)
            number += 1 if number < EACH_UNTIL else STEP
        frail = sum(self.frail.values())
        how = "alone" if sign > 0 else "and all later ones"
        live.told(
            f"allocations from main() to ready: {count}; failed {how}: {tried}; refused with one line: "
            f"{tried - tolerated - frail} ({len(self.seen)} messages); started all the same: {tolerated}; "
            f"ended by a library, nothing being open yet: {frail} {dict(self.frail)}"
        )
        if live.FULL:
            for message, times in self.seen.most_common():
                print(f"  {times:5} {message}")
        self.assertGreater(tried - tolerated - frail, tried / 2)
        self.assertLess(frail, tried / 20)

    def test_alone(self) -> None:
        self.try_each(+1)

    def test_with_all_that_follow(self) -> None:
        self.try_each(-1)


if __name__ == "__main__":
    unittest.main()
