"""Blind segments at full rate against live attempts: none moves one, and then each completes."""

from __future__ import annotations

import random
import time
import unittest

import live

import lab
from attacked import Attacked
from blind import Guesser, Target
from burst import Burst
from conversation import POSITIONS, Conversation
from monitor import Stats, difference

setUpModule = lab.require

SEGMENTS = 1_000_000 if live.FULL else 50_000
ATTEMPTS_EACH = 50  # by position, half of them answered
PIECE = 45_000  # drawn before it is sent, so that drawing does not slow the sending
SEED = 20261123
REASONS = ("does_not_fit", "blind_rst", "foreign_icmp")


class Blind(Attacked):
    def begin(self, dice: random.Random) -> list[Target]:
        targets = []
        for position in POSITIONS:
            for number in range(ATTEMPTS_EACH):
                isn, responder_isn = dice.getrandbits(32), dice.getrandbits(32)
                talk = Conversation(self.wire, position, isn=isn, responder_isn=responder_isn)
                talk.syn()
                if number % 2:
                    talk.synack()
                targets.append(Target(talk, bool(number % 2)))
        return targets

    def guess(self, guesser: Guesser, before: Stats) -> tuple[Stats, float]:
        seconds = 0.0
        sent = 0
        while sent < SEGMENTS:
            piece = Burst(list(guesser.draw(min(PIECE, SEGMENTS - sent))))
            start = time.monotonic()
            sent += piece.send(self.raw)
            seconds += time.monotonic() - start
            after = self.monitor.wait_delivered(before.packets("delivered") + sent)
        return after, sent / seconds

    def test_no_blind_segment_moves_an_attempt(self) -> None:
        dice = random.Random(SEED)
        targets = self.begin(dice)
        before = self.monitor.wait_delivered(self.wire.sent)
        self.assertEqual(before.totals["pending"], len(targets))
        guesser = Guesser(targets, dice)
        after, rate = self.guess(guesser, before)

        after.check_accounting()
        moved = difference(after.totals, before.totals)
        ignored = difference(after.ignored, before.ignored)
        live.told(
            f"{SEGMENTS} blind segments at {rate:,.0f}/s against {len(targets)} live attempts: "
            f"{SEGMENTS - sum(ignored.values())} moved one, {after.packets('dropped')} dropped; ignored as {ignored}"
        )
        live.told(
            f"drawn freely, {guesser.expected_hits:,.1f} would have fitted by chance ({guesser.hits} did and were "
            f"drawn again): late proofs of answered attempts, one in 65,536; of what must fit exactly "
            f"{guesser.expected_exact_hits:.1e}; by kind {guesser.by_kind}"
        )
        self.assertEqual(moved, {})
        self.assertEqual(difference(after.other(), before.other()), {})
        self.assertEqual(after.packets("dropped"), 0)
        self.assertEqual(after.packets("used"), before.packets("used"))
        self.assertEqual(sum(ignored.get(reason, 0) for reason in REASONS), SEGMENTS)
        self.complete(targets, after)

    def complete(self, targets: list[Target], before: Stats) -> None:
        sent_before = self.wire.sent
        for target in targets:
            if not target.answered:
                target.talk.synack()
            target.talk.ack()
        sent = self.wire.sent - sent_before
        after = self.monitor.wait_delivered(before.packets("delivered") + sent)
        after.check_accounting()
        count = len(targets)
        expected = {"pending": -count, "success": count, "timed_handshakes": count}
        self.assertEqual(difference(after.totals, before.totals), expected)


if __name__ == "__main__":
    unittest.main()
