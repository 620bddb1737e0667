"""Traffic from a seed: a capture file of some thousand attempts, and what to ask about it.

    python3 generator.py SEED FILE     writes the file of a seed, to look at it
"""

from __future__ import annotations

import ipaddress
import pathlib
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import frames
import plain
from capturefile import Packet
from compare import Setting
from dissect import Capture, End, Segment
from doubts import AT_THE_END, DOUBTS
from scenarios import SCENARIOS, Scenario, stubborn
from stage import Dressing, Shape, Stage
from talk import Talk

TALKS = 3500
LAST_TALKS = 60
SPAN_NS = 250 * 1_000_000_000  # within which they begin
LAST_NS = 500_000_000  # before the end, the last ones begin
FIRST_NS = 1_700_000_000_123_456_789

_CLIENTS = [f"10.1.{net}.{host}" for net in range(4) for host in range(1, 21)]
_SERVERS = [f"192.0.2.{host}" for host in range(1, 9)]
_STRANGERS = [f"203.0.113.{host}" for host in range(1, 5)]
_PORTS = (22, 80, 443, 8000, 8001, 8099, 8100, 65535)

LOCAL = ("192.0.2.0/24", "2001:db8:2::/48")
EXPRESSIONS = (
    "web:RX@%:80:443",
    "api:RX@10.1.0.0/16:8000-8099,[2001:db8:1::]/48:8000-8099",
    ":RX@10.1.2.0/24:22",
    "out:TX@192.0.2.1:%",
    "six:TX@[2001:db8::/32]:*",
    ":TX@[2001:db8:2::3]:443",
    "near:TX@10.1.1.7/32:22:80:8100-65535,203.0.113.0/24:%",
)
SETTINGS = (
    Setting(EXPRESSIONS),
    Setting(EXPRESSIONS, LOCAL, icmp=False, more=("--threads", "3")),
    Setting(EXPRESSIONS[:3], ("10.1.0.0/23", "192.0.2.7"), timeout_s=3, copy_window_ms=0),
)


@dataclass(frozen=True)
class Generated:
    shape: Shape
    packets: Sequence[Packet]

    @property
    def suffix(self) -> str:
        return ".pcapng" if self.shape.pcapng else ".pcap"

    @property
    def data(self) -> bytes:
        return self.shape.written(self.packets)

    @property
    def segments(self) -> list[Segment | None]:
        """As they are read, packet by packet; times are what the file says."""
        form = self.shape.form
        unit_ns = 1_000_000_000 // form.per_second
        stamped = [replace(packet, time_ns=form.ticks(packet.time_ns) * unit_ns) for packet in self.packets]
        return plain.each_of(stamped, self.shape.link_types, form.big_endian)

    @property
    def capture(self) -> Capture:
        segments = [segment for segment in self.segments if segment is not None]
        return Capture(len(self.packets), self.packets[-1].time_ns, segments)


def generate(seed: int, talks: int = TALKS) -> Generated:
    rng = random.Random(seed)
    stage = Stage(Shape.drawn(rng), rng)
    taken: set[frozenset[End]] = set()
    scenarios = SCENARIOS | DOUBTS
    for scenario in rng.choices(list(scenarios), list(scenarios.values()), k=talks):
        _play(stage, scenario, taken, FIRST_NS + rng.randrange(SPAN_NS))
    for _ in range(3 if seed % 3 == 0 else 0):  # these last for an hour, so that nothing is pending then
        _play(stage, stubborn, taken, FIRST_NS + rng.randrange(SPAN_NS))
    _make_noise(stage)
    end_ns = stage.last_ns
    for _ in range(LAST_TALKS):
        _play(stage, rng.choice(AT_THE_END), taken, end_ns - rng.randrange(LAST_NS))
    return Generated(stage.shape, stage.packets())


def _play(stage: Stage, scenario: Scenario, taken: set[frozenset[End]], begins_ns: int) -> None:
    rng = stage.rng
    scenario(
        Talk(
            stage,
            *_ends(rng, taken),
            isn=_isn(rng),
            responder_isn=_isn(rng),
            now_ns=begins_ns,
            interface=rng.randrange(stage.interfaces),
            dressing=Dressing.drawn(rng),
            elsewhere=rng.choice((0, 0, 0.1)) if stage.interfaces > 1 else 0,
        )
    )


def _ends(rng: random.Random, taken: set[frozenset[End]]) -> tuple[End, End]:
    """A pair that has not been used."""
    while True:
        initiators = rng.choice((_CLIENTS, _CLIENTS, _CLIENTS, _CLIENTS, _SERVERS, _STRANGERS))
        responders = rng.choice((_SERVERS, _SERVERS, _SERVERS, _SERVERS, _STRANGERS))
        six = rng.random() < 0.4
        initiator = _address(rng.choice(initiators), six), rng.randrange(1024, 65536)
        responder = _address(rng.choice(responders), six), rng.choice(_PORTS)
        pair = frozenset((initiator, responder))
        if pair not in taken:
            taken.add(pair)
            return initiator, responder


def _address(text: str, six: bool) -> frames.Address:
    """The IPv6 address that corresponds: 2001:db8:N:: by the net, and the host's last byte."""
    if not six:
        return ipaddress.ip_address(text)
    net = {"10": 1, "192": 2, "203": 3}[text.split(".")[0]]
    third, last = text.split(".")[2:]
    return ipaddress.ip_address(f"2001:db8:{net}:{third}::{last}")


def _isn(rng: random.Random) -> int:
    """Often near the places where sequence numbers wrap."""
    return rng.choice((rng.randrange(1 << 32), (1 << 32) - rng.randrange(1, 3), (1 << 31) - 1, 0))


def _make_noise(stage: Stage) -> None:
    """Packets of other protocols, and of none."""
    rng = stage.rng
    for ethertype in (0x0800, 0x86DD, 0x0806, 0x88CC, 0x0003) * 8:
        noise = rng.randbytes(rng.randrange(1, 80))
        at_ns = FIRST_NS + rng.randrange(SPAN_NS)
        stage.noise(at_ns, rng.randrange(stage.interfaces), Dressing.drawn(rng), noise, ethertype)


if __name__ == "__main__":
    pathlib.Path(sys.argv[2]).write_bytes(generate(int(sys.argv[1])).data)
