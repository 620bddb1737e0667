"""scripts/demo: what it shows, and that nothing of it stays, however it ends."""

from __future__ import annotations

import functools
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "live"))

import lab
import stacks

DEMO = lab.ROOT / "scripts" / "demo"
SHOWN_S = 180.0


def setUpModule() -> None:
    lab.require(stacks.probe_nft)


class Demo:
    """One that runs without a terminal; its files lie in a folder of ours."""

    def __init__(self, folder: pathlib.Path, seconds: int) -> None:
        self._folder = folder
        environment = {**os.environ, "TCPEEK": str(lab.binary()), "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen([DEMO, "--seconds", str(seconds)], env=environment, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip

    def pane(self, number: int) -> str:
        """What is on the screen, and above it."""
        for server in self._folder.glob("tcpeek-demo-*/tmux"):
            words = ["tmux", "-S", str(server), "capture-pane", "-p", "-S", "-1000", "-t", f"0.{number}"]
            return subprocess.run(words, capture_output=True, text=True, check=False).stdout
        return ""

    def shows(self, pane: int, pattern: str) -> bool:
        return re.search(pattern, self.pane(pane), re.M) is not None

    def wait_for(self, pane: int, *patterns: str) -> None:
        for pattern in patterns:
            try:
                lab.wait_for(functools.partial(self.shows, pane, pattern), pattern, SHOWN_S)
            except AssertionError as error:
                raise AssertionError(f"{error}; there is:\n{self.pane(pane)}") from error

    def end(self, number: signal.Signals | None = None) -> int:
        if number is not None:
            self.process.send_signal(number)
        self.process.communicate(timeout=SHOWN_S)
        return self.process.returncode


class DemoTest(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="tcpeek-test-")))

    def start(self, seconds: int) -> Demo:
        demo = Demo(self.folder, seconds)
        self.addCleanup(demo.process.stdout.close)  # type: ignore[union-attr]
        self.addCleanup(demo.process.kill)
        return demo

    def left_over(self, demo: Demo) -> list[str]:
        """Files, namespaces and processes of it."""
        found = [str(path) for path in self.folder.iterdir()]
        prefix = f"tcpeek-{demo.process.pid}-"
        found += [name for name in lab.run("ip", "netns", "list").split() if name.startswith(prefix)]
        for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:  # it has ended meanwhile
                continue
            if str(self.folder).encode() in words:
                found.append(words.replace(b"\0", b" ").decode(errors="replace"))
        return found

    def assert_nothing_stays(self, demo: Demo) -> None:
        try:
            lab.wait_for(lambda: not self.left_over(demo), "all of the demo is gone")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.left_over(demo)}") from error

    def test_both_are_side_by_side_and_show_what_happens(self) -> None:
        demo = self.start(600)
        demo.wait_for(0, r":80 +\| +success\b", r":81 +\| +reject: refused", r":443 .*success \(2nd SYN\)",
                      r"203\.0\.113\.7:80 +\| +unreach: host", r"10\.77\.0\.99:80 +\| *timeout: no_answer")  # fmt: skip
        demo.wait_for(1, r"^\d\d:\d\d:\d\d tcpeek ", r"The accept queue of 10\.77\.0\.2:5432 is full",
                      r"Nobody listens on 10\.77\.0\.1:81", r"! 203\.0\.113\.7:80 ")  # fmt: skip
        self.assertEqual(demo.end(signal.SIGINT), 128 + signal.SIGINT)
        self.assert_nothing_stays(demo)

    def test_it_ends_by_itself(self) -> None:
        demo = self.start(2)
        self.assertEqual(demo.end(), 0)
        self.assert_nothing_stays(demo)

    def test_nothing_stays_when_it_is_killed(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number.name):
                demo = self.start(600)
                demo.wait_for(1, r"^\d\d:\d\d:\d\d tcpeek ")
                status = demo.end(number)
                self.assertEqual(status, -9 if number == signal.SIGKILL else 128 + number)
                self.assert_nothing_stays(demo)

    def test_without_a_terminal_it_wants_to_know_how_long(self) -> None:
        for words, said in (((), "--seconds N runs without one"), (("--seconds", "soon"), "a number from 1"),
                            (("--seconds",), "a number from 1"), (("--seconds", "1", "2"), "nothing else")):  # fmt: skip
            with self.subTest(words):
                done = subprocess.run([DEMO, *words], capture_output=True, text=True, check=False, timeout=SHOWN_S)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main()
