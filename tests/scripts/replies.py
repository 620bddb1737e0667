"""Replies of tcpeek as it gives them, made of a few figures, for a stand-in to answer with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

NOW = 1_795_750_000.0  # 2026-11-27, where no other time is said
CAUSES = ("refused", "reset", "aborted", "half_open", "probe", "no_answer", "no_ack", "superseded", "unreachable")
COLUMNS = (
    "unix_time",
    "span_seconds",
    "attempts",
    "success",
    "refused",
    "aborted",
    "timed_out_no_answer",
    "timed_out_no_ack",
    "timed_out_superseded",
    "unreachable",
    "evicted",
    "pending",
    "retrying",
    "dup_syn_segments",
    "dup_synack_segments",
    "p50_seconds",
    "p99_seconds",
)
Json = dict[str, Any]


def moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def encoded(value: object) -> bytes:
    return json.dumps(value).encode()


def quantiles(count: int) -> Json:
    values = {"p50": 0.0004, "p90": 0.0009, "p99": 0.0123, "p999": 0.5, "max": 3.1}
    return {"count": count, "sum": 0.01 * count, **{name: value if count else None for name, value in values.items()}}


def counts(
    success: int = 0, pending: int = 0, retrying: int = 0, dup_syn: int = 0, evicted: int = 0, **causes: int
) -> Json:
    by_cause = {name: causes.get(name, 0) for name in CAUSES}
    failed = sum(by_cause.values())
    timed_out = sum(by_cause[name] for name in ("no_answer", "no_ack", "superseded"))
    return {
        "attempts": success + failed + pending + evicted,
        "pending": pending,
        "retrying": retrying,
        "success": {
            "total": success,
            "half_seen": 0,
            "late_proof": 0,
            "dup_syn": dup_syn,
            "dup_synack": 0,
            "dup_syn_segments": dup_syn,
            "dup_synack_segments": 0,
        },
        "failure": {
            "total": failed,
            "refused": by_cause["refused"] + by_cause["reset"],
            "aborted": sum(by_cause[name] for name in ("aborted", "half_open", "probe")),
            "timed_out": {
                "total": timed_out,
                "uncertain": 0,
                **{name: by_cause[name] for name in ("no_answer", "no_ack", "superseded")},
            },
            "unreachable": by_cause["unreachable"],
            "dup_syn": 0,
            "dup_synack": 0,
            "dup_syn_segments": 0,
            "dup_synack_segments": 0,
            "causes": {**by_cause, "unreachable": {"no_route": by_cause["unreachable"]}},
        },
        "evicted": evicted,
        "late_synack": 0,
        "latency_seconds": quantiles(success),
        "legs_seconds": {"syn_to_synack": quantiles(success), "synack_to_ack": quantiles(success), "ambiguous": 0},
    }


def repeating(row: Json, retrying: int, syns: int, synacks: int) -> Json:
    """A filter or a service of which as many wait, with what these have repeated."""
    waiting = {"retrying_dup_syn_segments": syns, "retrying_dup_synack_segments": synacks}
    return {**row, "pending": max(row["pending"], retrying), "retrying": retrying, **waiting}


def filter_stats(name: str, expression: str, state: str, since: float | None, **figures: int) -> Json:
    return {
        "name": name,
        "expression": expression,
        "state": {
            "is": state,
            "since": moment(since),
            "ended": 8,
            "failed": 8,
            "retried": 0,
            "before": {"is": "ok", "ended": 8000, "failed": 2, "retried": 0},
        },
        "failing_since": moment(since) if state == "failing" else None,
        "last_failure": moment(since),
        "last_success": moment(since - 1) if since and state != "never_succeeded" else None,
        **counts(**figures),
    }


def stats(
    filters: Sequence[Json],
    totals: Json,
    now: float = NOW,
    started: float = NOW - 7200,
    dropped: int = 0,
    seen: int = 100_000,
) -> Json:
    return {
        "schema": 2,
        "version": "2.0.0",
        "started": moment(started),
        "time": moment(now),
        "uptime_seconds": now - started,
        "interfaces": [
            {
                "name": "eth0",
                "link_type": "EN10MB",
                "up": True,
                "state": "up",
                "packets": seen,
                "dropped": dropped,
                "if_dropped": 0,
            }
        ],
        "filters": list(filters),
        "totals": totals,
        "packets": {"seen": seen, "dropped": dropped},
    }


def history_row(
    end: float,
    span: float = 1.0,
    success: int = 0,
    refused: int = 0,
    no_answer: int = 0,
    retrying: int = 0,
    dup_syn: int = 0,
) -> list[float | None]:
    latency: list[float | None] = [0.0004, 0.0123] if success else [None, None]
    return [
        end,
        span,
        success + refused + no_answer,
        success,
        refused,
        0,
        no_answer,
        0,
        0,
        0,
        0,
        retrying,
        retrying,
        dup_syn,
        0,
        *latency,
    ]


def history(
    rows: Mapping[str | None, tuple[list[list[float | None]], list[list[float | None]]]], now: float = NOW
) -> Json:
    """By filter, None for the totals: the rows of seconds and of minutes."""

    def series(which: int) -> list[Json]:
        return [
            {"kind": "filter" if name else "totals", "name": name, "rows": both[which]} for name, both in rows.items()
        ]

    return {
        "schema": 1,
        "time": moment(now),
        "uptime_seconds": 7200,
        "bytes": 1,
        "filters": len(rows) - 1,
        "filters_not_kept": 0,
        "columns": list(COLUMNS),
        "series": [
            {
                "kind": "filter" if name else "totals",
                "name": name,
                "removed": False,
                "failing_since": None,
                "last_failure": None,
                "last_success": None,
            }
            for name in rows
        ],
        "seconds": series(0),
        "minutes": series(1),
    }


def service(
    address: str,
    port: int,
    direction: str,
    recent: tuple[int, int],
    failing_since: float | None = None,
    last_success: float | None = NOW - 60,
    success: int = 0,
    **causes: int,
) -> Json:
    by_cause = {name: causes.get(name, 0) for name in CAUSES}
    failed = sum(by_cause.values())
    leg = {"count": success, "p50": 0.0004 if success else None, "p99": 0.0123 if success else None}
    return {
        "responder": {"address": address, "port": port},
        "direction": direction,
        "counting_since": moment(NOW - 7200),
        "failing_since": moment(failing_since),
        "attempts": success + failed,
        "pending": 0,
        "success": success,
        "failure": {"total": failed, **by_cause},
        "evicted": 0,
        "dup_syn_segments": 0,
        "dup_synack_segments": 0,
        "recent": {"attempts": recent[0], "failures": recent[1]},
        "last_success": moment(last_success),
        "last_failure": moment(failing_since),
        "legs_seconds": {"syn_to_synack": leg, "synack_to_ack": leg, "left_out": 0},
    }


def peer(by: str, name: str, attempts: int, failures: int, responder: str = "", error: int = 0) -> Json:
    row: Json = {"initiator" if by == "pair" else by: name}
    if responder:
        row["responder"] = responder
    failure = {"total": failures, "error": error, **{cause: failures if cause == "refused" else 0 for cause in CAUSES}}
    return {
        **row,
        "recent": {"attempts": attempts, "failure": failure},
        "first_failure": moment(NOW - 300),
        "last_failure": moment(NOW - 2),
    }


def top(by: str, rows: Sequence[Json], now: float = NOW, unlisted: int = 0) -> Json:
    return {
        "schema": 1,
        "time": moment(now),
        "by": by,
        "recent_seconds": {"min": 300, "max": 600},
        "rows": list(rows),
        "bounds": {"unlisted_recent_failures": unlisted, "services": len(rows), "services_displaced": 0},
    }


def finding(sentence: str, services: Sequence[tuple[str, int]], verdict: str = "there", direction: str = "tx") -> Json:
    return {
        "verdict": verdict,
        "rule": "refused_there",
        "sentence": sentence,
        "subject": {
            "text": "a service",
            "direction": direction,
            "count": len(services),
            "services": [{"address": address, "port": port} for address, port in services],
        },
        "evidence": ["8 of 8 attempts were answered by a RST from it"],
        "limits": ["a firewall on the way may have sent the RST"],
        "next": ["nc -vz 192.0.2.9 5432"],
        "figures": {},
        "since": {
            "never_worked": False,
            "counting_since": moment(NOW - 7200),
            "failing_since": moment(NOW - 600),
            "last_success": moment(NOW - 601),
            "last_failure": moment(NOW - 1),
        },
    }


def explanation(findings: Sequence[Json], doubts: Sequence[str] = ()) -> Json:
    return {
        "schema": 1,
        "time": moment(NOW),
        "summary": f"{len(findings)} things are wrong.",
        "uncertain": bool(doubts),
        "doubts": list(doubts),
        "findings": list(findings),
        "bounds": {"more_findings": 1},
    }


def outcome(
    seq: int, result: str, cause: str = "", boot: str = "b1", filters: Sequence[str] = ("TX",), **more: Any
) -> bytes:
    return (
        encoded(
            {
                "event": "outcome",
                "boot": boot,
                "seq": seq,
                "time": moment(NOW),
                "duration_seconds": 0.0004,
                "initiator": {"address": "192.0.2.1", "port": 40000},
                "responder": {"address": "2001:db8::9", "port": 5432},
                "result": result,
                "cause": cause,
                "uncertain": False,
                "tries": 1,
                "interface": "eth0",
                "filters": list(filters),
                **more,
            }
        )
        + b"\n"
    )


def change(seq: int, name: str, to: str, boot: str = "b1", of: str = "filter", was: str = "ok") -> bytes:
    return (
        encoded(
            {
                "event": "change",
                "boot": boot,
                "seq": seq,
                "time": moment(NOW),
                of: name,
                "from": was,
                "to": to,
                "ended": 4,
                "failed": 4,
                "retried": 0,
                "window_seconds": 0,
                "lasted_seconds": 7200.0,
                "failing_since": moment(NOW),
                "last_failure": moment(NOW),
                "last_success": None,
            }
        )
        + b"\n"
    )


def at(seq: int, boot: str = "b1") -> bytes:
    return encoded({"boot": boot, "at": seq}) + b"\n"


def everything(now: float = NOW) -> dict[str, Json]:
    """A host where a database refuses and the web works, by word."""
    failing = filter_stats(
        "db", "db:TX@192.0.2.0/24:5432", "failing", now - 600, success=7000, refused=40, retrying=1, pending=2
    )
    web = filter_stats("web", "web:RX@%:80:443", "ok", now - 7000, success=90_000, dup_syn=20)
    filters = [
        filter_stats("RX", "RX:RX@%:%", "ok", now - 7000, success=90_000),
        filter_stats("TX", "TX:TX@%:%", "degraded", now - 600, success=9000, refused=40),
        web,
        failing,
        filter_stats("quiet", "quiet:RX@%:9", "unknown", None),
    ]
    good = [history_row(now - 600 + n, success=5) for n in range(300)]
    bad = [history_row(now - 300 + n, refused=4, retrying=1) for n in range(301)]
    minutes = [
        history_row(now - 3600 + 60 * n, 60.0, success=300 if n < 55 else 0, refused=0 if n < 55 else 240)
        for n in range(60)
    ]
    rows = {None: (good + bad, minutes), "db": (good + bad, minutes), "web": (good, minutes[:55])}
    services = [
        service("192.0.2.9", 5432, "tx", (400, 400), now - 300, now - 301, success=7000, refused=40),
        service("2001:db8::8", 443, "tx", (10, 4), now - 200, None, no_answer=4),
        service("198.51.100.1", 80, "rx", (900, 0), success=90_000),
    ]
    return {
        "STATS": stats(filters, counts(success=99_000, refused=40, pending=3, retrying=1), now),
        "HISTORY": history(rows, now),
        "TOP": top("service", services, now, 2),
        "TOP 10 by=initiator": top(
            "initiator", [peer("initiator", "192.0.2.1", 500, 400), peer("initiator", "192.0.2.3", 9, 1)], now
        ),
        "TOP 100 by=pair": top(
            "pair",
            [peer("pair", "192.0.2.1", 500, 400, "192.0.2.9"), peer("pair", "192.0.2.3", 9, 1, "192.0.2.8")],
            now,
        ),
        "EXPLAIN": explanation(
            [finding("192.0.2.9:5432 is up and refuses: nobody listens there", [("192.0.2.9", 5432)])]
        ),
    }
