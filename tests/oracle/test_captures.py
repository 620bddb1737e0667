"""Captures of other projects: tcpeek counts in each what the oracle makes of tshark's reading.

The outcomes of each capture are written down here, too, as they were when the oracle was made and
looked at: a mistake that both share would show.
"""

from __future__ import annotations

import functools
import gzip
import pathlib
import subprocess
import tempfile
import unittest
from collections import Counter
from collections.abc import Mapping

import compare
import dissect
import filters
import oracle
from compare import Setting
from dissect import Address, Capture

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "captures"
COMPRESSED = FOLDER / "zeek__ssh.client-side-half-duplex.pcap"

S, HALF, DUP_SYN, DUP_SYNACK = (
    filters.SUCCESS, filters.HALF_SEEN, filters.SUCCESS_DUP_SYN, filters.SUCCESS_DUP_SYNACK,
)  # fmt: skip

# Of all attempts, ICMP errors taken: what is not 0.
OUTCOMES: Mapping[str, Mapping[str, int]] = {
    "arkime__ospf.pcap": {filters.FAILURE: 17, filters.UNREACHABLE: 17, "unreach, no route": 17},
    "filesamples__simple_http_sll2.pcap": {S: 2},
    "PcapPlusPlus__nanosecs_big_endian.pcap": {S: 1},
    "PcapPlusPlus__pcapng-example.pcapng": {
        filters.FAILURE: 2, filters.REJECTED: 1, filters.TIMED_OUT: 1, filters.NO_ANSWER: 1,
    },
    "suricata-verify__frag-ip-tcp-syn.pcap": {},
    "suricata-verify__http-range-multiflows.pcap": {S: 41},
    "suricata-verify__split-handshake-4whs.pcap": {S: 1},
    "suricata-verify__syn_retransmit_with_ts.pcap": {S: 1, DUP_SYN: 1},
    "suricata-verify__tcp_fastopen_segmentation.pcap": {S: 2},
    "tcpdump__bgp-bgpsec.pcap": {S: 2, filters.FAILURE: 3, filters.REJECTED: 3},
    "tcpdump__tcp-handshake-nano.pcap": {S: 1},
    "clock-back-dup.pcap": {S: 1, DUP_SYN: 1},
    "rst-acks-client-data.pcap": {S: 1, filters.LATE_PROOF: 1},
    "rst-before-syn.pcap": {filters.FAILURE: 1, filters.REJECTED: 1},
    "selfconnect-linux.pcap": {S: 1},
    "icmp-ttl-exceeded.pcap": {filters.FAILURE: 1, filters.UNREACHABLE: 1, "unreach, hop limit": 1},
    "nflog.pcap": {S: 1},
    "pppoe-pfc.pcap": {S: 1},
    "tso-length-zero-v6.pcap": {S: 1},
    "zeek__handshake-reorder.pcap": {S: 1},
    "zeek__http-qinq-0.pcap": {S: 1},
    "zeek__ipv6-http-atomic-frag.pcap": {S: 4},
    "zeek__ipv6.pcap": {S: 6},
    "zeek__mixed-vlan-mpls.pcap": {S: 3, HALF: 1},
    "zeek__modbus-and-non-modbus-p502.pcap": {
        S: 6, filters.FAILURE: 1, filters.REJECTED: 1, filters.ABORTED: 1, filters.HALF_OPEN: 1,
    },
    "zeek__pppoe-over-qinq.pcap": {S: 1},
    "zeek__rotation.pcap": {
        filters.FAILURE: 19, filters.TIMED_OUT: 19, filters.NO_ANSWER: 19, filters.PENDING: 1,
    },
    "zeek__ssh.client-side-half-duplex.pcap": {S: 20, HALF: 20, DUP_SYN: 1},
    "zeek__ssh.pcap": {S: 22, DUP_SYN: 1, DUP_SYNACK: 1},
    "zeek__Traces_smtp.pcap": {S: 3},
    "zeek__truncated-header.pcap": {S: 1},
    "zeek__vnd.ms-cab-compressed-multi-conn.pcap": {S: 5},
}  # fmt: skip

# The same of captures that tshark or the picking of its fields cannot read as tcpeek does: a length in
# a quotation is believed, and a fraction above a second; tunnels are not picked.
BEYOND_TSHARK: Mapping[str, Mapping[str, int]] = {
    "icmp-quote-total-minus-header.pcap": {filters.FAILURE: 1, filters.UNREACHABLE: 1, "unreach, host": 1},
    "pcap-fraction-over-a-second.pcap": {S: 1},
    "tunnel-geneve.pcap": {S: 1},
    "tunnel-gre.pcap": {S: 1},
    "tunnel-ipip-dsr.pcap": {S: 1},
    "tunnel-vxlan.pcap": {S: 1},
}

