"""Tiny captures told step by step, and what tcpeek and the oracle count in them.

A step is a function of the `Talk`: one of its methods, or what `doing` makes of it. Steps are 10 ms
apart unless `after` says otherwise, so that no repetition is taken for a copy.
"""

from __future__ import annotations

import ipaddress
import pathlib
import random
import tempfile
import unittest
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Concatenate, ParamSpec

import capturefile
import compare
import dissect
import filters
import oracle
from capturefile import Format
from compare import Setting
from stage import Dressing, Shape, Stage
from talk import MS, SECOND, Talk

START_NS = 1_700_000_000_000_000_000
APART = 10 * MS
TIMEOUT = 60 * SECOND

ENDS = (("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2"))
FAMILIES = ("four:RX@192.0.2.0/24:%", "six:RX@[2001:db8::]/32:%")

P = ParamSpec("P")
Step = Callable[[Talk], object]


@dataclass(frozen=True)
class After:
    us: int


Steps = Sequence[Step | After]


def after(us: int) -> After:
    """The next step comes so much later than the one before it."""
    return After(us)


def doing(step: Callable[Concatenate[Talk, P], object], *args: P.args, **kwargs: P.kwargs) -> Step:
    return lambda talk: step(talk, *args, **kwargs)


def on(interface: int, step: Step) -> Step:
    """The step as another interface sees it."""
    return lambda talk: step(replace(talk, interface=interface))


def again_with(isn: int, responder_isn: int = 0) -> Step:
    """From here on the same ports with other initial numbers, so much higher."""

    def change(talk: Talk) -> None:
        talk.isn += isn
        talk.responder_isn += responder_isn

    return change


def clock(talk: Talk) -> None:
    """A packet that only shows how late it is."""
    talk.stage.noise(talk.now_ns, talk.interface, Dressing(), b"\0" * 28, 0x0806)


class StoryCase(unittest.TestCase):
    """Each story is told over IPv4 and over IPv6 in one capture of two interfaces. Initial sequence
    numbers lie where they wrap.
    """

    maxDiff = None

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="tcpeek-oracle-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name, "story.pcapng")

    def tell(
        self,
        steps: Steps,
        wanted: Mapping[str, int],
        setting: Setting = Setting(),
        asks_oracle: bool = True,
    ) -> None:
        """`wanted` are the counts of either family that are not 0. Where tshark cannot read a packet
        that tcpeek can, the oracle is not asked.
        """
        self.path.write_bytes(_capture(steps))
        setting = replace(setting, expressions=FAMILIES, more=("--max-sessions", "1000"))
        self._check("tcpeek", compare.run(self.path, setting).filters, wanted)
        if not asks_oracle:
            return
        capture = dissect.dissect(self.path)
        attempts = oracle.judge(capture, setting.rules).attempts
        tally = filters.tally(attempts, setting.expressions, setting.locality)
        self._check("the oracle", tally.filters, wanted)
        lines = compare.differences(self.path, capture, setting)
        self.assertEqual(lines, [], "\n" + "\n".join(lines))

    def _check(self, who: str, counts: Mapping[str, Counter[str]], wanted: Mapping[str, int]) -> None:
        for family in ("four", "six"):
            counted = {label: count for label, count in counts[family].items() if count}
            self.assertEqual(counted, wanted, f"counted by {who}, {family}")


def _capture(steps: Steps) -> bytes:
    shape = Shape([capturefile.ETHERNET, capturefile.ETHERNET], True, Format())
    stage = Stage(shape, random.Random(0), lies=0)
    for initiator, responder in ENDS:
        ends = (ipaddress.ip_address(initiator), 49152), (ipaddress.ip_address(responder), 443)
        _perform(Talk(stage, *ends, isn=0xFFFFFFFF, responder_isn=0x7FFFFFFF, now_ns=START_NS), steps)
    return shape.written(stage.packets())


def _perform(talk: Talk, steps: Steps) -> None:
    apart = 0
    for step in steps:
        if isinstance(step, After):
            apart = step.us
            continue
        talk.wait(apart)
        step(talk)
        apart = APART
