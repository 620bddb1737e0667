"""TOP: services and peers that fail, by name and with what they are a part of, though no filter was defined."""

import json
import unittest
from typing import Any

import lab
from conversation import RX4, TX4, Conversation
from json_schema import load, violations
from lab import HOST_V4, HOST_V6, PEER_V4, PEER_V6, Lab
from monitor import Monitor

setUpModule = lab.require

SUCCEEDED = 12
REFUSED = 5


class Top(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.schema = load("top.json")

    def ask(self, monitor: Monitor, request: str = "TOP") -> Any:
        reply = json.loads(monitor.ask(request))
        self.assertEqual(violations(self.schema, reply), [])
        return reply

    def test_names_the_service_that_refuses(self) -> None:
        for address, peer in ((HOST_V4, PEER_V4), (HOST_V6, PEER_V6)):
            with self.subTest(address=address), Monitor(self.network, "--threads", "2") as monitor:
                port = self.network.connect_to_both(address, SUCCEEDED, REFUSED)
                monitor.wait_counts({"success": SUCCEEDED, "refused": REFUSED}).check_accounting()
                refusing, healthy = self.ask(monitor)["rows"]
                self.assertEqual(refusing["responder"], {"address": address, "port": 9})
                self.assertEqual(refusing["direction"], "rx")
                self.assertEqual((refusing["attempts"], refusing["failure"]["refused"]), (REFUSED, REFUSED))
                self.assertEqual(refusing["recent"], {"attempts": REFUSED, "failures": REFUSED})
                self.assertIsNone(refusing["last_success"])
                self.assertLessEqual(refusing["counting_since"], refusing["failing_since"])
                self.assertLessEqual(refusing["failing_since"], refusing["last_failure"])
                self.assertEqual(healthy["responder"], {"address": address, "port": port})
                self.assertEqual((healthy["attempts"], healthy["success"]), (SUCCEEDED, SUCCEEDED))
                self.assertEqual(healthy["failure"]["total"], 0)
                self.assertIsNone(healthy["failing_since"])
                legs = healthy["legs_seconds"]
                self.assertEqual(legs["syn_to_synack"]["count"] + legs["left_out"], SUCCEEDED)
                self.assertLess(legs["syn_to_synack"]["p50"], 1)
                (row,) = self.ask(monitor, "TOP by=initiator")["rows"]
                self.assertEqual(row["initiator"], peer)
                self.assertEqual(row["recent"]["failure"]["refused"], REFUSED)
                self.assertEqual(row["recent"]["failure"]["error"], 0)
                self.assertEqual(row["recent"]["attempts"], SUCCEEDED + REFUSED)
                (row,) = self.ask(monitor, "TOP 1 by=pair")["rows"]
                self.assertEqual((row["initiator"], row["responder"]), (peer, address))
                (row,) = self.ask(monitor, "TOP by=network")["rows"]
                self.assertRegex(row["network"], r"/(24|48)$")

    def test_shows_as_many_as_asked(self) -> None:
        wire = self.network.wire()
        with Monitor(self.network) as monitor:
            for port in range(1, 31):
                refused = Conversation(wire, RX4, responder_port=port)
                refused.syn()
                refused.refuse()
            Conversation(wire, TX4, responder_port=443).syn()
            monitor.wait_counts({"refused": 30, "pending": 1})
            self.assertEqual(len(self.ask(monitor)["rows"]), 10)
            few = self.ask(monitor, "TOP 7")
            self.assertEqual(len(few["rows"]), 7)
            self.assertEqual(few["bounds"]["unlisted_recent_failures"], 1)
            every = self.ask(monitor, "TOP 100 by=service")
            self.assertEqual(len(every["rows"]), 31)
            self.assertEqual(every["bounds"], {"unlisted_recent_failures": 0, "services": 31, "services_displaced": 0})
            self.assertEqual(every["rows"][-1]["direction"], "tx")
            self.assertEqual(every["rows"][-1]["pending"], 1)
            self.assertEqual(sum(row["attempts"] for row in every["rows"]), 31)

    def test_refuses_what_it_does_not_know(self) -> None:
        with Monitor(self.network) as monitor:
            self.assertEqual(self.ask(monitor)["rows"], [])
            for request in ("TOP 0", "TOP 101", "TOP by=port", "TOP ten", "TOP 1 2"):
                self.assertIn("from 1 to 100", self.ask(monitor, request)["error"])
            for request in ("TOPS", "top"):
                self.assertIsInstance(json.loads(monitor.ask(request)), list)


class Schema(unittest.TestCase):
    def test_the_checker_finds_mistakes(self) -> None:
        top = load("top.json")
        for wrong in ({}, [], {"error": 5}, {"error": "x", "more": 1}, {"schema": 1, "by": "port"}):
            with self.subTest(wrong=wrong):
                self.assertNotEqual(violations(top, wrong), [])
        self.assertEqual(violations(top, {"error": "x"}), [])


if __name__ == "__main__":
    unittest.main()
