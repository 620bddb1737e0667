"""Limits on open files, on memory and on tasks at the start: each refusal names the limit or the way out."""

from __future__ import annotations

import re
import subprocess
import unittest
from collections.abc import Sequence
from pathlib import Path

import live
from trial import open_folder, sanitized, trial

import lab

setUpModule = lab.require

OPTIONS = ("-B", "1", "--max-sessions", "4096", "--threads", "2")
MIB = 1 << 20
SMALLEST = 16 * MIB
_SHADOW = "a sanitizer reserves more address space than any limit"
# What the loader needs before main(): below it nothing of ours runs.
LOADER_S_OWN = re.compile(r"error while loading shared libraries|cannot open shared object")


class Limits(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(lab.Lab())
        open_folder(self.network)

    def refusal(self, limit: Sequence[str], options: Sequence[str] = OPTIONS) -> str | None:
        """What it says under this limit, at the start or at the end; None if it was ready and ended well."""
        with trial(self.network, options, launcher=("prlimit", *limit)) as one:
            if one.ready(b"GET") and one.end() == 0:
                said = None
            elif LOADER_S_OWN.search(one.said()):
                said = ""
            else:
                said = one.check_refusal()
            one.check_nothing_left()
            return said

    def test_open_files(self) -> None:
        """From none at all to enough; -u, as it reads files on the way."""
        for options in (OPTIONS, (*OPTIONS, "-u", "nobody")):
            refused = 0
            for limit in range(3, 96, 1 if live.FULL else 6):
                said = self.refusal((f"--nofile={limit}",), options)
                if said is None:
                    break
                if said:
                    refused += 1
                    self.assertIn(f"the limit on open files is {limit}", said)
            else:
                self.fail(f"not ready with {limit} open files")
            self.assertIsNone(self.refusal((f"--nofile=20:{limit}",), options), "the soft limit is raised")
            live.told(f"RLIMIT_NOFILE: {refused} times refused naming it; enough: {limit} ({options[-1]})")
            self.assertGreater(refused, 5)

    @unittest.skipIf(sanitized(), _SHADOW)
    def test_memory_for_the_table(self) -> None:
        options = ("-B", "1", "--max-sessions", "20000000", "--threads", "2")
        said = self.refusal((f"--as={400 * MIB}",), options)
        self.assertRegex(str(said), "--max-sessions")

    @unittest.skipIf(sanitized(), _SHADOW)
    def test_memory_for_the_rings(self) -> None:
        options = ("-B", "300", "--max-sessions", "4096", "--threads", "2")
        said = self.refusal((f"--as={400 * MIB}",), options)
        self.assertRegex(str(said), "-B")

    @unittest.skipIf(sanitized(), _SHADOW)
    def test_memory_of_all_sizes(self) -> None:
        """From hardly enough to load the program to enough to run it. Below that the C++ library has no
        reserve to throw an exception from."""
        step = MIB // 4 if live.FULL else 2 * MIB
        ready = refused = 0
        for size in range(SMALLEST, 192 * MIB, step):
            with self.subTest(size=size):
                said = self.refusal((f"--as={size}",))
                ready += said is None
                refused += bool(said)
            if ready == 3:
                break
        live.told(
            f"RLIMIT_AS from {SMALLEST // MIB} MiB in steps of {step // 1024} KiB: refused {refused} times, "
            f"then ready; three times at {size // MIB} MiB"
        )
        self.assertEqual(ready, 3)
        self.assertGreater(refused, 1)

    def test_tasks(self) -> None:
        """RLIMIT_NPROC of a user without the privilege to go over it."""
        user = ("--reuid=65533", "--clear-groups", "--inh-caps=+net_raw", "--ambient-caps=+net_raw")
        said = self.refusal(("--nproc=1", "setpriv", *user))
        self.assertRegex(str(said), "thread of reader.*(ulimit -u|TasksMax)")

    def test_tasks_of_a_replay(self) -> None:
        capture = Path(__file__).parents[1] / "captures" / "zeek__ipv6.pcap"
        command = ["prlimit", "--nproc=1", "setpriv", "--reuid=65533", "--clear-groups",
                   str(lab.binary()), "-q", "--threads", "3", "-r", "/dev/stdin"]
        with open(capture, "rb") as stdin:
            done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^tcpeek: cannot start 3 threads: .*(ulimit -u|TasksMax)[^\n]*\n$")


if __name__ == "__main__":
    unittest.main()
