"""Malformed and fragmented frames at full rate while attempts are open: no crash, every packet has its
reason, and the attempts complete as if nothing had been."""

from __future__ import annotations

import random
import time
import unittest

import live

import garbage
import lab
from attacked import Attacked
from burst import Burst, blast
from conversation import POSITIONS, Conversation
from monitor import difference
from steady import steady

setUpModule = lab.require

FRAMES = 1_000_000 if live.FULL else 50_000
ATTEMPTS_EACH = 25  # by position
PIECE = 25_000
SEED = 20261123


class Garbage(Attacked):
    def setUp(self) -> None:
        super().setUp()
        self.talks = [Conversation(self.wire, position) for position in POSITIONS for _ in range(ATTEMPTS_EACH)]
        for talk in self.talks:
            talk.syn()
            talk.synack()
        self.before = self.monitor.wait_delivered(self.wire.sent)

    def complete(self) -> int:
        """Of the open attempts, those that complete when their last segment comes."""
        before = self.monitor.stats()
        for talk in self.talks:
            talk.ack()
        after = self.monitor.wait_delivered(before.packets("delivered") + len(self.talks))
        after.check_accounting()
        moved = difference(after.totals, before.totals)
        self.assertEqual(moved, {"pending": -len(self.talks), "success": len(self.talks),
                                 "timed_handshakes": len(self.talks)})  # fmt: skip
        return moved["success"]

    def test_mutated_captures(self) -> None:
        dice = random.Random(SEED)
        originals = garbage.captured()
        self.assertGreater(len(originals), 1000)
        sent, seconds = 0, 0.0
        while sent < FRAMES:
            piece = Burst(list(garbage.mutated(originals, min(PIECE, FRAMES - sent), dice)))
            start = time.monotonic()
            sent += piece.send(self.raw)
            seconds += time.monotonic() - start
            after = steady(self.monitor)
        after.check_accounting()
        ignored = difference(after.ignored, self.before.ignored)
        live.told(
            f"{sent} mutated frames at {sent / seconds:,.0f}/s: {after.packets('seen') - self.before.packets('seen')} "
            f"passed the kernel filter, {after.packets('dropped')} dropped, "
            f"{after.packets('used') - self.before.packets('used')} used, ignored as {ignored}"
        )
        self.assertEqual(after.packets("dropped"), 0)
        self.assertGreater(sum(ignored.values()), 0)
        live.told(f"{self.complete()} of {len(self.talks)} attempts open meanwhile completed normally")

    def test_fragments_of_live_connections(self) -> None:
        sent = blast(self.raw, (frame for talk in self.talks for frame in garbage.fragments(talk)))
        after = steady(self.monitor)
        after.check_accounting()
        seen = after.packets("seen") - self.before.packets("seen")
        live.told(
            f"{sent} fragments of open attempts, {seen} passed the kernel filter: ignored as "
            f"{difference(after.ignored, self.before.ignored)}"
        )
        self.assertGreater(seen, 0)
        self.assertEqual(difference(after.totals, self.before.totals), {})
        self.complete()


if __name__ == "__main__":
    unittest.main()
