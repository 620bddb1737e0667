"""Those who ask while a soak runs: every word that tells of counts, once a second; scrapers of METRICS, a hundred
times a second; and somebody who reloads. Each looks at what it is told, and notes how long that took."""

from __future__ import annotations

import itertools
import json
import pathlib
import re
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import live  # noqa: F401  (the path to tests/live)

import lab
from companion import Ending
import monitor
from monitor import Monitor

Times = dict[str, list[float]]  # seconds, by what was asked

TOP_KINDS = ("service", "initiator", "pair", "network")
DELTA_EVERY_S = {"each": 1, "second": 2, "fifth": 5, "late": 30}  # names, and how often each is asked
COUNTED = ("attempts", "success", "evicted")
SCRAPERS = 4
SCRAPES_A_SECOND = 100
SERIES = ("handshakes_total", "handshake_successes_total", "handshakes_evicted_total", "handshakes_pending")


def ask(path: pathlib.Path, word: str) -> bytes:
    """The whole reply; one that did not come is a failure."""
    reply = monitor.ask(path, f"{word}\n".encode())
    if not reply:
        raise AssertionError(f"{word} was not answered")
    return reply


class Questions:
    """Asks each word each second, and adds up what the names of DELTA are told."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self.times: Times = defaultdict(list)
        self.sums: dict[str, dict[str, int]] = {}

    def run(self, ending: Ending) -> tuple[Times, dict[str, dict[str, int]]]:
        for second in itertools.count():
            due = time.monotonic() + 1
            if ending.has_come():
                break
            self._one_round(second)
            time.sleep(max(0.0, due - time.monotonic()))
        for name in DELTA_EVERY_S:
            self._add(name)
        return dict(self.times), self.sums

    def _one_round(self, second: int) -> None:
        for kind in TOP_KINDS:
            rows = self._json(f"TOP 20 by={kind}")["rows"]
            assert len(rows) <= 20, rows
        series = self._json("HISTORY 60" if second % 10 else "HISTORY")["series"]
        assert series[0]["kind"] == "totals", series
        assert len(self._json("EXPLAIN")["findings"]) <= 3
        for name, every in DELTA_EVERY_S.items():
            if second % every == 0:
                self._add(name)

    def _json(self, words: str) -> Any:
        begun = time.monotonic()
        reply = ask(self._path, words)
        self.times[words.split(" ", 1)[0]].append(time.monotonic() - begun)
        read = json.loads(reply)
        assert "error" not in read, f"{words}: {read}"
        return read

    def _add(self, name: str) -> None:
        """What is told to one that was forgotten is since the start again."""
        read = self._json(f"DELTA {name}")
        totals = read["totals"]
        told = {"attempts": totals["attempts"], "success": totals["success"]["total"], "evicted": totals["evicted"]}
        before = self.sums.get(name, {})
        self.sums[name] = told if read["delta"]["first"] else {word: before[word] + told[word] for word in COUNTED}


def check_metrics(text: str, filter_name: str) -> None:
    """It is whole, and of one moment: what was attempted has ended, or is pending."""
    assert text.endswith("# EOF\n"), text[-200:]
    only = re.escape(f'{{filter="{filter_name}"')
    found = {name: int(value) for name, value in re.findall(rf"^tcpeek_(\w+){only}}} (\d+)", text, re.MULTILINE)}
    failures = re.findall(rf"^tcpeek_handshake_failures_total{only}[^}}]*}} (\d+)", text, re.MULTILINE)
    attempts, *others = (found[name] for name in SERIES)
    assert failures and attempts == sum(others) + sum(map(int, failures)), f"{found}, failures {failures}"


class Scrapers:
    """On as many threads as there are scrapers, half of them by the socket, half by HTTP on the loopback."""

    def __init__(self, network: lab.Lab, path: pathlib.Path, port: int, filter_name: str) -> None:
        self._network = network
        self._path = path
        self._port = port
        self._filter_name = filter_name
        self._end = threading.Event()
        self._errors: list[BaseException] = []
        self._times: Times = {"METRICS": [], "/metrics": []}

    def run(self, ending: Ending) -> Times:
        threads = [
            threading.Thread(target=self._scrape, args=(turn, word, [self._by_socket, self._by_http][turn % 2]))
            for turn, word in enumerate(("METRICS", "/metrics") * (SCRAPERS // 2))
        ]
        for thread in threads:
            thread.start()
        while not ending.has_come() and not self._errors:
            self._end.wait(0.1)
        self._end.set()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]
        return self._times

    def _scrape(self, turn: int, word: str, once: Callable[[], bytes]) -> None:
        """At its pace; who is late goes on from there."""
        pause = SCRAPERS / SCRAPES_A_SECOND
        due = time.monotonic() + turn * pause / SCRAPERS
        try:
            while not self._end.is_set():
                begun = time.monotonic()
                text = once()
                self._times[word].append(time.monotonic() - begun)
                check_metrics(text.decode(), self._filter_name)
                due = max(due + pause, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))
        except BaseException as error:  # noqa: BLE001
            self._errors.append(error)

    def _by_socket(self) -> bytes:
        return ask(self._path, "METRICS openmetrics")

    def _by_http(self) -> bytes:
        with self._network.host.connect("127.0.0.1", self._port) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text\r\n\r\n")
            reply = b""
            while chunk := client.recv(1 << 18):
                reply += chunk
        head, _, body = reply.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head[:200]
        return body


class Reloads:
    """Filters that change each second: some stay, some come and go, and one begins anew."""

    def __init__(self, network: lab.Lab, monitor: Monitor, staying: dict[str, str]) -> None:
        self._monitor = monitor
        self._config = network.folder / "soak.conf"
        self._staying = staying
        self.times: list[float] = []

    def step(self) -> None:
        turn = len(self.times)
        filters = {**self._staying, f"turn{turn % 5}": "RX@%:80", "anew": ("RX@%:80", "RX@%:79-80")[turn % 2]}
        lines = [f'{name} = "{expression}"' for name, expression in filters.items()]
        if turn % 2:
            lines.append('exclude = ["TX@%:9"]')
        head = ['local = ["203.0.113.0/24"]'] if turn % 3 else []
        self._config.write_text("\n".join([*head, "[filters]", *lines, ""]), encoding="utf-8")
        begun = time.monotonic()
        words = [str(lab.binary()), "-U", str(self._monitor.socket_path), "--config", str(self._config), "--reload"]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=lab.DEADLINE_S)
        self.times.append(time.monotonic() - begun)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert done.stdout.startswith("reloaded: ") and "added (" in done.stdout, done.stdout
        time.sleep(max(0.0, begun + 1 - time.monotonic()))
