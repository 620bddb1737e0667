"""What it prints: first lines, live lines, the summary, JSON lines; and how it ends."""

import datetime
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import unittest
from typing import ClassVar

import lab
from conversation import RX4, RX6, TX4, TX6, Conversation, Position, pause
from lab import Lab, Wire
from monitor import ICMP, RING_MIB, Finished, Monitor, ask

HEADER = (
    " TIME(s) |       TIMESTAMP       |      SRC IP:PORT            DST IP:PORT     "
    "|      RESULTS      | DUP SYN  DUP S/A"
)
RULE = "-" * 118

TIME = r"(?P<time>[ \d]{4}\.\d{3})"
STAMP = r"(?P<stamp>\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3})"
RESULTS = {
    "success": "     success     ",
    "timeout": "failure (timeout)",
    "reject": "failure (reject) ",
    "unreach": "failure (unreach)",
}

setUpModule = lab.require


def live_line(talk: Conversation, result: str, dup_syn: int = 0, dup_synack: int = 0) -> re.Pattern[str]:
    """The line of the original, column by column; IPv6 only widens the addresses."""
    source, destination = str(talk.position.initiator), str(talk.position.responder)
    if talk.position.host.version == 6:
        source, destination = f"[{source}]", f"[{destination}]"
    ends = re.escape(f"{source:>15}:{talk.initiator_port:<5} {destination:>15}:{talk.responder_port:<5}")
    return re.compile(
        rf"^{TIME} \| {STAMP} \| {ends} \| {re.escape(RESULTS[result])} \| {dup_syn:7}  {dup_synack:7} ?$",
        re.MULTILINE,
    )


class Outcomes:
    """One attempt of every result, in RX and TX and both families."""

    def __init__(self, wire: Wire) -> None:
        self.success = Conversation(wire, RX4)
        self.repeated = Conversation(wire, TX6)
        self.refused = Conversation(wire, TX4)
        self.aborted = Conversation(wire, RX6)
        self.lost = Conversation(wire, RX4)
        self.unanswered = Conversation(wire, TX4, responder_port=9)

    def play(self) -> None:
        self.success.succeed()
        for step in ("syn", "syn", "synack", "synack", "synack"):
            getattr(self.repeated, step)()
            pause()
        self.repeated.ack()
        self.refused.syn()
        self.refused.refuse()
        self.aborted.syn()
        self.aborted.abort()
        self.lost.unreachable(self.lost.syn())
        self.unanswered.syn()

    def played(self, monitor: Monitor) -> None:
        self.play()
        monitor.wait_counts({"success": 2, "refused": 1, "aborted": 1, "unreachable": 1, "no_answer": 1})

    def expected(self) -> list[tuple[Conversation, str, int, int]]:
        return [
            (self.success, "success", 0, 0),
            (self.repeated, "success", 1, 2),
            (self.refused, "reject", 0, 0),
            (self.aborted, "reject", 0, 0),
            (self.lost, "unreach", 0, 0),
            (self.unanswered, "timeout", 0, 0),
        ]


