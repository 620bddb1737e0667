"""The prefilter: two tcpeeks watch the same packets, one with it, and count the same; what it costs in rights.

Only packets that no attempt waits for may differ: those it keeps away.
"""

from __future__ import annotations

import contextlib
import functools
import random
import time
import unittest
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import frames
import lab
from conversation import POSITIONS, RX4, RX6, TX4, TX6, Conversation, Dressing, Position, pause
from frames import ACK, PSH, RST, SYN
from lab import Lab
from monitor import Monitor, command, run_to_end

TIMEOUT_S = 3

Scenario = Callable[[Conversation], None]


def refusal() -> str:
    """Why this kernel does not let root load the program; empty if it does."""
    with Lab() as network:
        done = run_to_end(network.host, command("-i", "veth0", "--no-socket", "--duration=1", "--prefilter=on"))
    return "" if done.status == 0 else done.stderr


def setUpModule() -> None:
    lab.require()
    why = refusal()
    if not why:
        return
    # What the verifier says of our program is our fault, and no reason to skip.
    if "verifier" in why or "Operation not permitted" not in why:
        raise AssertionError(why)
    print("LIVE TESTS SKIPPED:", why)
    raise unittest.SkipTest(why)


def handshake(c: Conversation) -> None:
    c.succeed()


def repeated_syn(c: Conversation) -> None:
    c.syn()
    pause()
    c.succeed()


def repeated_synack(c: Conversation) -> None:
    c.syn()
    c.synack()
    pause()
    c.synack()
    c.ack()


def only_the_initiator(c: Conversation) -> None:
    c.syn()
    c.ack()


def only_the_responder(c: Conversation) -> None:
    c.synack()
    c.reply()
    c.reply(payload=b"data")


def refused(c: Conversation) -> None:
    c.syn()
    c.refuse()


def reset_by_the_initiator(c: Conversation) -> None:
    c.syn()
    c.synack()
    c.abort()


def reset_after(c: Conversation) -> None:
    c.succeed()
    c.from_responder(RST, seq=1)


def late_proof(c: Conversation) -> None:
    c.syn()
    c.synack()
    c.ack(payload=b"request", flags=ACK | PSH)
    c.reply(payload=b"answer", ack=8, flags=ACK | PSH)
    c.ack(seq=8, ack=7)


def proof_by_the_responder(c: Conversation) -> None:
    c.syn()
    c.synack()
    c.ack(payload=b"request", flags=ACK | PSH)
    c.reply(ack=8)


def fast_open(c: Conversation) -> None:
    c.syn(b"early", options=b"\x22\x0a12345678\x01\x01")
    c.synack(ack=6)
    c.ack(seq=6)


def fast_open_not_taken(c: Conversation) -> None:
    c.syn(b"early")
    c.synack()
    c.ack()


def simultaneous_open(c: Conversation) -> None:
    c.syn()
    c.from_responder(SYN)
    c.from_responder(SYN | ACK, ack=1)
    c.from_initiator(SYN | ACK, ack=1)


def simultaneous_open_by_acks(c: Conversation) -> None:
    c.syn()
    c.from_responder(SYN)
    c.from_initiator(ACK, seq=1, ack=1)
    c.from_responder(ACK, seq=1, ack=1)


def blind_acks(c: Conversation) -> None:
    c.syn()
    for i in range(6):
        c.ack(seq=0x30000000 + i, ack=0x5000000)
    c.synack()
    c.ack(seq=100, ack=100)
    c.ack()


def port_used_again(c: Conversation) -> None:
    c.succeed()
    c.fin()
    other = Conversation(c.wire, c.position, isn=0x20000000, responder_isn=0x60000000)
    other.initiator_port, other.responder_port = c.initiator_port, c.responder_port
    other.succeed()


def closed(c: Conversation) -> None:
    c.succeed()
    c.fin()
    c.reply(ack=2, flags=ACK | frames.FIN)
    c.ack(seq=2, ack=2)


SCENARIOS: Sequence[Scenario] = (
    handshake, repeated_syn, repeated_synack, only_the_initiator, only_the_responder, refused, reset_by_the_initiator,
    reset_after, late_proof, proof_by_the_responder, fast_open, fast_open_not_taken, simultaneous_open,
    simultaneous_open_by_acks, blind_acks, port_used_again, closed,
)  # fmt: skip


def counts(monitor: Monitor) -> dict[str, Any]:
    """All that is counted, but packets that were ignored."""
    stats = monitor.stats()
    stats.check_accounting()
    told = {"totals": stats.totals, "filters": stats.filters, "other": stats.other()}
    told["used"] = stats.packets("used")
    told["retrying"] = stats.json["totals"]["retrying"]
    return told


