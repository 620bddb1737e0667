"""Filters by hand: which attempts count where, for the oracle's matcher and for tcpeek's."""

from __future__ import annotations

import ipaddress
import pathlib
import random
import tempfile
import unittest
from collections.abc import Mapping, Sequence

import capturefile
import compare
import dissect
import filters
import oracle
from capturefile import Format
from compare import Setting
from dissect import Capture
from stage import Shape, Stage
from talk import SECOND, Talk

# Who opens a connection to whom; all succeed.
ATTEMPTS = (
    ("192.0.2.1", "198.51.100.1", 80),
    ("192.0.2.1", "198.51.100.2", 443),
    ("192.0.2.200", "198.51.100.1", 8050),
    ("198.51.100.1", "192.0.2.1", 22),
    ("2001:db8::1", "2001:db8:1::1", 80),
    ("2001:db8:1::1", "2001:db8::1", 443),
    ("203.0.113.1", "203.0.113.2", 80),
    ("198.51.100.1", "198.51.100.2", 80),
)
LOCAL = ("198.51.100.0/24", "2001:db8:1::/48")

setUpModule = compare.require


class Filters(unittest.TestCase):
    folder: tempfile.TemporaryDirectory[str]
    path: pathlib.Path
    capture: Capture

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory(prefix="tcpeek-oracle-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.path = pathlib.Path(cls.folder.name, "filters.pcap")
        cls.path.write_bytes(_played())
        cls.capture = dissect.dissect(cls.path)

    def check(
        self,
        expressions: Sequence[str],
        successes: Mapping[str, int],
        local: Sequence[str] = LOCAL,
        not_local: int = 1,
        excluded: int = 0,
    ) -> None:
        setting = Setting(expressions, local)
        attempts = oracle.judge(self.capture).attempts
        tally = filters.tally(attempts, expressions, setting.locality)
        counted = {name: counts[filters.SUCCESS] for name, counts in tally.filters.items()}
        self.assertEqual(counted, successes)
        self.assertEqual((tally.not_local, tally.excluded), (not_local, excluded))
        self.assertEqual(compare.differences(self.path, self.capture, setting), [])

    def test_directions(self) -> None:
        self.check([], {"RX": 5, "TX": 3})

    def test_everything_is_local_without_a_network(self) -> None:
        self.check([], {"RX": 8, "TX": 8}, local=(), not_local=0)

    def test_remote_addresses(self) -> None:
        always = {"RX": 5, "TX": 3}
        self.check(["a:RX@192.0.2.1:%"], always | {"a": 2})
        self.check(["a:RX@192.0.2.0/24:*", "b:TX@192.0.2.0/24:%"], always | {"a": 3, "b": 1})
        self.check(["a:RX@198.51.100.1:%"], always | {"a": 1})
        self.check(["a:RX@[2001:db8::]/32:%", "b:TX@[2001:db8::1/128]:%"], always | {"a": 1, "b": 1})
        self.check(["a:RX@0.0.0.0/0:%", "b:RX@[::]/0:%"], always | {"a": 4, "b": 1})

    def test_ports_are_the_responders(self) -> None:
        always = {"RX": 5, "TX": 3}
        self.check(["a:RX@%:80:443", "b:TX@%:80:443"], always | {"a": 4, "b": 2})
        self.check(["a:RX@%:8000-8099", "b:TX@*:1-22"], always | {"a": 1, "b": 1})

    def test_an_attempt_counts_once_in_each_filter(self) -> None:
        both = "a:RX@192.0.2.1:80,%:80,192.0.2.0/24:8000-9000"
        self.check([both, "b:RX@%:80"], {"RX": 5, "TX": 3, "a": 4, "b": 3})

    def test_exclusions_wherever_they_stand(self) -> None:
        counts = {"RX": 2, "TX": 2, "web": 0}
        for expressions in ([":RX@%:80", "web:RX@%:80"], ["web:RX@%:80", ":RX@%:80"]):
            self.check(expressions, counts, excluded=3)
        self.check([":TX@192.0.2.1:22"], {"RX": 5, "TX": 2}, excluded=1)


def _played() -> bytes:
    stage = Stage(Shape([capturefile.ETHERNET], False, Format()), random.Random(0), lies=0)
    for number, (initiator, responder, port) in enumerate(ATTEMPTS):
        ends = (ipaddress.ip_address(initiator), 40_000), (ipaddress.ip_address(responder), port)
        talk = Talk(stage, *ends, isn=number, responder_isn=number, now_ns=number * SECOND * 1000)
        talk.syn()
        talk.wait(1000)
        talk.synack()
        talk.wait(1000)
        talk.ack()
    return stage.shape.written(stage.packets())


if __name__ == "__main__":
    unittest.main()