class Output(unittest.TestCase):
    network: ClassVar[Lab]
    wire: ClassVar[Wire]

    @classmethod
    def setUpClass(cls) -> None:
        cls.network = cls.enterClassContext(Lab())
        cls.wire = cls.network.wire()

    def run_outcomes(self, *options: str, end: signal.Signals = signal.SIGINT) -> tuple[Outcomes, Finished]:
        # As long as an ICMP error takes to be final, so that no attempt ends while it is being played.
        with Monitor(self.network, *ICMP, "--timeout", "3", *options, "web:RX@%:80") as monitor:
            outcomes = Outcomes(self.wire)
            outcomes.played(monitor)
            return outcomes, monitor.stop(end)

    def test_live_lines(self) -> None:
        before = datetime.datetime.now()
        outcomes, finished = self.run_outcomes()
        self.assertEqual(finished.status, 0)
        lines = finished.stderr.splitlines()
        self.assertIn(HEADER, lines)
        self.assertEqual(lines[lines.index(HEADER) + 1], RULE)
        for talk, result, dup_syn, dup_synack in outcomes.expected():
            pattern = live_line(talk, result, dup_syn, dup_synack)
            found = pattern.search(finished.stderr)
            self.assertIsNotNone(found, f"{pattern.pattern} in\n{finished.stderr}")
            assert found is not None
            stamp = datetime.datetime.strptime(found["stamp"], "%y-%m-%d %H:%M:%S.%f")
            self.assertLess(abs(stamp - before), datetime.timedelta(minutes=2))
            if result == "timeout":
                self.assertGreaterEqual(float(found["time"]), 3.0)
        self.assertEqual(finished.stderr.count(" | failure (") + finished.stderr.count(" |      success"), 6)

    def test_ipv6_moves_nothing_else(self) -> None:
        """Every column but the addresses is as wide as in an IPv4 line."""
        _, finished = self.run_outcomes()
        lines = [line for line in finished.stderr.splitlines() if re.match(TIME + " \\| ", line)]
        self.assertEqual(len(lines), 6)
        shapes = {tuple(len(column) for n, column in enumerate(line.rstrip().split("|")) if n != 2) for line in lines}
        self.assertEqual(len(shapes), 1, finished.stderr)

    def test_first_lines_say_what_is_captured(self) -> None:
        with Monitor(self.network, "--threads", "2", "--bpf", "port 80") as monitor:
            first = monitor.stderr().splitlines()[:2]
            finished = monitor.stop()
        text = "\n".join(first)
        for word in ("veth0", "EN10MB", f"{RING_MIB} MiB", "2 readers", "port 80"):
            self.assertIn(word, text, finished.stderr)

    def test_quiet(self) -> None:
        _, finished = self.run_outcomes("-q")
        self.assertNotIn("failure (", finished.text)
        self.assertNotIn("TIMESTAMP", finished.text)
        self.assertIn("TCPEEK SUMMARY", finished.text)

    def test_summary(self) -> None:
        for end in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(end.name):
                start = datetime.datetime.now().replace(microsecond=0)
                _, finished = self.run_outcomes(end=end)
                self.assertEqual(finished.status, 0)
                self._check_summary(finished.text, start)

    def _check_summary(self, text: str, start: datetime.datetime) -> None:
        lines = text[text.index("========== TCPEEK SUMMARY ==========") :].splitlines()
        times = []
        for line, name in zip(lines[1:3], ("from", "to"), strict=True):
            found = re.fullmatch(rf"{name:>9} : (\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d)", line)
            self.assertIsNotNone(found, line)
            assert found is not None
            times.append(datetime.datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S"))
        self.assertLessEqual(start, times[0])
        self.assertLessEqual(times[0], times[1])
        self.assertLessEqual(times[1], datetime.datetime.now())
        self.assertRegex(lines[3], r"^     time : [ \d]{9}\.\d{3} \(sec\)$")
        self.assertEqual(lines[-1], "=" * 36)
        blocks = "\n".join(lines[4:-1]).split("-" * 36 + "\n")[1:]
        names = [block.splitlines()[0] for block in blocks]
        self.assertEqual(names, [" RX", " TX", " web", " pcap stats", " services that fail"])
        for block, numbers in zip(
            blocks, ((1, 0, 0, 2, 0, 1, 1), (1, 1, 1, 2, 1, 1, 0), (0, 0, 0, 0, 0, 0, 0)), strict=False
        ):
            success, dup_syn, dup_synack, failure, timeout, reject, unreach = numbers
            self._assert_in_order(
                block,
                f"   Success: {success} session",
                f"     SYN Segment Duplicate : {dup_syn:6}",
                f"     S/A Segment Duplicate : {dup_synack:6}",
                f"   Failure: {failure} session",
                f"     Connection Timed Out  : {timeout:6}",
                f"     Connection Rejected   : {reject:6}",
                f"     ICMP Unreachable      : {unreach:6}",
            )
        self.assertRegex(blocks[3], r"^ pcap stats\n   recv   : 16\n   drop   : 0\n   ifdrop : 0\n?")
        for line in blocks[4].splitlines()[1:]:
            self.assertRegex(line, r"^   (rx|tx) \S+:\d+: \d+ of \d+ \(\d+ [^)]+\)$")

    def _assert_in_order(self, block: str, *expected: str) -> None:
        """The original's lines directly follow each other; ours come after them."""
        lines = block.splitlines()
        self.assertEqual(lines[1 : 1 + len(expected)], list(expected), block)

    def test_what_we_add_to_the_summary_comes_last(self) -> None:
        """Half-seen, proved late, late SYN/ACK, pending: the original's seven lines stay together."""
        with Monitor(self.network, "--timeout", "3600") as monitor:
            Conversation(self.wire, RX4).ack()
            half_seen, late, full = (Conversation(self.wire, RX4) for _ in range(3))
            half_seen.syn()
            half_seen.ack()
            late.syn()
            late.synack()
            late.reply(ack=100)
            full.succeed()
            pause()
            full.synack()
            Conversation(self.wire, RX4).syn()
            monitor.wait_counts({"pending": 1, "late_synack": 1, "half_seen": 1, "late_proof": 1})
            text = monitor.stop().text
        rx = text[text.index("\n RX\n") + 1 : text.index("\n TX\n")]
        self._assert_in_order(
            rx,
            "   Success: 3 session",
            "     SYN Segment Duplicate :      0",
            "     S/A Segment Duplicate :      0",
            "   Failure: 0 session",
            "     Connection Timed Out  :      0",
            "     Connection Rejected   :      0",
            "     ICMP Unreachable      :      0",
        )

    def test_json_lines(self) -> None:
        outcomes, finished = self.run_outcomes("--output", "json")
        events = [json.loads(line) for line in finished.stdout.splitlines() if line.startswith("{")]
        self.assertEqual(len(events), 6, finished.stdout)
        by_ports = {(event["initiator"]["port"], event["responder"]["port"]): event for event in events}
        causes = {
            outcomes.refused: "refused",
            outcomes.aborted: "aborted",
            outcomes.lost: "unreachable",
            outcomes.unanswered: "no_answer",
        }
        for talk, result, dup_syn, dup_synack in outcomes.expected():
            event = by_ports[(talk.initiator_port, talk.responder_port)]
            self.assertEqual(event["result"], result)
            self.assertEqual(event["cause"], causes.get(talk, ""))
            self.assertEqual(event["initiator"]["address"], str(talk.position.initiator))
            self.assertEqual(event["responder"]["address"], str(talk.position.responder))
            self.assertEqual((event["dup_syn"], event["dup_synack"]), (dup_syn, dup_synack))
            self.assertEqual(event["interface"], "veth0")
            self.assertEqual(event["filters"], [talk.position.direction])
            self.assertGreaterEqual(event["duration_seconds"], 0)
            self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")

    def test_colour_only_on_a_terminal(self) -> None:
        _, finished = self.run_outcomes()
        self.assertNotIn("\x1b", finished.text)

    def test_no_color_is_respected_on_a_terminal(self) -> None:
        for no_color in (True, False):
            with self.subTest(no_color=no_color):
                shown = self._on_a_terminal(no_color)
                self.assertIn(b"success", shown)
                self.assertEqual(b"\x1b[" in shown, not no_color, shown)

    def _on_a_terminal(self, no_color: bool) -> bytes:
        path = self.network.folder / "terminal.sock"
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        environment["TERM"] = "xterm"
        if no_color:
            environment["NO_COLOR"] = "1"
        master, slave = pty.openpty()
        words = [str(lab.binary()), "-U", str(path), "-i", "veth0", "-B", str(RING_MIB)]
        process = subprocess.Popen(
            self.network.host.command(*words), stdin=slave, stdout=slave, stderr=slave, env=environment
        )
        os.close(slave)
        shown = b""
        try:
            lab.wait_for(path.exists, "tcpeek is ready")
            talk = Conversation(self.wire, RX4)
            talk.succeed()
            while f":{talk.initiator_port}".encode() not in shown or not shown.endswith(b"\n"):
                shown += os.read(master, 4096)
        finally:
            process.terminate()
            process.wait(lab.DEADLINE_S)
            os.close(master)
        return shown


class Readers(unittest.TestCase):
    """The reader of our output may be slow, or exit: counting goes on."""

    def watch_without_reading(self, *, leave: bool) -> None:
        attempts = 3000
        with Lab() as network:
            path = network.folder / "pipe.sock"
            words = [str(lab.binary()), "-U", str(path), "-i", "veth0", "-B", "64"]
            process = subprocess.Popen(
                network.host.command(*words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            assert process.stdout is not None
            try:
                lab.wait_for(path.exists, "tcpeek is ready")
                if leave:
                    process.stdout.close()
                wire = network.wire()
                for _ in range(attempts):
                    Conversation(wire, RX4).succeed()
                lab.wait_for(lambda: self._successes(path) == attempts, "all are counted")
                process.send_signal(signal.SIGINT)
                self.assertEqual(process.wait(lab.DEADLINE_S), 0)
            finally:
                process.kill()
                process.wait()
                process.stdout.close()

    @staticmethod
    def _successes(path: pathlib.Path) -> int:
        return int(json.loads(ask(path, b"GET\n"))[0]["RX"]["success"]["total"])

    def test_reader_that_does_not_read(self) -> None:
        self.watch_without_reading(leave=False)

    def test_reader_that_left(self) -> None:
        self.watch_without_reading(leave=True)


class LongAddresses(unittest.TestCase):
    def test_long_addresses(self) -> None:
        """They push the columns behind them to the right, and touch nothing else."""
        long = "2001:db8:1111:2222:3333:4444:5555:6666"
        position = Position("long", "RX", lab.address(long), lab.address(long[:-1] + "7"))
        with Lab() as network, Monitor(network, "--local", "2001:db8::/32") as monitor:
            talk = Conversation(network.wire(), position)
            talk.succeed()
            monitor.wait_counts({"success": 1})
            self.assertRegex(monitor.stop().stderr, live_line(talk, "success"))


if __name__ == "__main__":
    unittest.main()
