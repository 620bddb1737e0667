"""The text of METRICS read into values, and what STATS says that they have to be."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator
from typing import Any

from monitor import Stats


def samples(text: str) -> dict[str, float]:
    """By name and labels, as they are written."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        series, value = line.split(" # ")[0].rsplit(" ", 1)
        assert series not in found, line
        found[series] = float(value)
    return found


def written(name: str, labels: dict[str, str]) -> str:
    """A series as the text has it, with labels in the order of their names."""

    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    inner = ",".join(f"{label}={quoted(value)}" for label, value in sorted(labels.items()))
    return f"{name}{{{inner}}}" if inner else name


def in_order(series: str) -> str:
    """The same for a series out of the text."""
    name, _, inner = series.partition("{")
    labels = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', inner)
    return written(name, {label: re.sub(r"\\(.)", r"\1", value) for label, value in labels})


def filter_values(entry: Any) -> Iterator[tuple[str, dict[str, str], float]]:
    """Of one filter of STATS: the metric, its labels beside the filter, and the value."""
    success, failure = entry["success"], entry["failure"]
    yield "handshakes_total", {}, entry["attempts"]
    yield "handshake_successes_total", {}, success["total"]
    yield "handshakes_evicted_total", {}, entry["evicted"]
    yield "handshakes_pending", {}, entry["pending"]
    yield "handshakes_retrying", {}, entry["retrying"]
    yield "handshake_timeouts_uncertain_total", {}, failure["timed_out"]["uncertain"]
    yield "handshake_late_synacks_total", {}, entry["late_synack"]
    for reason in ("refused", "aborted", "unreachable"):
        yield "handshake_failures_total", {"reason": reason}, failure[reason]
    yield "handshake_failures_total", {"reason": "timed_out"}, failure["timed_out"]["total"]
    for cause, count in failure["causes"].items():
        total = sum(count.values()) if isinstance(count, dict) else count
        yield "handshake_failure_causes_total", {"cause": cause}, total
    for segment in ("syn", "synack"):
        member = f"dup_{segment}_segments"
        yield "handshake_retransmits_total", {"segment": segment}, success[member] + failure[member]
    latency = entry["latency_seconds"]
    yield "handshake_duration_seconds_count", {}, latency["count"]
    yield "handshake_duration_seconds_sum", {}, latency["sum"]
    yield "handshake_duration_seconds_bucket", {"le": "+Inf"}, latency["count"]
    for leg in ("syn_to_synack", "synack_to_ack"):
        yield "handshake_leg_duration_seconds_count", {"leg": leg}, entry["legs_seconds"][leg]["count"]
        yield "handshake_leg_duration_seconds_sum", {"leg": leg}, entry["legs_seconds"][leg]["sum"]
    for state in ("unknown", "never_succeeded", "ok", "degraded", "failing"):
        yield "filter_health", {"state": state}, int(entry["state"]["is"] == state)
    if entry["state"]["since"] is not None:
        yield "filter_health_changed_timestamp_seconds", {}, seconds_of(entry["state"]["since"])


def seconds_of(moment: str) -> int:
    """As METRICS has it: to the second."""
    return math.floor(datetime.datetime.fromisoformat(moment).timestamp() + 0.5)


def queue_values(queues: Any) -> Iterator[tuple[str, dict[str, str], float]]:
    """Of accept queues, of ports with signs; none of those here has two addresses."""
    for entry in queues["ports"]:
        port = {"port": str(entry["port"])}
        told = {"unknown": "suspected"}.get(entry["kernel"], entry["kernel"])
        for state in ("confirmed", "suspected", "refuted"):
            yield "accept_queue_state", {**port, "state": state}, int(state == told)
        yield "accept_queue_unanswered", port, entry["unanswered"]
        if entry["backlog_now"] is not None:
            yield "accept_queue_length", port, entry["backlog_now"]
            yield "accept_queue_limit", port, entry["backlog_max"]
    yield "accept_queues_left_out", {}, queues["ports_left_out"]
    if queues["kernel_counters"]["known"]:
        for name in ("listen_overflows", "listen_drops", "syn_queue_drops"):
            yield f"{name}_total", {}, queues["kernel_counters"][name]