def succeeded(monitor: Monitor) -> int:
    return int(monitor.stats().totals["success"])


def has_succeeded(monitor: Monitor, wanted: int) -> bool:
    return succeeded(monitor) == wanted


def has_said(monitor: Monitor, words: str) -> bool:
    return words in monitor.stderr()


def is_up(monitor: Monitor) -> bool:
    return bool(monitor.stats().json["interfaces"][0]["state"] == "up")


class Both:
    """The two of them, on the same interface."""

    def __init__(self, classic: Monitor, prefilter: Monitor) -> None:
        self.classic = classic
        self.prefilter = prefilter

    def wait(self, wire: lab.Wire, test: unittest.TestCase) -> None:
        """Until both have counted all that was sent: a last SYN on each way, and nothing in a ring."""
        attempts = self.classic.stats().totals["attempts"]
        Conversation(wire, RX4).syn()
        Conversation(wire, TX4).syn()

        def alike() -> bool:
            one, other = self.classic.stats(), self.prefilter.stats()
            return one.settled() and other.settled() and one.totals["attempts"] >= attempts + 2 and counts_alike()

        def counts_alike() -> bool:
            return counts(self.classic) == counts(self.prefilter)

        with contextlib.suppress(AssertionError):
            lab.wait_for(alike, "the same counts")
        test.assertEqual(counts(self.classic), counts(self.prefilter))
        test.assertEqual([m.stats().packets("dropped") for m in (self.classic, self.prefilter)], [0, 0])


@contextlib.contextmanager
def both(network: Lab, *options: str, interfaces: Sequence[str] = ("veth0",)) -> Iterator[Both]:
    # Readers know of SYN/ACKs each for itself, and which reader has a flow differs from one tcpeek to the next: so
    # with several of them half-seen successes towards this host are not alike even without the prefilter.
    threads = () if "--threads" in options else ("--threads", "1")
    words = [*threads, *options, *(position.expression for position in POSITIONS)]
    with (
        Monitor(network, "--prefilter", "off", *words, interfaces=interfaces, name="classic") as classic,
        Monitor(network, "--prefilter", "on", *words, interfaces=interfaces, name="prefilter") as prefilter,
    ):
        yield Both(classic, prefilter)


