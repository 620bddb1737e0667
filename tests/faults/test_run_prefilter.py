"""A flood beside the prefilter: it marks all flows at once then, and loses no ACK that an attempt waits for, whether
the attempt began before, amid or after it."""

from __future__ import annotations

import itertools
import socket
import unittest
from collections.abc import Iterator

import live

import flows
import lab
from burst import blast
from monitor import Monitor
from steady import steady

setUpModule = lab.require

FLOOD = 200_000 if live.FULL else 100_000  # a ring holds all of it, if a reader is held up meanwhile
WAITING = 100  # attempts of each kind
STRANGERS = 50
TRIES = 5  # until this machine sends fast enough
FIRST_OF_FLOOD = 1_000_000
FIRST_STRANGER = 50_000_000


def answered(first: int) -> Iterator[bytes]:
    for number in range(first, first + WAITING):
        yield flows.syn(number)
        yield flows.synack(number)


def flood(first: int, amid: int) -> Iterator[bytes]:
    """SYNs, and in their middle attempts that are answered."""
    half = FLOOD // 2
    return itertools.chain(
        map(flows.syn, range(first, first + half)), answered(amid), map(flows.syn, range(first + half, first + FLOOD))
    )


class Prefilter(unittest.TestCase):
    def setUp(self) -> None:
        network = self.enterContext(lab.Lab())
        words = ("-q", "--threads", "1", "--prefilter")
        self.classic = self.enterContext(Monitor(network, *words, "off", name="classic"))
        self.prefilter = self.enterContext(Monitor(network, *words, "auto", name="prefilter"))
        told = self.prefilter.stats().json["prefilter"]
        if not told["active"]:
            print("LIVE TESTS SKIPPED:", told["reason"])
            self.skipTest(told["reason"])
        self.wire = self.enterContext(network.peer.raw_socket("veth0"))

    def strangers_that_pass(self, first: int) -> int:
        """How many ACKs of flows without a SYN are read."""
        before = steady(self.prefilter).packets("delivered")
        blast(self.wire, map(flows.ack, range(first, first + STRANGERS)))
        steady(self.classic)
        return steady(self.prefilter).packets("delivered") - before

    def test_no_attempt_loses_its_ack(self) -> None:
        self.assertEqual(self.strangers_that_pass(FIRST_STRANGER), 0)
        numbers = itertools.count(0, WAITING)
        waiting = [next(numbers)]
        blast(self.wire, answered(waiting[0]))
        sent = self.floods(self.wire, waiting, numbers)
        waiting.append(next(numbers))
        blast(self.wire, answered(waiting[-1]))
        for first in waiting:
            blast(self.wire, map(flows.ack, range(first, first + WAITING)))
        one, other = steady(self.classic), steady(self.prefilter)
        live.told(f"{sent:,} SYNs; {other.totals['success']} of {WAITING * len(waiting)} attempts got their ACK")
        self.assertEqual([stats.packets("dropped") for stats in (one, other)], [0, 0])
        self.assertEqual(one.totals["success"], WAITING * len(waiting))
        self.assertEqual(other.totals, one.totals)

    def floods(self, wire: socket.socket, waiting: list[int], numbers: Iterator[int]) -> int:
        """Until one has let all ACKs pass."""
        for number in range(TRIES):
            waiting.append(next(numbers))
            blast(wire, flood(FIRST_OF_FLOOD + number * FLOOD, waiting[-1]))
            if self.strangers_that_pass(FIRST_STRANGER + (number + 1) * STRANGERS) == STRANGERS:
                return (number + 1) * FLOOD
        raise AssertionError("none of the floods was fast enough to be taken for one")


if __name__ == "__main__":
    unittest.main()
