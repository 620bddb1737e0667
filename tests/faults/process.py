"""What a process holds and uses, from /proc."""

from __future__ import annotations

import pathlib
import re


class Process:
    def __init__(self, pid: int) -> None:
        self._folder = pathlib.Path("/proc", str(pid))

    def descriptors(self) -> int:
        return len(list((self._folder / "fd").iterdir()))

    def threads(self) -> int:
        return len(list((self._folder / "task").iterdir()))

    def resident_kib(self) -> int:
        for line in (self._folder / "status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def blocked_signals(self) -> int:
        """Those that its first thread holds back, as bits; none once it has ended."""
        try:
            status = (self._folder / "status").read_text(encoding="ascii")
        except OSError:
            return 0
        found = re.search(r"^SigBlk:\s*(\S+)", status, re.MULTILINE)
        return int(found.group(1), 16) if found else 0

    def wakeups(self) -> int:
        """How often its threads went to sleep, so far."""
        texts = [path.read_text(encoding="ascii") for path in self._folder.glob("task/*/status")]
        return sum(int(re.findall(r"^voluntary_ctxt_switches:\s*(\d+)", text, re.MULTILINE)[0]) for text in texts)

    def cpu_s(self) -> float:
        """Of all its threads."""
        texts = [path.read_text(encoding="ascii") for path in self._folder.glob("task/*/schedstat")]
        return sum(int(text.split()[0]) for text in texts) / 1e9
