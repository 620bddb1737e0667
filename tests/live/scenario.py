"""A test case that plays each scenario in all four positions at once, under one tcpeek.

One named filter per position (rx4, rx6, tx4, tx6) keeps them apart, so every scenario is checked for
exactly its own counts in RX and TX, for IPv4 and IPv6, and the sums in `RX`, `TX` and the totals.
"""

from __future__ import annotations

import unittest
from collections.abc import Callable, Sequence
from typing import ClassVar

import lab
from conversation import POSITIONS, Conversation, Position
from lab import Lab, Wire
from monitor import Counts, Monitor, Stats, difference

Scenario = Callable[[Conversation], None]


class ScenarioCase(unittest.TestCase):
    """Subclasses give the options of their tcpeek; it lives as long as the class."""

    options: ClassVar[Sequence[str]] = ("--capture", "tcp", "--timeout", "3600")
    network: ClassVar[Lab]
    wire: ClassVar[Wire]
    monitor: ClassVar[Monitor]

    @classmethod
    def setUpClass(cls) -> None:
        cls.network = cls.enterClassContext(Lab())
        cls.wire = cls.network.wire()
        filters = [position.expression for position in POSITIONS]
        cls.monitor = cls.enterClassContext(Monitor(cls.network, *cls.options, *filters))

    def conversation(self, position: Position) -> Conversation:
        return Conversation(self.wire, position)

    def play(
        self,
        scenario: Scenario,
        expected: Counts,
        *,
        reverse: Counts | None = None,
        other: Counts | None = None,
        unused: int | None = None,
        not_captured: int = 0,
        positions: Sequence[Position] = POSITIONS,
    ) -> Stats:
        """Plays the scenario once per position and checks every count.

        `expected` is what it adds to its position's filter, `reverse` to the filter of the exchanged
        roles, `other` to the counts outside the filters, `unused` to the packets ignored, and
        `not_captured` frames never pass the kernel filter.
        """
        plays = [(scenario, position) for position in positions]
        return self.play_each(
            plays, expected, reverse=reverse, other=other, unused=unused, not_captured=not_captured
        )

    def play_each(
        self,
        plays: Sequence[tuple[Scenario, Position]],
        expected: Counts,
        *,
        reverse: Counts | None = None,
        other: Counts | None = None,
        unused: int | None = None,
        not_captured: int = 0,
        wait_ended: bool = False,
    ) -> Stats:
        """Scenarios of which each is to add the same. `wait_ended`: until none of them is pending."""
        before = self.monitor.stats()
        sent_before = self.wire.sent
        for scenario, position in plays:
            scenario(self.conversation(position))
        times = len(plays)
        sent = self.wire.sent - sent_before - not_captured * times
        after = self.monitor.wait_delivered(before.packets("delivered") + sent)
        if wait_ended:
            pending = before.totals["pending"]
            lab.wait_for(lambda: self.monitor.stats().totals["pending"] <= pending, "every attempt has an outcome")
            after = self.monitor.stats()
        self.check(before, after, expected, reverse or {}, [position for _, position in plays])
        wanted = {name: count * times for name, count in (other or {}).items()}
        self.assertEqual(difference(after.other(), before.other()), wanted)
        if unused is not None:
            ignored = difference(after.ignored, before.ignored)
            self.assertEqual(sum(ignored.values()), unused * times, ignored)
        return after

    def check(
        self, before: Stats, after: Stats, expected: Counts, reverse: Counts, positions: Sequence[Position]
    ) -> None:
        after.check_accounting()
        sums: dict[str, Counts] = {"RX": {}, "TX": {}, "totals": {}}
        wanted: dict[str, Counts] = {position.name: {} for position in POSITIONS}
        for position in positions:
            for name, direction, counts in (
                (position.name, position.direction, expected),
                (position.mirrored, "TX" if position.direction == "RX" else "RX", reverse),
            ):
                for target in (wanted[name], sums[direction], sums["totals"]):
                    for word, count in counts.items():
                        target[word] = target.get(word, 0) + count
        seen = {name: difference(counts, before.filters[name]) for name, counts in after.filters.items()}
        seen["totals"] = difference(after.totals, before.totals)
        self.assertEqual(seen, {**wanted, **sums})


SUCCESS: Counts = {"attempts": 1, "success": 1, "timed_handshakes": 1}


def counts(**words: int) -> Counts:
    return words


def plus(base: Counts, **words: int) -> Counts:
    """`base` with these counts added."""
    return {name: base.get(name, 0) + words.get(name, 0) for name in {**base, **words}}