STATES = ("unknown", "never_succeeded", "ok", "degraded", "failing")  # from better to worse, as a port is told


def expected_services(top: Any) -> dict[str, float]:
    """What METRICS has of TOP, of local ports that are listed: the sum of their addresses, and the worst."""
    values: dict[str, float] = {}
    states: dict[str, tuple[int, int]] = {}
    for row in top["rows"]:
        if row["direction"] not in ("rx", "both"):
            continue
        port = str(row["responder"]["port"])
        labels = {"direction": "rx", "port": port}

        def add(name: str, value: float, **more: str) -> None:
            series = written(f"tcpeek_service_{name}", labels | more)
            values[series] = values.get(series, 0) + value

        add("handshakes_total", row["attempts"])
        add("handshake_successes_total", row["success"])
        add("handshakes_pending", row["pending"])
        add("handshakes_retrying", row["retrying"])
        add("handshakes_evicted_total", row["evicted"])
        for segment in ("syn", "synack"):
            add("handshake_retransmits_total", row[f"dup_{segment}_segments"], segment=segment)
        state = row["state"] or {"is": "unknown", "since": None}
        since = seconds_of(state["since"]) if state["since"] else 0
        states[port] = max(states.get(port, (0, 0)), (STATES.index(state["is"]), -since))
    for port, (worst, since) in states.items():
        labels = {"direction": "rx", "port": port}
        for number, state in enumerate(STATES):
            values[written("tcpeek_service_health", labels | {"state": state})] = int(number == worst)
        if since:
            values[written("tcpeek_service_health_changed_timestamp_seconds", labels)] = -since
    return values


def expected(stats: Stats) -> dict[str, float]:
    """What METRICS has of STATS, but services, buckets, and what asking changes."""
    values: dict[str, float] = {}
    for entry in stats.json["filters"]:
        if entry.get("removed"):  # a new one may have its name
            continue
        for name, labels, value in filter_values(entry):
            values[written(f"tcpeek_{name}", {"filter": entry["name"], **labels})] = value
    for entry in stats.json["interfaces"]:
        labels = {"interface": entry["name"]}
        values[written("tcpeek_capture_packets_total", labels)] = entry["packets"]
        values[written("tcpeek_capture_dropped_packets_total", labels)] = entry["dropped"]
        values[written("tcpeek_capture_interface_dropped_packets_total", labels)] = entry["if_dropped"]
        values[written("tcpeek_capture_interface_up", labels)] = int(entry["up"])
    for entry in stats.json["readers"]:
        for member in ("packets", "dropped", "freezes", "events_lost"):
            name = {"dropped": "dropped_packets", "freezes": "ring_freezes"}.get(member, member)
            values[written(f"tcpeek_reader_{name}_total", {"reader": str(entry["id"])})] = entry[member]
        for member in ("pending", "remembered", "capacity", "mailbox_depth"):
            values[written(f"tcpeek_reader_{member}", {"reader": str(entry["id"])})] = entry[member]
    for name, labels, value in queue_values(stats.json["queues"]):
        values[written(f"tcpeek_{name}", labels)] = value
    values["tcpeek_packets_used_total"] = stats.packets("used")
    for reason, count in stats.ignored.items():
        values[written("tcpeek_packets_ignored_total", {"reason": reason})] = count
    values["tcpeek_attempts_excluded_total"] = stats.json["attempts_excluded"]
    values["tcpeek_attempts_not_local_total"] = stats.json["attempts_not_local"]
    values["tcpeek_output_lines_lost_total"] = stats.json["server"]["lines_lost"]
    values[written("tcpeek_build_info", {"version": stats.json["version"]})] = 1
    return values