setUpModule = compare.require


@functools.cache
def dissected(path: pathlib.Path) -> Capture:
    return dissect.dissect(path)


def captures() -> list[pathlib.Path]:
    found = (path for path in FOLDER.iterdir() if path.suffix in (".pcap", ".pcapng"))
    return sorted(path for path in found if path.name not in BEYOND_TSHARK)


def prefix(address: Address, short_by: int = 0) -> str:
    """A network around an address."""
    return f"{address}/{address.max_prefixlen - short_by}"


def in_expression(network: str) -> str:
    address, _, length = network.partition("/")
    return f"[{address}]/{length}" if ":" in address else network


def settings(capture: Capture) -> list[Setting]:
    """All local, either side local, nobody, no ICMP, other times, and filters that match some."""
    plain = [
        Setting(),
        Setting(icmp=False),
        Setting(timeout_s=1, copy_window_ms=0),
        Setting(local=("198.18.0.0/15",)),
    ]
    attempts = oracle.judge(capture).attempts
    if not attempts:
        return plain
    (responder, port), _ = Counter(attempt.responder for attempt in attempts).most_common(1)[0]
    initiator = attempts[0].initiator[0]
    network = in_expression(prefix(initiator, short_by=8))
    # Wide prefixes have host bits set: they are accepted, masked and warned of.
    expressions = [
        f"port:RX@%:{port}",
        f"from:RX@{network}:1-65535",
        f"to:TX@{in_expression(prefix(responder))}:%",
        f"both:TX@198.18.0.1:7,{in_expression(prefix(responder, short_by=16))}:{port}:9",
        "none:RX@%:9",
    ]
    return [
        *plain,
        Setting(expressions),
        Setting(expressions, local=(prefix(responder),)),
        Setting(expressions, local=(prefix(initiator),)),
        Setting([*expressions, f":RX@{network}:{port}"], local=(prefix(responder), prefix(initiator))),
        Setting([f":TX@%:{port}", *expressions], more=("--threads", "2")),
    ]


class Captures(unittest.TestCase):
    maxDiff = None

    def test_tcpeek_and_the_oracle_agree(self) -> None:
        for path in captures():
            for setting in settings(dissected(path)):
                with self.subTest(path.name, words=setting.words):
                    lines = compare.differences(path, dissected(path), setting)
                    self.assertEqual(lines, [], "\n" + "\n".join(lines))

    def test_outcomes_are_those_written_down(self) -> None:
        found = {path.name: self.outcomes(path) for path in captures()}
        self.assertEqual(found, {name: dict(counts) for name, counts in OUTCOMES.items()})

    @unittest.skipIf(compare.alone(), "the oracle has no say")
    def test_what_tshark_cannot_read(self) -> None:
        for name, wanted in BEYOND_TSHARK.items():
            for threads in ("1", "2", "3"):
                told = compare.run(FOLDER / name, Setting(more=("--threads", threads)))
                counts = {label: count for label, count in told.filters["RX"].items() if count}
                self.assertEqual(counts, dict(wanted), name)

    def outcomes(self, path: pathlib.Path) -> dict[str, int]:
        attempts = oracle.judge(dissected(path)).attempts
        counts = filters.tally(attempts, (), filters.Locality()).filters["RX"]
        return {label: count for label, count in counts.items() if count}


@unittest.skipIf(compare.alone(), "of tcpeek alone")
class Inputs(unittest.TestCase):
    """The same file by other ways."""

    def test_compressed(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "compressed.pcap.gz")
            path.write_bytes(gzip.compress(COMPRESSED.read_bytes()))
            self.assertEqual(compare.differences(path, dissected(COMPRESSED), Setting()), [])

    def test_standard_input(self) -> None:
        with COMPRESSED.open("rb") as file:
            done = subprocess.run(
                [compare.binary(), "-r", "-", "-q"], stdin=file, stderr=subprocess.PIPE,
                text=True, timeout=compare.DEADLINE_S, check=True,
            )  # fmt: skip
        from_path = compare.run(COMPRESSED, Setting(icmp=False))
        self.assertEqual(compare.parse(done.stderr, []).filters, from_path.filters)


if __name__ == "__main__":
    unittest.main()
