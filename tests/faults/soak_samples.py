"""What a soak looks at each second, and what of it says whether something grew."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field

from process import Process
from soak_load import PHASE_S

# What is needed only once (pages, buffers, room for events) is there by then: one of each phase has been, and a
# quarter of the time.
SETTLED_AFTER_S, SETTLED_AFTER = 2 * PHASE_S, 0.25
# What a client holds for a moment, as the body of a RELOAD, is not growth: so the least of some seconds counts.
WINDOW = 10


@dataclass
class Samples:
    """What is looked at each second."""

    seconds: list[float] = field(default_factory=list)
    resident_kib: list[float] = field(default_factory=list)
    answered_s: list[float] = field(default_factory=list)

    def take(self, pid: int, answered_s: float, since: float) -> None:
        self.seconds.append(time.monotonic() - since)
        self.resident_kib.append(Process(pid).resident_kib())
        self.answered_s.append(answered_s)

    def settled_s(self) -> float:
        return max(SETTLED_AFTER_S, SETTLED_AFTER * self.seconds[-1])

    def _settled(self) -> int:
        """The first sample when all had settled."""
        return next((at for at, second in enumerate(self.seconds) if second >= self.settled_s()), 0)

    def slope_an_hour(self) -> float:
        first = self._settled()
        return 3600 * statistics.linear_regression(self.seconds[first:], self.resident_kib[first:]).slope

    def ends_kib(self) -> tuple[float, float]:
        """When all had settled, and at the end."""
        first = self._settled()
        return min(self.resident_kib[first : first + WINDOW]), min(self.resident_kib[-WINDOW:])


@dataclass(frozen=True)
class AtRest:
    """What the process has while nobody asks."""

    descriptors: int
    threads: int

    @staticmethod
    def of(pid: int) -> AtRest:
        process = Process(pid)
        return AtRest(process.descriptors(), process.threads())

    def no_more_than(self, other: AtRest) -> bool:
        return self.descriptors <= other.descriptors and self.threads <= other.threads
