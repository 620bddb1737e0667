"""What tshark sees in a capture file: the TCP segments, and those that ICMP errors quote.

tshark decodes; this file only picks. Where tshark is lenient and tcpeek strict on purpose, the rule
is a line of `_segment`, `_refused_ip` or `_refused_tcp`, with its reason. What tshark reaches only
through headers that tcpeek does not read (a tunnel, say) is recognised by the chain of protocols that
frame.protocols gives.
"""

from __future__ import annotations

import functools
import ipaddress
import pathlib
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

DEADLINE_S = 120.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
End = tuple[Address, int]
Row = dict[str, list[str]]

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

MAX_TAGS = 8
MAX_EXTENSION_HEADERS = 8
TCP_HEADER = 20

_WRAPPED_NS = (1 << 64) * 1000  # of times in microseconds

_FIELDS = (
    "frame.time_epoch", "frame.protocols", "frame.interface_id", "sll.ifindex",
    "ip.hdr_len", "ip.len", "ip.id", "ip.src", "ip.dst",
    "ipv6.plen", "ipv6.src", "ipv6.dst",
    "ipv6.hopopts.len_oct", "ipv6.routing.len_oct", "ipv6.dstopts.len_oct", "ah.length",
    "icmp.type", "icmp.code", "icmpv6.type", "icmpv6.code",
    "tcp.srcport", "tcp.dstport", "tcp.seq", "tcp.ack_raw", "tcp.hdr_len", "tcp.len", "tcp.flags",
    "tcp.options.timestamp.tsval",
)  # fmt: skip

# Each packet by itself: no reassembly, and numbers as they stand in the header.
_PREFERENCES = (
    "ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE",
    "tcp.analyze_sequence_numbers:FALSE", "tcp.relative_sequence_numbers:FALSE",
    # A length of 0 is that of a segmentation offload.
    "ip.tso_support:TRUE", "ipv6.tso_support:TRUE",
)  # fmt: skip

_IP6 = r"ipv6(?P<{}>(?::ipv6\.(?:hopopts|routing|fraghdr|dstopts)|:ah)*)"
_CHAIN = re.compile(
    r"(?P<link>(?:eth:(?:ethertype|llc)|sll:(?:ethertype|llc)|null|raw|nflog)?"
    r"(?::(?:vlan|ieee8021ad|vntag):(?:ethertype|llc))*)"
    r"(?::pppoes:ppp|:mpls)?:?"
    r"(?:ip(?P<ah4>(?::ah)*):(?:(?P<tcp4>tcp)|(?P<icmp4>icmp:ip(?::ah)*:tcp))"
    rf"|{_IP6.format('outer')}:(?:(?P<tcp6>tcp)|(?P<icmp6>icmpv6:{_IP6.format('inner')}:tcp)))(?::|$)"
)


@dataclass(frozen=True)
class Said:
    """What an ICMP error says, and who sent it."""

    router: Address
    kind: int
    code: int


@dataclass(frozen=True)
class Segment:
    time_ns: int
    interface: int
    source: End
    destination: End
    seq: int
    ack: int = 0
    flags: int = 0
    data: int = 0  # bytes, by the IP header's word
    # What differs between two sendings of the same: the IP identification and the timestamp value.
    ip_id: int | None = None
    tsval: int | None = None
    quoted: bool = False  # by an ICMP error: nothing but the ends and `seq` is known
    error: Said | None = None  # that quotes it


@dataclass(frozen=True)
class Capture:
    packets: int
    last_ns: int  # time of the last packet, whatever it is
    segments: Sequence[Segment]


def dissect(path: pathlib.Path) -> Capture:
    rows = [_row(line) for line in _tshark(path).splitlines()]
    segments = [segment for row in rows if (segment := _segment(row)) is not None]
    return Capture(len(rows), _time_ns(rows[-1]) if rows else 0, segments)


def each_of(path: pathlib.Path) -> list[Segment | None]:
    """The segment in each packet, or nothing."""
    return [_segment(_row(line)) for line in _tshark(path).splitlines()]


