"""Tiny captures told step by step, and what tcpeek and the oracle count in them.

A step is a function of the `Talk`: one of its methods, or what `doing` makes of it. Steps are 10 ms
apart unless `after` says otherwise, so that no repetition is taken for a copy. A packet stands in the
capture where it is told, also if its stamp is earlier.
"""

from __future__ import annotations

import ipaddress
import itertools
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
import filters
import oracle
import plain
from attempt import Attempt
from capturefile import Format, Packet
from compare import Setting
from stage import US_NS, Dressing, Shape, Stage
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


def forged(isn: int, step: Step) -> Step:
    """The step alone with another initial number of the initiator, so much higher."""
    return lambda talk: step(replace(talk, isn=talk.isn + isn))


def answering(responder_isn: int, step: Step) -> Step:
    """The step alone with another initial number of the responder, so much higher."""
    return lambda talk: step(replace(talk, responder_isn=talk.responder_isn + responder_isn))


def sent_anew(identification: int | None = None, tsval: int | None = None) -> Step:
    return lambda talk: talk.another_sending(identification, tsval)


def clock(talk: Talk) -> None:
    """A packet that only shows how late it is."""
    talk.stage.noise(talk.now_ns, talk.interface, Dressing(), b"\0" * 28, 0x0806)


def initiators(flags: int, seq: int = 0, ack: int = 0, data: int = 0) -> Step:
    return doing(Talk.from_initiator, flags, seq, ack, data)


def responders(flags: int, seq: int = 0, ack: int = 0, data: int = 0) -> Step:
    return doing(Talk.from_responder, flags, seq, ack, data)


def error(code: int = 1, kind: int | None = None, quoted: int = 576, seq: int = 0) -> Step:
    """An ICMP error about a SYN whose sequence number is off by `seq`."""
    return lambda talk: talk.unreachable(talk.syn_packet(seq), code=code, kind=kind, quoted=quoted)


def error_about_synack(seq: int = 0) -> Step:
    return lambda talk: talk.unreachable(talk.synack_packet(seq), code=1)


syn, synack, ack, reply = Talk.syn, Talk.synack, Talk.ack, Talk.reply
refuse, abort = Talk.refuse, Talk.abort

# What is counted of one attempt.
Counts = Mapping[str, int]
ONE_PENDING = {filters.PENDING: 1}
SUCCEEDED = {filters.SUCCESS: 1}
LATE = SUCCEEDED | {filters.LATE_PROOF: 1}
HALF = SUCCEEDED | {filters.HALF_SEEN: 1}
REFUSED = {filters.FAILURE: 1, filters.REJECTED: 1}
RESET = REFUSED | {filters.RESET: 1}
ABORTED = REFUSED | {filters.ABORTED: 1}
HALF_OPEN = ABORTED | {filters.HALF_OPEN: 1}
PROBE = ABORTED | {filters.PROBE: 1}
UNREACHABLE = {filters.FAILURE: 1, filters.UNREACHABLE: 1}
NO_ANSWER = {filters.FAILURE: 1, filters.TIMED_OUT: 1, filters.NO_ANSWER: 1}
NO_ACK = {filters.FAILURE: 1, filters.TIMED_OUT: 1, filters.NO_ACK: 1}
SUPERSEDED = {filters.FAILURE: 1, filters.TIMED_OUT: 1, filters.SUPERSEDED: 1}
UNCERTAIN = {filters.UNCERTAIN: 1}


def sums(*counts: Counts) -> Counts:
    """Of several attempts."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(total)


# Which stories need not tell; the oracle and tcpeek are compared in them all the same.
_DETAILS = ("unreach, ", filters.RETRYING)


class StoryCase(unittest.TestCase):
    """Each story is told over IPv4 and over IPv6 in one capture of two interfaces. Initial sequence
    numbers lie where they wrap.
    """

    maxDiff = None
    ends: Sequence[tuple[str, str]] = ENDS
    ports = (49152, 443)

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="tcpeek-oracle-")
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name, "story.pcapng")

    def tell(
        self,
        steps: Steps,
        wanted: Counts,
        setting: Setting = Setting(),
        *,
        wanted_six: Counts | None = None,
        lasting: Sequence[int] | None = None,
    ) -> None:
        """`wanted` are the counts of either family that are not 0, or of IPv4 alone where IPv6 has others;
        `lasting` are the durations of the attempts that ended, in the order of their SYNs.
        """
        packets = self._told(steps)
        setting = replace(setting, expressions=FAMILIES, more=("--max-sessions", "1000"))
        capture = plain.dissect(packets)
        attempts = oracle.judge(capture, setting.rules).attempts
        tally = filters.tally(attempts, setting.expressions, setting.locality)
        by_family = {"four": wanted, "six": wanted if wanted_six is None else wanted_six}
        self._check("the oracle", tally.filters, by_family)
        if lasting is not None:
            for version in (4, 6):
                self.assertEqual(_durations(attempts, version), list(lasting), f"durations, IPv{version}")
        if compare.alone():
            return
        self.path.write_bytes(_SHAPE.written(packets))
        self._check("tcpeek", compare.run(self.path, setting).filters, by_family)
        lines = compare.differences(self.path, capture, setting)
        self.assertEqual(lines, [], "\n" + "\n".join(lines))

    def _check(self, who: str, counts: Mapping[str, Counter[str]], wanted: Mapping[str, Counts]) -> None:
        for family, counts_wanted in wanted.items():
            counted = {
                label: count
                for label, count in counts[family].items()
                if count and (label in counts_wanted or not label.startswith(_DETAILS))
            }
            self.assertEqual(counted, counts_wanted, f"counted by {who}, {family}")

    def _told(self, steps: Steps) -> list[Packet]:
        """Packet by packet of IPv4 and of IPv6, so that time goes on as told."""
        families = [_family_told(steps, ends, self.ports) for ends in self.ends]
        return list(itertools.chain(*zip(*families, strict=True)))


_SHAPE = Shape([capturefile.ETHERNET, capturefile.ETHERNET], True, Format())


def _family_told(steps: Steps, ends: tuple[str, str], ports: tuple[int, int]) -> list[Packet]:
    stage = Stage(_SHAPE, random.Random(0), lies=0)
    initiator, responder = ((ipaddress.ip_address(end), port) for end, port in zip(ends, ports, strict=True))
    talk = Talk(stage, initiator, responder, isn=0xFFFFFFFF, responder_isn=0x7FFFFFFF, now_ns=START_NS)
    _perform(talk, steps)
    return stage.told()


def _durations(attempts: Sequence[Attempt], version: int) -> list[int]:
    ended = [each for each in attempts if not each.pending and each.initiator[0].version == version]
    return [(each.ended_ns - each.first_ns) // US_NS for each in sorted(ended, key=lambda each: each.first_ns)]


def _perform(talk: Talk, steps: Steps) -> None:
    apart = 0
    for step in steps:
        if isinstance(step, After):
            apart = step.us
            continue
        told = len(talk.stage.told())
        talk.wait(apart)
        step(talk)
        if len(talk.stage.told()) > told:
            apart = APART
        else:  # it only changed what follows, which takes no time
            talk.wait(-apart)
