"""Runs tcpeek on a capture file and says where it and the oracle differ.

Compared are every count of every filter in the summary, the packets it accounts for, and each
outcome that it tells as JSON. A difference is a line for people; no lines mean agreement.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import filters
import oracle
from attempt import Attempt, Cause, Result, Row, Rules
from dissect import Capture, End

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
MOST_LINES = 20

_RULE = re.compile(r"^-{36}$")
_COUNT = re.compile(r"^ {3,7}(?P<label>\S.*?) *: +(?P<count>\d+)(?: session)?$")
# Quantiles, which the events tell more exactly.
_TIMES = re.compile(r"^ {7}(handshake|SYN to S/A|S/A to ACK) *: p50 .*, p99 .*, max .*$")
_IGNORED = re.compile(r"^   ignored: (?P<count>\d+) (?P<reason>\S+)$")
# Of those why a packet is ignored: the evidence. The others tell why it was none.
_REASONS = {"icmp_about_synack": Row.ERROR_ABOUT_SYNACK}
_MARKS = ("uncertain", "half-seen", "proved late")
_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)


@dataclass(frozen=True)
class Setting:
    """tcpeek's options besides the file."""

    expressions: Sequence[str] = ()
    local: Sequence[str] = ()
    icmp: bool = True
    timeout_s: int = 60
    copy_window_ms: int = 2
    more: Sequence[str] = ()

    @property
    def words(self) -> list[str]:
        words = ["--timeout", str(self.timeout_s), "--copy-window", str(self.copy_window_ms)]
        words += ["--icmp"] if self.icmp else []
        for network in self.local:
            words += ["--local", network]
        return [*words, *self.more, "--", *self.expressions]

    @property
    def rules(self) -> Rules:
        return Rules(self.timeout_s, self.copy_window_ms, self.icmp)

    @property
    def locality(self) -> filters.Locality:
        return filters.Locality([ipaddress.ip_network(text) for text in self.local])


def binary() -> pathlib.Path:
    """The tcpeek under test: $TCPEEK, else the release build."""
    return pathlib.Path(os.environ.get("TCPEEK") or ROOT / "build" / "release" / "tcpeek").resolve()


def alone() -> bool:
    """With TCPEEK_ORACLE_ALONE=1 the oracle is held against what is written down, and tcpeek is not run."""
    return os.environ.get("TCPEEK_ORACLE_ALONE") == "1"


def require() -> None:
    """For setUpModule: skips the module, loudly, where tshark or tcpeek is missing."""
    reason = _missing()
    if reason is None or alone():
        return
    if os.environ.get("TCPEEK_REQUIRE_LIVE") == "1":
        raise RuntimeError(f"the oracle's tests are required here and cannot run: {reason}")
    print(f"\n*** ORACLE TESTS SKIPPED: {reason} ***\n", file=sys.stderr, flush=True)
    raise unittest.SkipTest(reason)


def _missing() -> str | None:
    if shutil.which("tshark") is None:
        return "tshark is missing: install it"
    if not os.access(binary(), os.X_OK):
        return f"no tcpeek binary at {binary()}: build it or set TCPEEK"
    return None


@dataclass(frozen=True)
class Told:
    """What tcpeek said of a file."""

    filters: dict[str, Counter[str]]
    packets: Counter[str]  # recv, used, ignored (some by reason, too), not local, excluded
    events: list[dict[str, Any]]


def run(path: pathlib.Path, setting: Setting) -> Told:
    command = [str(binary()), "-r", str(path), "--output", "json", *setting.words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr}")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return parse(done.stderr, events)


def parse(standard_error: str, events: list[dict[str, Any]]) -> Told:
    """The blocks of a summary: the lines between two rules, the first of which is a name."""
    blocks: list[list[str]] = []
    for line in standard_error.splitlines():
        if _RULE.match(line):
            blocks.append([])
        elif blocks and line.strip("="):
            blocks[-1].append(line)
    named = {block[0].strip(): _counts(block[1:]) for block in blocks if block[0] != " services that fail"}
    return Told(named, named.pop("pcap stats"), events)