class Alike(unittest.TestCase):
    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.wire = self.network.wire()

    def play(self, dressing: Dressing, positions: Sequence[Position] = POSITIONS) -> None:
        for scenario in SCENARIOS:
            for position in positions:
                scenario(Conversation(self.wire, position, dressing=dressing))

    def test_every_scenario_and_count(self) -> None:
        for options, positions in (((), POSITIONS), (("--threads", "2"), (TX4, TX6)), (("--icmp",), POSITIONS)):
            with self.subTest(options=options), both(self.network, *options) as monitors:
                self.play(Dressing(), positions)
                monitors.wait(self.wire, self)
                self.assertGreater(counts(monitors.prefilter)["totals"]["success"], 10 * len(positions))
                self.assertGreater(counts(monitors.prefilter)["totals"]["half_seen"], 0)

    def test_behind_other_headers(self) -> None:
        hop, atomic = frames.hop_by_hop(), frames.fragment()
        dressings = {
            "one tag": (Dressing(tags=(frames.Tag(7),)), POSITIONS),
            "two tags": (Dressing(tags=(frames.Tag(7), frames.Tag(8))), POSITIONS),
            "three tags": (Dressing(tags=(frames.Tag(7), frames.Tag(8), frames.Tag(9))), POSITIONS),
            "IP options": (Dressing(ip_options=b"\x01" * 8), (RX4, TX4)),
            "padding": (Dressing(trailer=b"\0" * 6), POSITIONS),
            "first of fragments": (Dressing(first_of_fragments=True), (RX4, TX4)),
            "extension header": (Dressing(extensions=(hop,)), (RX6,)),
            "atomic fragment": (Dressing(extensions=(atomic,)), (RX6,)),
        }
        for interface in ("veth0", "any"):
            for name, (dressing, positions) in dressings.items():
                with self.subTest(name, interface=interface), both(self.network, interfaces=(interface,)) as monitors:
                    self.play(dressing, positions)
                    monitors.wait(self.wire, self)

    def test_a_syn_that_hides_and_acks_in_the_open(self) -> None:
        with both(self.network) as monitors:
            for position, dressing in (
                (RX6, Dressing(extensions=(frames.hop_by_hop(),))),
                (RX4, Dressing(first_of_fragments=True)),
            ):
                c = Conversation(self.wire, position, dressing=dressing)
                c.syn()
                c.dressing = Dressing()
                c.ack()
            monitors.wait(self.wire, self)
            self.assertGreaterEqual(counts(monitors.prefilter)["totals"]["half_seen"], 1)

    def test_on_any_and_on_loopback(self) -> None:
        self.network.host.ip("link", "set", "lo", "up")
        for interface in ("any", "lo"):
            with self.subTest(interface), both(self.network, interfaces=(interface,)) as monitors:
                with self.network.host.listen("127.0.0.1") as listener:
                    for _ in range(5):
                        self.network.host.connect("127.0.0.1", listener.getsockname()[1]).close()
                lab.wait_for(lambda: succeeded(monitors.classic) >= 5, "the connections")
                lab.wait_for(lambda: counts(monitors.classic) == counts(monitors.prefilter), "the same counts")

    def test_acks_as_late_as_the_state_machine_waits(self) -> None:
        """The last one a little before the timeout, after a SYN/ACK that was itself repeated."""
        with both(self.network, "--timeout", str(TIMEOUT_S)) as monitors:
            for _ in range(5):
                before = succeeded(monitors.prefilter)
                if not self.play_late():
                    continue  # this machine was away for too long
                wanted = before + len(POSITIONS)
                lab.wait_for(functools.partial(has_succeeded, monitors.prefilter, wanted), "late successes")
                monitors.wait(self.wire, self)
                return
            self.fail("not one of five times was this machine fast enough")

    def play_late(self) -> bool:
        """Whether no step was later than the timeout after the one before."""
        late = [Conversation(self.wire, position) for position in POSITIONS]
        started = time.monotonic()
        for c in late:
            c.syn()
            c.synack()
        time.sleep(TIMEOUT_S - 0.5)
        for c in late:
            c.synack()
        repeated = time.monotonic()
        time.sleep(TIMEOUT_S - 0.5)
        for c in late:
            c.ack()
        return max(repeated - started, time.monotonic() - repeated) < TIMEOUT_S

    def test_at_random(self) -> None:
        """A difference shows each time. What else differs, now and then, is of a reader that got no CPU for long."""
        seed = random.SystemRandom().randrange(1 << 32)
        with self.subTest(seed=seed):
            for left in (2, 1, 0):
                try:
                    return self.play_at_random(random.Random(seed))
                except AssertionError:
                    if not left:
                        raise

    def play_at_random(self, chance: random.Random) -> None:
        steps: Sequence[Callable[[Conversation], object]] = (
            lambda c: c.syn(), lambda c: c.synack(), lambda c: c.ack(), lambda c: c.reply(), lambda c: c.abort(),
            lambda c: c.refuse(), lambda c: c.fin(), lambda c: c.ack(seq=1000, ack=1000), lambda c: c.reply(seq=77, ack=9),
            lambda c: c.from_responder(SYN), lambda c: c.ack(payload=b"x"), lambda c: c.syn(b"data"),
        )  # fmt: skip
        with both(self.network, "--copy-window", "0") as monitors:
            talks = [Conversation(self.wire, chance.choice(POSITIONS)) for _ in range(300)]
            for _ in range(6000):
                chance.choice(steps)(chance.choice(talks))
            monitors.wait(self.wire, self)

    def test_during_a_flood(self) -> None:
        with both(self.network, "--threads", "2") as monitors:
            talks = [Conversation(self.wire, RX4) for _ in range(50)]
            for c in talks:
                c.syn()
                c.synack()
            for number in range(10_000):
                c = Conversation(self.wire, RX4, responder_port=1 + number % 9000)
                c.syn()
            for c in talks:
                c.ack()
            monitors.wait(self.wire, self)
            self.assertEqual(counts(monitors.prefilter)["totals"]["success"], len(talks))


