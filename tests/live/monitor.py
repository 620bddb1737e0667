"""The tcpeek under test: started in a namespace, asked over its socket, ended by a signal.

Its output goes to files, so it never waits for the test to read. `Stats` is one STATS reply with
the counts of a filter flattened to the words the tests use.
"""

from __future__ import annotations

import contextlib
import json
import pathlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lab

# What tests call a count, and where STATS keeps it in a filter or in the totals.
COUNT_PATHS: Mapping[str, str] = {
    "attempts": "attempts",
    "pending": "pending",
    "success": "success.total",
    "half_seen": "success.half_seen",
    "late_proof": "success.late_proof",
    "dup_syn": "success.dup_syn",
    "dup_synack": "success.dup_synack",
    "dup_syn_segments": "success.dup_syn_segments",
    "dup_synack_segments": "success.dup_synack_segments",
    "refused": "failure.refused",
    "aborted": "failure.aborted",
    "no_answer": "failure.timed_out.no_answer",
    "no_ack": "failure.timed_out.no_ack",
    "superseded": "failure.timed_out.superseded",
    "uncertain": "failure.timed_out.uncertain",
    "unreachable": "failure.unreachable",
    "failed_dup_syn": "failure.dup_syn",
    "failed_dup_synack": "failure.dup_synack",
    "failed_dup_syn_segments": "failure.dup_syn_segments",
    "failed_dup_synack_segments": "failure.dup_synack_segments",
    "evicted": "evicted",
    "late_synack": "late_synack",
    "timed_handshakes": "latency_seconds.count",
}

Counts = dict[str, int]

# Of each reader. A block is handed over 10 ms after its first packet, however little is in it, so these 128 blocks take
# what trickles in for more than a second while the reader is given no processor.
RING_MIB = 32

# With --icmp, the reports by which every IPv6 host joins multicast groups (RFC 3810) pass the kernel
# filter, since it cannot look behind their extension header. Where packets are counted exactly, they
# are kept out.
ICMP = ("--icmp", "--bpf", "not ether multicast")


def _at(tree: Any, path: str) -> Any:
    for member in path.split("."):
        tree = tree[member]
    return tree


def _counts(tree: Any) -> Counts:
    counts = {name: int(_at(tree, path)) for name, path in COUNT_PATHS.items()}
    timed_out = counts["no_answer"] + counts["no_ack"] + counts["superseded"]
    assert _at(tree, "failure.timed_out.total") == timed_out, tree
    failures = timed_out + counts["refused"] + counts["aborted"] + counts["unreachable"]
    assert _at(tree, "failure.total") == failures, tree
    causes = _at(tree, "failure.causes")
    assert sum(causes["unreachable"].values()) == counts["unreachable"], tree
    assert sum(n for n in causes.values() if isinstance(n, int)) == failures - counts["unreachable"], tree
    retrying = _at(tree, "retrying")
    assert 0 <= retrying <= counts["pending"], tree
    repeated = _at(tree, "retrying_dup_syn_segments") + _at(tree, "retrying_dup_synack_segments")
    assert retrying <= repeated <= 2 * 254 * retrying, tree
    legs = _at(tree, "legs_seconds")
    assert legs["syn_to_synack"]["count"] == legs["synack_to_ack"]["count"], tree
    assert legs["syn_to_synack"]["count"] + legs["ambiguous"] == counts["timed_handshakes"], tree
    return counts


def difference(later: Counts, earlier: Counts) -> Counts:
    """What grew or fell, without what stayed."""
    return {name: later[name] - earlier.get(name, 0) for name in later if later[name] != earlier.get(name, 0)}


class Stats:
    """One STATS reply."""

    def __init__(self, reply: bytes) -> None:
        self.json: Any = json.loads(reply)
        if self.json["schema"] != 2:
            raise AssertionError(f"STATS has schema {self.json['schema']}")
        self.filters: dict[str, Counts] = {
            entry["name"]: _counts(entry) for entry in self.json["filters"]
        }
        self.totals = _counts(self.json["totals"])
        self.ignored: Counts = dict(self.json["packets"]["ignored"])

    def packets(self, name: str) -> int:
        return int(self.json["packets"][name])

    def other(self) -> Counts:
        """The counts that belong to no filter."""
        return {
            "excluded": self.json["attempts_excluded"],
            "not_local": self.json["attempts_not_local"],
            "syn_copies": self.json["copies"]["syn"],
            "synack_copies": self.json["copies"]["synack"],
            "late_syns": self.json["late_syns"],
            "stray_syns": self.json["stray_syns"],
        }

    def settled(self) -> bool:
        """Nothing is on its way between the kernel and the counts."""
        return self.packets("in_ring") == 0 and self.packets("in_mailboxes") == 0

    def check_accounting(self) -> None:
        """Every identity of the program, computed here and as it claims itself."""
        for name, counts in [("totals", self.totals), *self.filters.items()]:
            accounted = sum(
                counts[outcome]
                for outcome in (
                    "success", "refused", "aborted", "no_answer", "no_ack", "superseded", "unreachable",
                    "evicted", "pending",
                )
            )  # fmt: skip
            assert counts["attempts"] == accounted, f"{name}: {counts}"
            assert min(counts.values()) >= 0, f"{name}: {counts}"
        packets = self.json["packets"]
        assert packets["seen"] == packets["delivered"] + packets["dropped"] + packets["in_ring"], packets
        ignored = sum(self.ignored.values())
        assert packets["delivered"] == packets["used"] + ignored + packets["in_mailboxes"], packets
        accounting = self.json["accounting"]
        claims = [accounting["attempts"], accounting["seen"], accounting["delivered"], *accounting["filters"]]
        assert all(claim["holds"] for claim in claims), accounting