def _tshark(path: pathlib.Path) -> str:
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=a"]
    for preference in _PREFERENCES:
        command += ["-o", preference]
    for field in _FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    if done.returncode != 0:
        raise RuntimeError(f"tshark -r {path}: exit status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _row(line: str) -> Row:
    values = line.split("\t")
    return {name: value.split(",") for name, value in zip(_FIELDS, values, strict=True) if value}


def _time_ns(row: Row) -> int:
    seconds, fraction = row["frame.time_epoch"][0].split(".")
    time_ns = int(seconds) * 1_000_000_000 + int(fraction)
    # Some writers put a time before 1970 into the unsigned field of a pcapng: tshark shows it wrapped.
    return time_ns - _WRAPPED_NS if time_ns > _WRAPPED_NS // 2 else time_ns


def _interface(row: Row) -> int:
    """A cooked header (v2) names the interface of each packet; else pcapng numbers them."""
    return int((row.get("sll.ifindex") or row.get("frame.interface_id") or ["0"])[0])


@functools.lru_cache(maxsize=65536)
def _address(text: str) -> Address:
    return ipaddress.ip_address(text)


def _segment(row: Row) -> Segment | None:
    chain = _CHAIN.match(row.get("frame.protocols", [""])[0])
    # More tags than anybody stacks: not read.
    if chain is None or _tags(chain["link"]) > MAX_TAGS:
        return None
    if _refused_ip(row, 0, chain["outer"]):
        return None
    if chain["tcp4"] or chain["tcp6"]:
        return _plain(row, "ip" if chain["tcp4"] else "ipv6", chain["outer"] or chain["ah4"] or "")
    return _quoted(row, "ip" if chain["icmp4"] else "ipv6", chain["inner"])


def _tags(link: str) -> int:
    return sum(link.count(tag) for tag in ("vlan", "8021ad", "vntag"))


def _refused_ip(row: Row, which: int, extensions: str | None) -> bool:
    """`which`: 0 is the packet, 1 the one it quotes; `extensions` is nothing for IPv4."""
    if extensions is None:
        return False
    # A mapped address (RFC 4291 2.5.5.2) is no address on a wire: it would pass for the IPv4 one.
    mapped = any(_is_mapped(_at(row, f"ipv6.{side}", which)) for side in ("src", "dst"))
    return mapped or extensions.count(":") > MAX_EXTENSION_HEADERS


def _is_mapped(text: str) -> bool:
    address = _address(text)
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None


def _at(row: Row, name: str, which: int) -> str:
    return row[name][which]


def _extensions_length(row: Row, chain: str) -> int:
    """Of the outer packet's extension headers: the first values of each field are theirs."""
    lengths = {
        "ah": [(int(units) + 2) * 4 for units in row.get("ah.length", [])],
        "ipv6.fraghdr": [8] * MAX_EXTENSION_HEADERS,
    }
    for name in ("ipv6.hopopts", "ipv6.routing", "ipv6.dstopts"):
        lengths[name] = [int(octets) for octets in row.get(f"{name}.len_oct", [])]
    names = chain.split(":")[1:]
    return sum(sum(lengths[name][: names.count(name)]) for name in set(names))


def _ip_payload(row: Row, family: str, chain: str) -> int:
    if family == "ip":
        return int(row["ip.len"][0]) - int(row["ip.hdr_len"][0]) - _extensions_length(row, chain)
    if row["ipv6.plen"][0] == "0":  # as long as it was on the wire
        return int(row["tcp.hdr_len"][0]) + int(row["tcp.len"][0])
    return int(row["ipv6.plen"][0]) - _extensions_length(row, chain)


def _refused_tcp(header: int, payload: int) -> bool:
    # The data offset lies, or a first fragment does not hold the whole header (RFC 1858).
    return header < TCP_HEADER or header > payload


def _plain(row: Row, family: str, chain: str) -> Segment | None:
    if "tcp.flags" not in row:  # the capture, a fragment or the IP packet ends before them
        return None
    header = int(row["tcp.hdr_len"][0])
    payload = _ip_payload(row, family, chain)
    if _refused_tcp(header, payload):
        return None
    return Segment(
        _time_ns(row), _interface(row), _end(row, family, "src", 0), _end(row, family, "dst", 0),
        int(row["tcp.seq"][0]), int(row["tcp.ack_raw"][0]), int(row["tcp.flags"][0], 16), payload - header,
        int(row["ip.id"][0], 16) if family == "ip" else None, _timestamp(row),
    )  # fmt: skip


def _timestamp(row: Row) -> int | None:
    values = row.get("tcp.options.timestamp.tsval")
    return int(values[0]) if values else None


def _end(row: Row, family: str, side: str, which: int) -> End:
    return _address(row[f"{family}.{side}"][which]), int(row[f"tcp.{side}port"][0])


def _quoted(row: Row, family: str, inner: str | None) -> Segment | None:
    if not _tells_unreachable(row, family) or _refused_ip(row, 1, inner):
        return None
    if "tcp.seq" not in row:  # fewer than the 8 bytes that RFC 792 promises
        return None
    return Segment(
        _time_ns(row), _interface(row), _end(row, family, "src", 1), _end(row, family, "dst", 1),
        int(row["tcp.seq"][0]), quoted=True, error=_said(row, family),
    )  # fmt: skip


def _said(row: Row, family: str) -> Said:
    icmp = "icmpv6" if family == "ipv6" else "icmp"
    return Said(_address(row[f"{family}.src"][0]), int(row[f"{icmp}.type"][0]), int(row[f"{icmp}.code"][0]))


def _tells_unreachable(row: Row, family: str) -> bool:
    """Destination unreachable, time exceeded, parameter problem: what Linux ends an attempt on."""
    if family == "ipv6":
        return row["icmpv6.type"][0] in ("1", "3", "4")
    kind, code = row["icmp.type"][0], row["icmp.code"][0]
    return kind in ("11", "12") or (kind == "3" and code != "4")
