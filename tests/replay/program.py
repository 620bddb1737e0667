"""tcpeek -r run by the replay tests: its counts read back, and files for it to read."""

import os
import re
import subprocess
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path

TCPEEK = os.environ["TCPEEK"]
DEADLINE_S = 60


def replay(*options: str, stdin: bytes | None = None) -> subprocess.CompletedProcess[str]:
    # A table as small as the captures: a large one takes its time to make, most of all under sanitizers.
    command = [TCPEEK, "--max-sessions", "100000", *options]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=DEADLINE_S, check=False)
    return subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def summary(text: str) -> str:
    """The summary alone: what is printed before it names files and readers."""
    return text[text.index("========== TCPEEK SUMMARY") :].split("\ntcpeek:")[0].strip()


def counts(text: str, name: str) -> dict[str, int]:
    """The numbers of one filter's block."""
    found = re.search(rf"\n {name}\n(.*?)\n-----", summary(text), re.DOTALL)
    assert found, text
    return {
        label.strip(): int(number)
        for label, number in re.findall(r"^ +(\S[^:]*): *(\d+)", found.group(1), re.MULTILINE)
    }


def packet_counts(text: str) -> tuple[int, int, int]:
    """recv, used, ignored in all."""
    block = summary(text).split("pcap stats")[1]
    ignored = sum(int(n) for n in re.findall(r"ignored: (\d+)", block))
    numbers = [int(n) for n in re.findall(r"(?:recv|used) +: (\d+)", block)]
    return numbers[0], numbers[1], ignored


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def has(path: Path, words: bytes) -> bool:
    return words in path.read_bytes()


def catches(pid: int, number: int) -> bool:
    """Whether the process holds this signal back, to read it when it wants to."""
    status = Path(f"/proc/{pid}/status").read_text()
    blocked = re.search(r"^SigBlk:\s*(\S+)", status, re.MULTILINE)
    return blocked is not None and int(blocked.group(1), 16) >> (number - 1) & 1 == 1


class Files(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)
