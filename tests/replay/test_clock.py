"""Capture files whose clock was stepped in the middle: attempts begun after the step are as old as the
packets say, no handshake is lost, and no duration is negative. Forward, an attempt that was open has
waited an hour, as far as anyone can tell from the file: a timeout."""

import json
import re
import unittest

from program import Files, counts, replay, summary
from saved import START_NS, SYN, Packet, handshake, pcap, segment

SECOND_NS = 1_000_000_000
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
        durations = [json.loads(line)["duration_seconds"] for line in done.stdout.splitlines()]
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


if __name__ == "__main__":
    unittest.main()
