"""What the tests of forgers share: two monitors of the same link, with one reader and with two, and the forger.

A forger knows the 4-tuple of an attempt and may send from either end's address. What else it knows
is up to the test: by default no number of the two ends, only those that it sent itself.
TCPEEK_FAULTS=full plays the numbers that were found harmful at first; otherwise a tenth.
"""

from __future__ import annotations

import contextlib
import os
import random
import unittest
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

import frames
import lab
from conversation import POSITIONS, Conversation, Position
from frames import ACK, SYN
from monitor import Counts, Monitor, Stats, difference

FULL = os.environ.get("TCPEEK_FAULTS") == "full"
SEED = 20261127
READERS = (1, 2)
SPACE = 1 << 32


def full_or_tenth(full: int) -> int:
    return full if FULL else full // 10


ATTEMPTS = full_or_tenth(2000)


class Forger:
    """Sends into a conversation. Numbers are absolute; `number` is the sequence number of its own SYNs."""

    def __init__(self, talk: Conversation, number: int) -> None:
        self.talk = talk
        self.number = number

    def as_initiator(self, flags: int, seq: int, ack: int = 0) -> None:
        self.talk.from_initiator(flags, seq=seq - self.talk.isn, ack=ack - self.talk.responder_isn)

    def as_responder(self, flags: int, seq: int, ack: int = 0) -> None:
        self.talk.from_responder(flags, seq=seq - self.talk.responder_isn, ack=ack - self.talk.isn)

    def syn_as_initiator(self) -> None:
        self.as_initiator(SYN, self.number)

    def syn_as_responder(self) -> None:
        self.as_responder(SYN, self.number)


Attack = Callable[[Conversation, Forger], None]


@contextlib.contextmanager
def monitors(network: lab.Lab, *options: str) -> Iterator[list[Monitor]]:
    """One with one reader and one with two; both see all there is to see."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(
                Monitor(network, "-q", *options, "--threads", str(readers), name=f"readers{readers}", ring_mib=64)
            )
            for readers in READERS
        ]


class ForgerCase(unittest.TestCase):
    """The monitors live as long as the class; each test looks at what it added."""

    options: ClassVar[Sequence[str]] = ("--timeout", "3600")
    network: ClassVar[lab.Lab]
    wire: ClassVar[lab.Wire]
    monitors: ClassVar[list[Monitor]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.network = cls.enterClassContext(lab.Lab())
        cls.wire = cls.network.wire()
        cls.monitors = cls.enterClassContext(monitors(cls.network, *cls.options))

    def setUp(self) -> None:
        self.dice = random.Random(SEED)

    def number(self) -> int:
        return self.dice.getrandbits(32)

    def conversation(self, position: Position, responder_port: int | None = None) -> Conversation:
        return Conversation(
            self.wire, position, responder_port=responder_port, isn=self.number(), responder_isn=self.number()
        )

    def play(
        self,
        attack: Attack,
        expected: Counts,
        *,
        ignored: Counts | None = None,
        count: int = ATTEMPTS,
        positions: Sequence[Position] = POSITIONS,
    ) -> None:
        """Plays the attack on so many attempts, in all positions by turns; each adds exactly this to the totals.

        `ignored` names the reasons, of those for which packets are ignored, that are looked at.
        """

        def attacks() -> None:
            for turn in range(count):
                talk = self.conversation(positions[turn % len(positions)])
                attack(talk, Forger(talk, self.number()))

        wanted = {name: times * count for name, times in expected.items() if times}
        reasons = {name: times * count for name, times in (ignored or {}).items()}
        for readers, (before, after) in zip(READERS, self.observed(attacks), strict=True):
            with self.subTest(readers=readers):
                self.assertEqual(difference(after.totals, before.totals), wanted, f"of {count} attempts")
                for reason, packets in reasons.items():
                    seen = after.ignored.get(reason, 0) - before.ignored.get(reason, 0)
                    self.assertEqual(seen, packets, f"packets ignored as {reason}: {after.ignored}")

    def observed(self, attacks: Callable[[], object]) -> list[tuple[Stats, Stats]]:
        """What each monitor says before these attacks, and after the last packet of them."""
        before = [monitor.stats() for monitor in self.monitors]
        sent_before = self.wire.sent
        attacks()
        sent = self.wire.sent - sent_before
        pairs = []
        for monitor, earlier in zip(self.monitors, before, strict=True):
            after = monitor.wait_delivered(earlier.packets("delivered") + sent)
            after.check_accounting()
            pairs.append((earlier, after))
        return pairs


def frame_with_ack(talk: Conversation, flags: int = ACK) -> tuple[bytearray, int]:
    """A frame of the initiator at the byte after its SYN, and where its acknowledgment number is to be set."""
    position = talk.position
    body = frames.tcp(
        position.initiator, position.responder, talk.initiator_port, talk.responder_port, seq=talk.isn + 1, flags=flags
    )
    packet = frames.ip(position.initiator, position.responder, frames.PROTOCOL_TCP, body)
    frame = bytearray(frames.ethernet(packet))
    return frame, len(frame) - 12