def _counts(lines: Iterable[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for line in lines:
        if ignored := _IGNORED.match(line):
            counts["ignored"] += int(ignored["count"])
            if ignored["reason"] in _REASONS:
                counts[ignored["reason"]] += int(ignored["count"])
        elif count := _COUNT.match(line):
            counts[count["label"]] += int(count["count"])
        elif not _TIMES.match(line):
            raise AssertionError(f"not understood in the summary: {line!r}")
    return counts


def differences(path: pathlib.Path, capture: Capture, setting: Setting) -> list[str]:
    """What tcpeek counts and tells otherwise than the oracle; empty when they agree."""
    if alone():
        return []
    findings = oracle.judge(capture, setting.rules)
    told = run(path, setting)
    expected = filters.tally(findings.attempts, setting.expressions, setting.locality)
    lines = _of_filters(expected, told) + _of_packets(capture, findings, expected, told)
    lines += _of_events(_expected_events(findings.attempts, setting), told.events)
    if lines:
        command = f"tcpeek -r {path.name} --output json {' '.join(setting.words)}"
        lines.insert(0, f"{command}: tcpeek (-) and the oracle (+) differ")
    return lines


def _of_filters(expected: filters.Tally, told: Told) -> list[str]:
    if list(expected.filters) != list(told.filters):
        return [f"filters: - {list(told.filters)} + {list(expected.filters)}"]
    return [
        f"{name}: {label}: - {told.filters[name][label]} + {counts[label]}"
        for name, counts in expected.filters.items()
        for label in sorted({*counts, *told.filters[name]})
        if told.filters[name][label] != counts[label]
    ]


def _of_packets(
    capture: Capture, findings: oracle.Findings, expected: filters.Tally, told: Told
) -> list[str]:
    wanted = Counter({
        "recv": capture.packets,
        "used": findings.used,
        "ignored": capture.packets - findings.used,
        "not local": expected.not_local,
        "excluded": expected.excluded,
        **{reason: findings.rows[row] for reason, row in _REASONS.items()},
    })  # fmt: skip
    labels = sorted({*wanted, *told.packets})
    return [
        f"packets: {label}: - {told.packets[label]} + {wanted[label]}"
        for label in labels
        if told.packets[label] != wanted[label]
    ]


def _expected_events(attempts: Iterable[Attempt], setting: Setting) -> Counter[str]:
    expressions = [filters.parse(text) for text in (*filters.ALWAYS, *setting.expressions)]
    events: Counter[str] = Counter()
    for attempt in attempts:
        names = filters.matching(attempt, expressions, setting.locality)
        if names:
            events[_describe_attempt(attempt, names)] += 1
    return events


def _of_events(expected: Counter[str], told: Iterable[dict[str, Any]]) -> list[str]:
    actual = Counter(map(_describe_event, told))
    lines = sorted([f"- {event}" for event in (actual - expected).elements()]
                   + [f"+ {event}" for event in (expected - actual).elements()],
                   key=lambda line: (line[2:], line[0]))  # fmt: skip
    left_out = len(lines) - MOST_LINES
    return lines if left_out <= 0 else [*lines[:MOST_LINES], f"... and {left_out} more outcomes"]


def _describe_attempt(attempt: Attempt, names: Sequence[str]) -> str:
    return _describe(
        attempt.initiator, attempt.responder, attempt.result, attempt.cause,
        (attempt.uncertain, attempt.half_seen, attempt.late_proof), attempt.dup_syns, attempt.dup_synacks,
        attempt.first_ns // 1000, max(attempt.ended_ns - attempt.first_ns, 0) // 1000, names,
    ) + _evidence_of_attempt(attempt)  # fmt: skip


def _describe_event(event: dict[str, Any]) -> str:
    return _describe(
        _end(event["initiator"]), _end(event["responder"]), event["result"], event["cause"],
        (event["uncertain"], event["half_seen"], event["late_proof"]), event["dup_syn"], event["dup_synack"],
        _microseconds(event["time"]), round(event["duration_seconds"] * 1_000_000), event["filters"],
    ) + _evidence_of_event(event)  # fmt: skip


def _evidence_of_attempt(attempt: Attempt) -> str:
    last_ns = attempt.last_syn.time_ns if attempt.pending else attempt.last_try_ns
    tried_us = max(last_ns - attempt.first_ns, 0) // 1000
    isns = f", ISN {attempt.syn.isn}, {attempt.dup_syns + 1} tries in {_seconds(tried_us)} s"
    if attempt.cause is not Cause.UNREACHABLE or attempt.error is None:
        return isns
    return f"{isns}, {filters.says(attempt.error).replace(' ', '_')} by {attempt.error.router}"


def _evidence_of_event(event: dict[str, Any]) -> str:
    tried_us = round(event["tried_seconds"] * 1_000_000)
    isns = f", ISN {event['isn']['initiator']}, {event['tries']} tries in {_seconds(tried_us)} s"
    if "icmp" not in event:
        return isns
    return f"{isns}, {event['icmp']['reason']} by {ipaddress.ip_address(event['icmp']['router'])}"


def _describe(
    initiator: End, responder: End, result: str, cause: str, marks: Sequence[bool], dup_syns: int,
    dup_synacks: int, began_us: int, lasted_us: int, names: Sequence[str],
) -> str:  # fmt: skip
    words = [f"{_name(initiator)} > {_name(responder)}", result]
    if result != Result.PENDING:  # which has no cause, and no end to measure to
        words += [f"({cause})", f"after {_seconds(lasted_us)} s"]
    words += [word for word, marked in zip(_MARKS, marks, strict=True) if marked]
    words += [f"{dup_syns} dup SYN, {dup_synacks} dup S/A, begun at {_seconds(began_us)}, in {' '.join(names)}"]
    return " ".join(words)


def _seconds(us: int) -> str:
    return f"{us // 1_000_000}.{us % 1_000_000:06}"


def _name(end: End) -> str:
    address, port = end
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _end(told: dict[str, Any]) -> End:
    return ipaddress.ip_address(told["address"]), int(told["port"])


def _microseconds(text: str) -> int:
    return (datetime.datetime.fromisoformat(text) - _EPOCH) // datetime.timedelta(microseconds=1)
