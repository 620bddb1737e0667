"""Filter expressions, asked one after the other, and the counts of each by the words of the summary."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from attempt import Attempt, Cause, Result
from dissect import Address, End

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ANY = ("%", "*")

ALWAYS = ("RX:RX@%:%", "TX:TX@%:%")

SUCCESS = "Success"
SUCCESS_DUP_SYN = "SYN Segment Duplicate"
SUCCESS_DUP_SYNACK = "S/A Segment Duplicate"
FAILURE = "Failure"
TIMED_OUT = "Connection Timed Out"
REJECTED = "Connection Rejected"
UNREACHABLE = "ICMP Unreachable"
HALF_SEEN = "success, S/A never seen"
LATE_PROOF = "success, proved late"
LATE_SYNACK = "success, S/A afterwards"
NO_ANSWER = "timed out, no answer"
NO_ACK = "timed out, no ACK"
UNCERTAIN = "timed out, uncertain"
SUPERSEDED = "timed out, superseded"
RESET = "rejected after S/A"
ABORTED = "rejected by initiator"
HALF_OPEN = "of those, half-open"
PROBE = "of those, probes"
FAILURE_DUP_SYN = "failed with SYN dup."
FAILURE_DUP_SYNACK = "failed with S/A dup."
PENDING = "Pending"

_BY_CAUSE = {
    Cause.REFUSED: (REJECTED,),
    Cause.RESET: (REJECTED, RESET),
    Cause.ABORTED: (REJECTED, ABORTED),
    Cause.HALF_OPEN: (REJECTED, ABORTED, HALF_OPEN),
    Cause.PROBE: (REJECTED, ABORTED, PROBE),
    Cause.NO_ANSWER: (TIMED_OUT, NO_ANSWER),
    Cause.NO_ACK: (TIMED_OUT, NO_ACK),
    Cause.SUPERSEDED: (TIMED_OUT, SUPERSEDED),
    Cause.UNREACHABLE: (UNREACHABLE,),
}


@dataclass(frozen=True)
class Term:
    network: Network | None  # nothing: any address
    ports: Sequence[tuple[int, int]]

    def matches(self, remote: Address, port: int) -> bool:
        address_fits = self.network is None or remote in self.network
        return address_fits and any(first <= port <= last for first, last in self.ports)


@dataclass(frozen=True)
class Filter:
    name: str  # empty: it excludes
    direction: str
    terms: Sequence[Term]

    def matches(self, attempt: Attempt, locality: Locality) -> bool:
        local, remote = attempt.responder, attempt.initiator
        if self.direction == "TX":
            local, remote = remote, local
        port = attempt.responder[1]
        return locality.is_local(local) and any(term.matches(remote[0], port) for term in self.terms)


@dataclass(frozen=True)
class Locality:
    """The networks told by --local; without any, both ends of everything are local."""

    networks: Sequence[Network] = ()

    def is_local(self, end: End) -> bool:
        return not self.networks or any(end[0] in network for network in self.networks)


@dataclass(frozen=True)
class Tally:
    filters: dict[str, Counter[str]]
    not_local: int
    excluded: int


def parse(text: str) -> Filter:
    name, _, rest = text.partition(":")
    direction, _, terms = rest.partition("@")
    return Filter(name, direction, [_term(term) for term in terms.split(",")])


def _term(text: str) -> Term:
    if text.startswith("["):  # the prefix length stands inside the brackets or behind them
        address, _, rest = text[1:].partition("]")
        length, _, ports = rest.partition(":")
        address += length
    else:
        address, _, ports = text.partition(":")
    network = None if address in ANY else ipaddress.ip_network(address, strict=False)
    return Term(network, [_ports(port) for port in ports.split(":")])


def _ports(text: str) -> tuple[int, int]:
    if text in ANY:
        return 0, 65535
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def tally(attempts: Iterable[Attempt], expressions: Sequence[str], locality: Locality) -> Tally:
    filters = [parse(text) for text in (*ALWAYS, *expressions)]
    counts: dict[str, Counter[str]] = {each.name: Counter() for each in filters if each.name}
    not_local = excluded = 0
    for attempt in attempts:
        names = matching(attempt, filters, locality)
        for name in names:
            _count(counts[name], attempt)
        if not names:
            neither = not (locality.is_local(attempt.initiator) or locality.is_local(attempt.responder))
            not_local += neither
            excluded += not neither
    return Tally(counts, not_local, excluded)


def matching(attempt: Attempt, filters: Iterable[Filter], locality: Locality) -> list[str]:
    """The names of the filters that an attempt counts in: none if one without a name matches."""
    names = [each.name for each in filters if each.matches(attempt, locality)]
    return [] if "" in names else names


def _count(counts: Counter[str], attempt: Attempt) -> None:
    counts[LATE_SYNACK] += attempt.late_synacks
    if attempt.pending:
        counts[PENDING] += 1
        return
    success = attempt.result is Result.SUCCESS
    counts[SUCCESS if success else FAILURE] += 1
    counts[SUCCESS_DUP_SYN if success else FAILURE_DUP_SYN] += attempt.dup_syns > 0
    counts[SUCCESS_DUP_SYNACK if success else FAILURE_DUP_SYNACK] += attempt.dup_synacks > 0
    counts[HALF_SEEN] += attempt.half_seen
    counts[LATE_PROOF] += attempt.late_proof
    counts[UNCERTAIN] += attempt.uncertain
    for label in _BY_CAUSE.get(attempt.cause, ()):
        counts[label] += 1
