"""Capture files whose clock was stepped in the middle: attempts begun after the step are as old as the
packets say, no handshake is lost, and no duration is negative. Forward, an attempt that was open has
waited an hour, as far as anyone can tell from the file: a timeout."""

import json
import re
import unittest
from collections.abc import Callable, Mapping

from program import Files, counts, replay, summary
from saved import RST, START_NS, SYN, Packet, handshake, pcap, refusal, segment

MS_NS = 1_000_000
SECOND_NS = 1000 * MS_NS
HOUR_NS = 3600 * SECOND_NS
HANDSHAKES = 100  # before, across and after the step


def story(step_ns: int) -> list[Packet]:
    """Handshakes before, across and after a step, then two attempts left open."""
    ports = iter(range(1000, 60000))
    packets = [p for _ in range(HANDSHAKES) for p in handshake(next(ports))]
    crossing = [(next(ports), 1 + i % 2) for i in range(HANDSHAKES)]
    packets += [p for port, at in crossing for p in handshake(port)[:at]]
    packets += [Packet(p.time_ns + step_ns, p.frame) for port, at in crossing for p in handshake(port)[at:]]
    after = START_NS + step_ns + SECOND_NS
    packets += [p for _ in range(HANDSHAKES) for p in handshake(next(ports), after)]
    return packets + [Packet(after + i * SECOND_NS, segment(True, next(ports), SYN, 100, 0)) for i in range(2)]


class Clock(Files):
    def play(self, step_ns: int, *options: str) -> tuple[dict[str, int], list[float], str]:
        path = self.file("step.pcap", pcap(story(step_ns)))
        done = replay("-r", path, "--output", "json", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        # Attempts without an outcome are told, too; how long they have waited says nothing of the step.
        durations = [event["duration_seconds"] for event in events if event["result"] != "pending"]
        return counts(done.stderr, "RX"), durations, summary(done.stderr)

    def check_span(self, text: str, hours: int) -> None:
        found = re.search(r"\n +time : +(-?[\d.]+) ", text)
        assert found, text
        self.assertAlmostEqual(float(found.group(1)), hours * 3600, delta=10)

    def test_an_hour_back(self) -> None:
        for options in ((), ("--threads", "2")):
            with self.subTest(options=options):
                numbers, durations, text = self.play(-HOUR_NS, *options)
                self.assertEqual(numbers["Success"], 3 * HANDSHAKES)
                self.assertEqual(numbers["Failure"], 0, "the last two were open for seconds")
                self.assertGreaterEqual(min(durations), 0)
                self.assertLess(max(durations), 1)
                self.check_span(text, 1)
        print(f"\nan hour back: {numbers['Success']} of {3 * HANDSHAKES} handshakes, {numbers['Failure']} failures, "
              f"durations {min(durations)} to {max(durations)} s", flush=True)  # fmt: skip

    def test_an_hour_forward(self) -> None:
        for options in ((), ("--threads", "2")):
            with self.subTest(options=options):
                numbers, durations, text = self.play(HOUR_NS, *options)
                self.assertEqual(numbers["Success"], 2 * HANDSHAKES)
                self.assertEqual(numbers["Connection Timed Out"], HANDSHAKES, "those that the step cut in two")
                self.assertEqual(numbers["Failure"], HANDSHAKES)
                self.assertGreaterEqual(min(durations), 0)
                self.check_span(text, 1)
        print(f"\nan hour forward: {numbers['Success']} of {2 * HANDSHAKES} handshakes, {HANDSHAKES} cut in two timed "
              f"out, durations {min(durations)} to {max(durations)} s", flush=True)  # fmt: skip

    def test_two_days_back(self) -> None:
        numbers, durations, text = self.play(-48 * HOUR_NS)
        self.assertEqual((numbers["Success"], numbers["Failure"]), (3 * HANDSHAKES, 0))
        self.assertGreaterEqual(min(durations), 0)
        self.check_span(text, 48)


def repeated(port: int) -> list[Packet]:
    """A handshake of which each segment but the last had to be sent twice."""
    syn, synack, ack = (packet.frame for packet in handshake(port))
    times = (0, SECOND_NS, SECOND_NS + MS_NS, 2 * SECOND_NS, 2 * SECOND_NS + MS_NS)
    return [Packet(START_NS + at, frame) for at, frame in zip(times, (syn, syn, synack, synack, ack), strict=True)]


def half_open(port: int) -> list[Packet]:
    """The initiator's host knows nothing of it at the last moment."""
    reset = segment(True, port, RST, 101, 0)
    return [*handshake(port)[:2], Packet(START_NS + 2 * MS_NS, reset)]


STORIES: Mapping[str, Callable[[int], list[Packet]]] = {
    "success": handshake, "repeated": repeated, "refused": refusal, "half_open": half_open,
}  # fmt: skip


class SmallSteps(Files):
    """As time servers make them: less than the timeout. In whichever moment of an attempt one comes, its outcome is
    what it was."""

    def test_no_outcome_changes(self) -> None:
        # The repeats of one second must not come to lie within 2 ms of each other: nobody could tell them from copies.
        for step_ms in (-30_000, -3000, -5, -1, 1, 5, 3000, 30_000):
            for options in ((), ("--threads", "2")):
                with self.subTest(step_ms=step_ms, options=options):
                    self.check(step_ms * MS_NS, *options)

    def check(self, step_ns: int, *options: str) -> None:
        ports = iter(range(1000, 60000))
        expected: dict[int, str] = {}
        # In the order of the capture: what all attempts did before the step, and what all did after it.
        before: list[Packet] = []
        after: list[Packet] = []
        for name, story in STORIES.items():
            for cut in range(1, len(story(0))):
                port = next(ports)
                expected[port] = "success" if name == "repeated" else name
                packets = story(port)
                before += packets[:cut]
                after += [Packet(p.time_ns + step_ns, p.frame) for p in packets[cut:]]
        before.sort(key=lambda packet: packet.time_ns)
        after.sort(key=lambda packet: packet.time_ns)
        done = replay("-r", self.file("step.pcap", pcap(before + after)), "--output", "json", *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        told = {event["initiator"]["port"]: event["cause"] or "success" for event in events}
        self.assertEqual(told, expected)
        self.assertEqual(len(events), len(expected))
        self.assertGreaterEqual(min(event["duration_seconds"] for event in events), 0)


if __name__ == "__main__":
    unittest.main()
