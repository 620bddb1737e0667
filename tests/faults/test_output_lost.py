"""Nobody takes what tcpeek prints: full disks, closed descriptors, pipes that nobody reads or has left."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import time
import unittest

import live  # noqa: F401  (the path to tests/live)
from outputs import ATTEMPTS, CLOSING_S, FLUSH_S, JSON, OPTIONS, OutputCase, in_mounts, in_shell
from trial import Trial

import lab
from monitor import Stats

setUpModule = lab.require

FIRST_LINES = 4
FILE_LIMIT = 2048  # bytes, more than the first lines and less than all


def _full_pipe() -> tuple[int, int]:
    """Its ends; to write blocks."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 65536)
    os.set_blocking(writer, True)
    return reader, writer


class Disk(OutputCase):
    def test_standard_error_on_a_full_disk(self) -> None:
        file = self.full_disk()
        stats = self.check("live lines to a full disk", self.start(stderr=file))
        self.assertGreater(stats.json["server"]["lines_lost"], ATTEMPTS / 2)
        self.assertLessEqual(os.fstat(file.fileno()).st_size, 16 << 10)

    def test_json_lines_on_a_full_disk(self) -> None:
        stats = self.check("JSON lines to a full disk", self.start(JSON, stdout=self.full_disk()))
        self.assertGreater(stats.json["server"]["lines_lost"], ATTEMPTS / 2)

    def test_lines_are_whole_once_there_is_room_again(self) -> None:
        """What did not fit is missing in whole lines, but for the one that was cut."""
        file = self.full_disk()
        one = self.start(stderr=file)
        self.attempts(one)

        def all_told() -> bool:
            written = pathlib.Path(file.name).read_bytes().count(b"\n")
            lost = int(Stats(one.ask()).json["server"]["lines_lost"])
            return written + lost >= ATTEMPTS + FIRST_LINES

        lab.wait_for(all_told, "every line is written or lost")
        # Room is made as a log rotation does: by cutting the file.
        os.ftruncate(file.fileno(), 0)
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        self.attempts(one, before=ATTEMPTS, count=10)
        self.assertEqual(one.end(), 0)
        with open(file.name, encoding="utf-8") as after:
            lines = after.read().splitlines()
        self.assertGreaterEqual(sum("failure (reject)" in line for line in lines), 10)
        self.assertTrue(any("TCPEEK SUMMARY" in line for line in lines))

    def test_limit_of_a_file(self) -> None:
        """ulimit -f, LimitFSIZE=: what is written beyond it is lost, and nothing else."""
        one = self.start(launcher=("prlimit", f"--fsize={FILE_LIMIT}"))
        stats = self.check("live lines to a file at its limit", one)
        self.assertGreater(stats.json["server"]["lines_lost"], ATTEMPTS / 2)
        self.assertLessEqual(len(one.said()), FILE_LIMIT)

    def test_device_full(self) -> None:
        with open("/dev/full", "wb", buffering=0) as full:
            self.check("everything to /dev/full", self.start(JSON, stdout=full, stderr=full))


class Closed(OutputCase):
    def test_each_and_all(self) -> None:
        for closing in ("2>&-", "1>&-", "0<&-", "0<&- 1>&- 2>&-"):
            for options in (OPTIONS, JSON):
                with self.subTest(closing, options=options):
                    words = f"{closing} {'JSON' if options == JSON else 'text'}"
                    self.check(words, self.start(options, launcher=in_shell(f"exec {closing}")))

    def test_without_dev(self) -> None:
        """Closed, and there is no /dev/null to put in their place."""
        launcher = in_mounts("mount -t tmpfs none /dev\nexec 0<&- 1>&- 2>&-")
        self.check("all closed and no /dev", self.start(launcher=launcher))

    def test_refusal_with_standard_error_closed(self) -> None:
        """Nothing that it opened is written to instead; the status tells."""
        for options in (("-i", "nosuch0"), ("-t", "0")):
            done = subprocess.run(
                [*in_shell("exec 2>&-"), str(lab.binary()), *options], capture_output=True, check=False, timeout=lab.DEADLINE_S
            )
            self.assertIn(done.returncode, (1, 2))
            self.assertEqual((done.stdout, done.stderr), (b"", b""))


class Pipes(OutputCase):
    def test_nobody_reads(self) -> None:
        """The pipe is full. At the end tcpeek waits a while for somebody to read the summary."""
        for name, options in (("live lines", OPTIONS), ("JSON lines", JSON)):
            with self.subTest(name):
                reader, writer = os.pipe()
                self.addCleanup(os.close, reader)
                with os.fdopen(writer, "wb") as end:
                    one = self.start(options, stdout=end, stderr=end)
                self.check(f"{name} to a pipe nobody reads", one, ends_within_s=FLUSH_S + CLOSING_S)

    def test_full_before_it_starts(self) -> None:
        """Not even the first line fits."""
        reader, writer = _full_pipe()
        self.addCleanup(os.close, reader)
        with os.fdopen(writer, "wb") as end:
            one = self.start(stderr=end)
        self.check("everything to a pipe full from the start", one, ends_within_s=FLUSH_S + CLOSING_S)

    def test_refusal_into_a_full_pipe(self) -> None:
        """What cannot be said does not hold up the end."""
        reader, writer = _full_pipe()
        self.addCleanup(os.close, reader)
        with os.fdopen(writer, "wb") as end:
            one = Trial(self.network, ("-i", "nosuch0"), stderr=end)
        self.addCleanup(one.close)
        self.assertFalse(one.ready())
        self.assertEqual(one.process.returncode, 1)
        self.assertLess(time.monotonic() - one.began, FLUSH_S + CLOSING_S)

    def test_reader_has_left(self) -> None:
        """Before the start, and while running: a service goes on."""
        for when in ("before", "meanwhile"):
            with self.subTest(when):
                reader, writer = os.pipe()
                if when == "before":
                    os.close(reader)
                with os.fdopen(writer, "wb") as end:
                    one = self.start(JSON, stdout=end, stderr=end, environment={"INVOCATION_ID": "1"})
                if when == "meanwhile":
                    os.close(reader)
                self.check(f"reader gone {when}", one)


class Asked(unittest.TestCase):
    def test_help_that_cannot_be_written(self) -> None:
        for option in ("--help", "--version"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run(
                    [str(lab.binary()), option], stdout=full, stderr=subprocess.PIPE, check=False, timeout=lab.DEADLINE_S
                )
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, rb"^tcpeek: cannot write to standard output: No space left on device\n$")


if __name__ == "__main__":
    unittest.main()