class Kept(unittest.TestCase):
    """What the prefilter is there for."""

    def setUp(self) -> None:
        self.network = self.enterContext(Lab())
        self.wire = self.network.wire()

    def test_acks_of_flows_without_a_syn_do_not_reach_the_reader(self) -> None:
        with both(self.network) as monitors:
            for position in POSITIONS:
                c = Conversation(self.wire, position)
                for i in range(100):
                    c.ack(seq=1 + i, ack=1)
                    c.reply(seq=1, ack=1 + i)
            monitors.wait(self.wire, self)
            classic, prefilter = monitors.classic.stats(), monitors.prefilter.stats()
            self.assertEqual(classic.packets("delivered") - prefilter.packets("delivered"), 200 * len(POSITIONS))
            self.assertEqual(prefilter.ignored["no_attempt"], 0)

    def test_marks_age(self) -> None:
        with both(self.network, "--timeout", "1") as monitors:
            c = Conversation(self.wire, RX4)
            c.succeed()
            c.ack(seq=2)
            delivered = monitors.prefilter.wait_delivered(4).packets("delivered")
            # Two epochs more than the timeout, at most.
            time.sleep(1 + 2 * 1.08 + 0.2)
            for i in range(20):
                c.ack(seq=3 + i)
            monitors.wait(self.wire, self)
            self.assertEqual(monitors.prefilter.stats().packets("delivered"), delivered + 2)

    def test_a_recreated_interface_has_it_too(self) -> None:
        for threads in ("1", "2"):
            with self.subTest(threads=threads), both(self.network, "--threads", threads) as monitors:
                self.wire.close()
                self.network.host.ip("link", "delete", "veth0")
                self.network.make_link(0)
                self.wire = self.network.wire()
                for monitor in (monitors.classic, monitors.prefilter):
                    lab.wait_for(functools.partial(is_up, monitor), "the interface")
                before = [m.stats().packets("delivered") for m in (monitors.classic, monitors.prefilter)]
                c = Conversation(self.wire, RX4)
                for i in range(50):
                    c.ack(seq=1 + i)
                Conversation(self.wire, RX4).succeed()
                lab.wait_for(lambda: succeeded(monitors.classic) == 1, "the handshake")
                lab.wait_for(lambda: succeeded(monitors.prefilter) == 1, "the handshake")
                grown = [m.stats().packets("delivered") for m in (monitors.classic, monitors.prefilter)]
                self.assertEqual([a - b for a, b in zip(grown, before, strict=True)], [53, 3])


class Said(unittest.TestCase):
    """At the start, in STATS, and where it is refused."""

    def setUp(self) -> None:
        self.network = self.enterContext(Lab())

    def refused(self, *words: str, launcher: Sequence[str] = ()) -> tuple[int, str]:
        done = run_to_end(self.network.host, [*launcher, *command("-i", "veth0", "--no-socket", "--duration=1", *words)])
        return done.status, done.stderr

    def test_by_default_nothing(self) -> None:
        with Monitor(self.network) as monitor:
            self.assertNotIn("prefilter", monitor.stderr())
            self.assertEqual(
                monitor.stats().json["prefilter"], {"mode": "off", "active": False, "reason": None, "map_bytes": 0}
            )

    def test_active(self) -> None:
        with Monitor(self.network, "--prefilter", "auto", "-u", "nobody") as monitor:
            lab.wait_for(functools.partial(has_said, monitor, "within 60 s of a SYN"), "the line")
            self.assertIn("4 MiB in the kernel", monitor.stderr())
            self.assertEqual(
                monitor.stats().json["prefilter"], {"mode": "auto", "active": True, "reason": None, "map_bytes": 4 << 20}
            )

    def test_what_it_does_not_go_with(self) -> None:
        for words in (("--bpf", "port 80"), ("--decap", "vxlan"), ("--capture", "tcp")):
            with self.subTest(words):
                status, said = self.refused("--prefilter=on", *words)
                self.assertEqual(status, 2)
                self.assertIn(words[0], said)
                self.assertEqual(len(said.splitlines()), 1, said)
                with Monitor(self.network, "--prefilter=auto", *words) as monitor:
                    lab.wait_for(functools.partial(has_said, monitor, "prefilter: not used"), "the line")
                    told = monitor.stats().json["prefilter"]
                    self.assertFalse(told["active"])
                    self.assertIn(words[0], told["reason"])

    def test_without_the_right(self) -> None:
        binary = lab.copy_of_binary(self.network)
        launcher = lab.as_nobody_with("net_raw")
        words = [*launcher, str(binary), "-i", "veth0", "--no-socket", "--duration=1"]
        done = run_to_end(self.network.host, [*words, "--prefilter=on"])
        self.assertEqual(done.status, 1)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertIn("Operation not permitted (it takes CAP_BPF", done.stderr)
        done = run_to_end(self.network.host, [*words, "--prefilter=auto"])
        self.assertEqual(done.status, 0)
        self.assertIn("prefilter: not used: cannot make the map of marks", done.stderr)

    def test_cap_bpf_is_enough(self) -> None:
        """The verifier then minds speculation, which it does not for root."""
        binary = lab.copy_of_binary(self.network)
        words = [*lab.as_nobody_with("net_raw", "bpf"), str(binary), "-i", "veth0", "-i", "lo", "--no-socket", "--duration=1"]
        done = run_to_end(self.network.host, [*words, "--prefilter=on"])
        self.assertEqual(done.status, 0, done.stderr)
        words[words.index("veth0")] = "any"
        del words[words.index("lo") - 1 : words.index("lo") + 1]
        done = run_to_end(self.network.host, [*words, "--prefilter=on"])
        self.assertEqual(done.status, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
