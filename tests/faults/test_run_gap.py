"""tcpeek is stopped under load and its rings overflow: every packet is accounted for, and every
timeout that the loss may have caused says so."""

from __future__ import annotations

import time
import unittest

import live

import flows
import lab
from burst import blast
from monitor import Monitor, Stats, stopped
from steady import steady

setUpModule = lab.require

TIMEOUT_S = 2
GAP_S = 5.0 if live.FULL else 0.5
WAITING = 200  # attempts that nobody answers, before the gap, and as many after it
LOAD = 2000  # handshakes sent at once
FIRST_AFTER = 5_000_000


class Gap(unittest.TestCase):
    def play(self, readers: int) -> None:
        options = ("-q", "--threads", str(readers), "--timeout", str(TIMEOUT_S))
        with lab.Lab() as network, Monitor(network, *options, ring_mib=1) as monitor:
            wire = network.peer.raw_socket("veth0")
            self.addCleanup(wire.close)
            sent = blast(wire, map(flows.syn, range(WAITING)))
            monitor.wait_delivered(sent)
            began = sent
            with stopped(monitor):
                until = time.monotonic() + GAP_S
                while time.monotonic() < until:
                    sent += blast(wire, flows.handshakes(sent, LOAD))
            # The load goes on while the backlog is read.
            for _ in range(10):
                sent += blast(wire, flows.handshakes(sent, LOAD))
            after_gap = steady(monitor)
            sent += blast(wire, map(flows.syn, range(FIRST_AFTER, FIRST_AFTER + WAITING)))
            end = lab.wait_for(lambda: self.all_ended(monitor, after_gap), "no attempt is pending")

            end.check_accounting()
            seen, delivered, dropped = (end.packets(name) for name in ("seen", "delivered", "dropped"))
            timeouts = end.totals["no_answer"] + end.totals["no_ack"] + end.totals["superseded"]
            live.told(
                f"gap of {GAP_S:g} s, {readers} reader(s): sent {sent} = delivered {delivered} + dropped "
                f"{dropped}; {timeouts} timeouts, {end.totals['uncertain']} uncertain, "
                f"{timeouts - end.totals['uncertain']} begun after the gap"
            )
            self.assertEqual(seen, sent)
            self.assertEqual(delivered + dropped, sent)
            for reader in end.json["readers"]:
                self.assertGreater(reader["dropped"], 0, "the load was too small for this ring")
            self.assertGreaterEqual(timeouts, began + WAITING)
            self.assertEqual(timeouts - end.totals["uncertain"], WAITING)
            self.assertEqual(end.totals["evicted"], 0)

    @staticmethod
    def all_ended(monitor: Monitor, before: Stats) -> Stats | None:
        now = monitor.stats()
        begun = now.totals["attempts"] == before.totals["attempts"] + WAITING
        return now if begun and now.totals["pending"] == 0 else None

    def test_one_reader(self) -> None:
        self.play(1)

    def test_two_readers(self) -> None:
        self.play(2)


if __name__ == "__main__":
    unittest.main()