@dataclass(frozen=True)
class Finished:
    """What a tcpeek that has ended left behind."""

    status: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return self.stdout + self.stderr


def ask(path: pathlib.Path, request: bytes, seconds: float = lab.DEADLINE_S, *, end_of_input: bool = False) -> bytes:
    """The whole reply. tcpeek closes a client that has not asked a second after it came; one that the machine has kept
    from it comes again."""
    while True:
        begun = time.monotonic()
        reply = b""
        with socket.socket(socket.AF_UNIX) as client:
            # Waits where others queue; with a timeout connect() would not.
            client.connect(str(path))
            client.settimeout(seconds)
            try:
                client.sendall(request)
                asked_in_time = time.monotonic() - begun < 0.5
                if end_of_input:
                    client.shutdown(socket.SHUT_WR)
                while chunk := client.recv(65536):
                    reply += chunk
            except ConnectionError:
                if time.monotonic() - begun < 0.5:
                    raise
                continue
        if reply or asked_in_time:
            return reply


def command(*options: str, binary: pathlib.Path | None = None) -> list[str]:
    return [str(binary or lab.binary()), *options]


def run_to_end(namespace: lab.Namespace, words: Sequence[str], seconds: float = lab.DEADLINE_S) -> Finished:
    """Runs a command that is expected to end by itself."""
    done = subprocess.run(
        namespace.command(*words), capture_output=True, text=True, check=False, timeout=seconds
    )
    return Finished(done.returncode, done.stdout, done.stderr)


class Monitor:
    """A running tcpeek. Use as a context manager: it is ready inside, gone outside."""

    def __init__(
        self,
        network: lab.Lab,
        *options: str,
        interfaces: Sequence[str] = ("veth0",),
        namespace: lab.Namespace | None = None,
        name: str = "monitor",
        ring_mib: int | None = RING_MIB,
        launcher: Sequence[str] = (),
        binary: pathlib.Path | None = None,
    ) -> None:
        self.socket_path = network.folder / f"{name}.sock"
        self._out_path = network.folder / f"{name}.out"
        self._err_path = network.folder / f"{name}.err"
        self._namespace = namespace or network.host
        self._words = [*launcher, *command("-U", str(self.socket_path), binary=binary)]
        for interface in interfaces:
            self._words += ["-i", interface]
        if ring_mib is not None:
            self._words += ["-B", str(ring_mib)]
        self._words += options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Monitor:
        with open(self._out_path, "wb") as out, open(self._err_path, "wb") as err:
            self._process = subprocess.Popen(
                self._namespace.command(*self._words), stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        try:
            lab.wait_for(self._answers, f"{self._words} answers on its socket")
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._process is None or self._process.poll() is not None:
            return
        if kind is not None:
            self._kill()
            return
        finished = self.stop()
        assert finished.status == 0, finished

    def _answers(self) -> bool:
        process = self.process
        if process.poll() is not None:
            raise AssertionError(f"{self._words} ended with {process.returncode}: {self.stderr()}")
        try:
            return self.ask("GET").startswith(b"[")
        except OSError:
            return False

    def _kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "not started"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    def stdout(self) -> str:
        return self._out_path.read_text(encoding="utf-8")

    def stderr(self) -> str:
        return self._err_path.read_text(encoding="utf-8")

    def ask_raw(self, request: bytes, *, end_of_input: bool = False) -> bytes:
        return ask(self.socket_path, request, end_of_input=end_of_input)

    def ask(self, word: str) -> bytes:
        return ask(self.socket_path, f"{word}\r\n".encode())

    def stats(self) -> Stats:
        return Stats(self.ask("STATS"))

    def wait_delivered(self, packets: int) -> Stats:
        """Waits until exactly this many packets since the start came out of the rings."""
        latest = self.stats()
        deadline = time.monotonic() + lab.DEADLINE_S
        while not (latest.packets("delivered") >= packets and latest.settled()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited for {packets} packets: {latest.json['packets']}")
            time.sleep(0.01)
            latest = self.stats()
        assert latest.packets("delivered") == packets, f"{packets} packets were sent: {latest.json['packets']}"
        return latest

    def wait_counts(self, expected: Mapping[str, int], filter_name: str | None = None) -> Stats:
        """Waits until the totals, or a filter, show at least these counts."""
        latest: list[Stats] = []

        def reached() -> bool:
            latest[:] = [self.stats()]
            counts = latest[0].filters[filter_name] if filter_name else latest[0].totals
            return all(counts[name] >= count for name, count in expected.items())

        try:
            lab.wait_for(reached, f"{dict(expected)}")
        except AssertionError as error:
            raise AssertionError(f"{error}; STATS: {latest[0].json}; said: {self.stderr()}") from None
        return latest[0]

    def stop(self, number: signal.Signals = signal.SIGINT) -> Finished:
        self.process.send_signal(number)
        try:
            self.process.wait(lab.DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._kill()
            raise AssertionError(f"{self._words} did not end on {number.name}: {self.stderr()}") from None
        return Finished(self.process.returncode, self.stdout(), self.stderr())


@contextlib.contextmanager
def stopped(monitor: Monitor) -> Iterator[None]:
    """tcpeek does not run meanwhile; the kernel goes on filling its rings."""
    monitor.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        monitor.process.send_signal(signal.SIGCONT)
