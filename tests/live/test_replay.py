"""Live and replay agree: what tcpeek counts on the wire it counts again in a recording of it (`-r`).

One play of everything that can become of an attempt, in all four positions, by hand and by real
stacks, watched by several tcpeeks at once and recorded beside them. Then the recording is read with
the options of each. Every filter block of the two summaries must be the same, and every event.
"""

import datetime
import functools
import gzip
import json
import pathlib
import re
import signal
import subprocess
import unittest
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import frames
import lab
from conversation import POSITIONS, RX4, Conversation, Dressing, Position, pause
from frames import ACK, RST, SYN, Tag
from lab import HOST_V4, HOST_V6, PEER_V4, PEER_V6, Lab, Wire
from monitor import Finished, Monitor, command, run_to_end
from recorder import Packet, Recorder, write_pcap

PORT = 7777
EXCLUDED_PORT = 7778
CLOSED_PORT = 9
NOWHERE = Position("nowhere", "RX", lab.address("198.51.100.1"), lab.address("203.0.113.1"))
EXPRESSIONS = [*(position.expression for position in POSITIONS), f"port:RX@%:{PORT}", f":TX@%:{EXCLUDED_PORT}"]

COMMON = ("--timeout", "2", "--max-sessions", "20000", "--output", "json")
# What each tcpeek is given, live and again for the recording.
VARIANTS: Mapping[str, Sequence[str]] = {
    "plain": (),
    "icmp": ("--icmp",),
    "checksums": ("--icmp", "--checksum", "2"),
    "narrowed": ("--icmp", "--bpf", f"not port {PORT}"),
    "every-repeat": ("--copy-window", "0"),
    "readers": ("--icmp", "--threads", "2"),
}

# Reasons that packets have which pass the kernel filter; others depend on what passes it.
REASONS = (
    "ip_checksum", "transport_checksum", "no_attempt", "after_outcome", "does_not_fit", "proves_nothing",
    "blind_rst", "foreign_icmp",
)  # fmt: skip
STAMP_TOLERANCE_S = 0.001

Block = dict[str, int]

setUpModule = lab.require


def play_by_hand(wire: Wire, position: Position) -> None:
    """One attempt or more of every kind; those that are to time out first."""

    def talk(**words: Any) -> Conversation:
        return Conversation(wire, position, **words)

    for steps in (
        # timeouts
        "syn", "syn synack", "syn pause syn pause syn synack pause synack",
        # successes
        "syn synack ack", "syn synack late", "syn synack data", "syn synack fin",
        # repetitions of the sender, copies of the capture
        "syn pause syn synack ack", "syn synack pause synack pause synack ack", "syn syn synack synack ack ack",
        # after the outcome
        "syn synack ack pause synack ack", "syn synack ack pause syn", "syn refuse pause syn refuse", "syn abort syn",
        # failures
        "syn refuse", "syn pause syn synack reset", "syn abort", "syn synack abort", "syn unreachable",
        "syn pause syn unreachable unreachable",
        # what ends nothing
        "syn blind strange synack reply foreign ack", "syn other_unreachable foreign_unreachable synack ack",
        "ack", "synack", "reset", "data",
        # ports used again
        "syn renew syn synack ack", "syn synack renew syn synack ack", "syn synack ack renew syn synack ack",
        "syn refuse renew syn synack ack",
    ):  # fmt: skip
        perform(talk(), steps)
    crossed = talk()
    crossed.syn()
    crossed.from_responder(SYN)
    crossed.synack()
    crossed.from_initiator(SYN | ACK, ack=1)
    swapped = talk()
    swapped.syn()
    swapped.synack()
    swapped.reversed(isn=0x30000000, responder_isn=0x40000000).succeed()
    fast = talk()
    fast.syn(b"x" * 100)
    fast.synack(ack=101)
    fast.ack(seq=101)
    for port in (PORT, EXCLUDED_PORT):
        perform(talk(responder_port=port), "syn synack ack")
        perform(talk(responder_port=port), "syn refuse")
    for dressing in (
        Dressing(tags=[Tag(7)], trailer=b"\0" * 6),
        Dressing(tags=[Tag(100, frames.TPID_QINQ), Tag(7)]),
        Dressing(ip_options=b"\x01" * 40, extensions=[frames.hop_by_hop(), frames.destination_options()]),
        Dressing(wrong_tcp_checksum=True),
        Dressing(wrong_ip_checksum=True),
    ):
        perform(talk(dressing=dressing), "syn synack ack")
        perform(talk(dressing=dressing), "syn refuse")


def perform(talk: Conversation, steps: str) -> None:
    syn = b""
    for step in steps.split():
        match step:
            case "syn":
                syn = talk.syn()
            case "pause":
                pause()
            case "late":
                talk.reply(ack=100)
            case "data":
                talk.ack(payload=b"question")
            case "blind":
                talk.refuse(ack=999)
            case "strange":
                talk.synack(ack=999)
            case "foreign":
                talk.abort(seq=12345)
            case "reset":
                talk.from_responder(RST, seq=1)
            case "unreachable":
                talk.unreachable(syn)
            case "other_unreachable":
                talk.unreachable(syn, kind=3 if talk.position.host.version == 4 else 2, code=4)
            case "foreign_unreachable":
                talk.unreachable(syn[:-16] + b"\x42" + syn[-15:])
            case "renew":
                talk.isn += 77777
                talk.responder_isn += 99999
            case _:
                getattr(talk, step)()


def play_real(network: Lab) -> None:
    """Real stacks, both ways: their options, and checksums that no device has computed yet."""
    for server, client, addresses in (
        (network.host, network.peer, (HOST_V4, HOST_V6)),
        (network.peer, network.host, (PEER_V4, PEER_V6)),
    ):
        for address in addresses:
            with server.listen(address) as listener, client.connect(address, listener.getsockname()[1]) as caller:
                answering, _ = listener.accept()
                with answering:
                    caller.sendall(b"question")
                    assert answering.recv(100) == b"question"
                    answering.sendall(b"answer")
                    assert caller.recv(100) == b"answer"
            try:
                client.connect(address, CLOSED_PORT).close()
                raise AssertionError("somebody listens")
            except ConnectionRefusedError:
                pass


def summary(finished: Finished) -> dict[str, Block]:
    """The summary's blocks by name; a line `ignored: 3 no_attempt` becomes `ignored no_attempt`."""
    text = finished.stderr[finished.stderr.index("========== TCPEEK SUMMARY") :]
    blocks: dict[str, Block] = {}
    for part in text.split("-" * 36 + "\n")[1:]:
        name, *lines = part.splitlines()
        block = blocks.setdefault(name.strip(), {})
        for line in lines:
            if found := re.fullmatch(r"\s*(.+?)\s*: +(\d+)(?: (\w+))?", line):
                label = f"{found[1]} {found[3]}" if found[1] == "ignored" else found[1]
                block[label] = int(found[2])
    return blocks


def ends(finished: Finished) -> list[str]:
    """Beginning and end, as the summary tells them."""
    return re.findall(r"^ +(?:from|to) : (.+)$", finished.stderr, re.MULTILINE)


Event = tuple[str, float, float, list[float]]


def events(finished: Finished) -> list[Event]:
    """What was told of each outcome, in an order of its own: all but the times as text, and the times.

    At the end of a recording, attempts that have none are told as well.
    """
    told = []
    for line in finished.stdout.splitlines():
        event = json.loads(line)
        if event["result"] == "pending":
            continue
        stamp = datetime.datetime.fromisoformat(event.pop("time")).timestamp()
        duration = float(event.pop("duration_seconds"))
        times = [float(event.pop("tried_seconds"))]
        # A reader knows the hop limits of the SYN/ACKs that it read itself.
        event.get("rst", {}).pop("sender", None)
        # Whether there are legs must agree.
        legs = event["legs_seconds"]
        times += [legs.pop(name) or 0.0 for name in ("syn_to_synack", "synack_to_ack") if legs[name] is not None]
        for name in ("interface", "network.interface.name"):
            del event[name]
        # Only what is live has numbers.
        for number in ("boot", "seq"):
            event.pop(number, None)
        told.append((json.dumps(event, sort_keys=True), stamp, duration, times))
    return sorted(told)


class Agreement(unittest.TestCase):
    maxDiff = None
    network: ClassVar[Lab]
    recording: ClassVar[pathlib.Path]
    packets: ClassVar[list[Packet]]
    live: ClassVar[dict[str, Finished]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.network = cls.enterClassContext(Lab())
        wire = cls.network.wire()
        recorder = cls.enterClassContext(Recorder(cls.network.host))
        monitors = {
            name: cls.enterClassContext(
                Monitor(cls.network, "--capture", "tcp", *COMMON, *options, *EXPRESSIONS, name=name)
            )
            for name, options in VARIANTS.items()
        }
        # Before any SYN/ACK: of addresses of this host that answer, live knows better than a recording.
        for position in POSITIONS:
            perform(Conversation(wire, position), "syn ack")
        for position in POSITIONS:
            play_by_hand(wire, position)
        perform(Conversation(wire, NOWHERE), "syn synack ack")
        play_real(cls.network)
        for name, monitor in monitors.items():
            lab.wait_for(functools.partial(cls._all_ended, monitor), f"{name}: all attempts have their outcome")
        # Later packets, since a recording has no other clock; and attempts that stay without outcome.
        for position in POSITIONS:
            perform(Conversation(wire, position), "syn synack ack")
            perform(Conversation(wire, position), "syn")
        for monitor in monitors.values():
            monitor.wait_counts({"pending": len(POSITIONS)})
        for monitor in monitors.values():
            monitor.process.send_signal(signal.SIGINT)
        cls.packets = recorder.packets()
        cls.live = {name: cls._ended(monitor) for name, monitor in monitors.items()}
        cls.recording = cls.network.folder / "recording.pcap"
        write_pcap(cls.recording, cls.packets)

    @staticmethod
    def _all_ended(monitor: Monitor) -> bool:
        return monitor.stats().totals["pending"] == 0

    @staticmethod
    def _ended(monitor: Monitor) -> Finished:
        status = monitor.process.wait(lab.DEADLINE_S)
        return Finished(status, monitor.stdout(), monitor.stderr())

    def locals(self) -> list[str]:
        """--local for each address of the interface, as live has them by itself."""
        shown = json.loads(self.network.host.ip("-j", "address", "show", "dev", "veth0"))
        addresses = [entry["local"] for entry in shown[0]["addr_info"]]
        self.assertGreaterEqual(len(addresses), 3)
        return [word for address in addresses for word in ("--local", address)]

    def replay(self, *options: str, files: Sequence[pathlib.Path] = ()) -> Finished:
        reads = [word for file in files or (self.recording,) for word in ("-r", str(file))]
        words = command(*reads, *COMMON, *self.locals(), *options, *EXPRESSIONS)
        finished = run_to_end(self.network.host, words)
        self.assertEqual(finished.status, 0, finished)
        return finished

    def assert_same_events(self, seen: Finished, wanted: Finished) -> None:
        got, expected = events(seen), events(wanted)
        self.assertGreater(len(expected), 100)
        self.assertEqual([event[0] for event in got], [event[0] for event in expected])
        for ours, theirs in zip(got, expected, strict=True):
            self.assertAlmostEqual(ours[1], theirs[1], delta=STAMP_TOLERANCE_S, msg=ours[0])
            for our_time, their_time in zip([ours[2], *ours[3]], [theirs[2], *theirs[3]], strict=True):
                self.assertAlmostEqual(our_time, their_time, delta=STAMP_TOLERANCE_S, msg=ours[0])

    def test_the_play_has_everything(self) -> None:
        """A comparison of nothing with nothing would say nothing."""
        blocks = summary(self.live["icmp"])
        for name in ("RX", "TX"):
            self.assertEqual([label for label, count in blocks[name].items() if count == 0], [])
            for label in (
                "success, S/A never seen", "success, proved late", "success, S/A afterwards",
                "timed out, no answer", "timed out, no ACK", "rejected by initiator",
                "failed with SYN dup.", "failed with S/A dup.", "Pending",
            ):  # fmt: skip
                self.assertIn(label, blocks[name])
            self.assertNotIn("timed out, uncertain", blocks[name])
        self.assertEqual(blocks["pcap stats"]["drop"], 0)
        self.assertIn("not local", blocks["pcap stats"])
        self.assertIn("excluded", blocks["pcap stats"])
        ignored = summary(self.live["checksums"])["pcap stats"]
        self.assertEqual([reason for reason in REASONS if f"ignored {reason}" not in ignored], [])

    def test_every_count_is_the_same(self) -> None:
        for name, options in VARIANTS.items():
            with self.subTest(name):
                live, replay = self.live[name], self.replay(*options)
                self.assertEqual(live.status, 0, live)
                wanted, got = summary(live), summary(replay)
                wanted_packets, got_packets = wanted.pop("pcap stats"), got.pop("pcap stats")
                self.assertEqual(got, wanted)
                for label in ("used", "not local", "excluded", *(f"ignored {reason}" for reason in REASONS)):
                    self.assertEqual(got_packets.get(label, 0), wanted_packets.get(label, 0), label)
                self.assert_same_events(replay, live)

    def test_every_packet_is_accounted_for(self) -> None:
        for name, options in VARIANTS.items():
            with self.subTest(name):
                packets = summary(self.replay(*options))["pcap stats"]
                self.assertEqual(packets["recv"], len(self.packets))
                self.assertEqual((packets["drop"], packets["ifdrop"]), (0, 0))
                ignored = sum(count for label, count in packets.items() if label.startswith("ignored "))
                self.assertEqual(packets["used"] + ignored, len(self.packets), packets)
                if name == "narrowed":
                    self.assertEqual(packets["ignored filtered"], 5 * len(POSITIONS), packets)

    def test_beginning_and_end_are_those_of_the_recording(self) -> None:
        # A packet that waited for its neighbour's address is older than those recorded before it.
        seconds = [packet[0] for packet in self.packets]
        stamps = [datetime.datetime.fromtimestamp(each) for each in (min(seconds), max(seconds))]
        self.assertEqual(ends(self.replay()), [f"{stamp:%Y-%m-%d %H:%M:%S}" for stamp in stamps])

    def test_every_way_in(self) -> None:
        wanted = self.replay()
        folder = self.network.folder
        middle = len(self.packets) // 2
        halves = [folder / "first.pcap", folder / "second.pcap"]
        write_pcap(halves[0], self.packets[:middle])
        write_pcap(halves[1], self.packets[middle:])
        packed = folder / "recording.pcap.gz"
        packed.write_bytes(gzip.compress(self.recording.read_bytes()))
        ways = {
            "two files": self.replay(files=halves),
            "gzip": self.replay(files=[packed]),
            "threads": self.replay("--threads", "4"),
            "another user": self.replay("--user", "nobody"),
            "standard input": self._replay_from_a_pipe(),
        }
        for name, got in ways.items():
            with self.subTest(name):
                self.assertEqual(summary(got), summary(wanted))
                self.assertEqual(ends(got), ends(wanted))
                self.assert_same_events(got, wanted)

    def _replay_from_a_pipe(self) -> Finished:
        words = command("-r", "-", *COMMON, *self.locals(), *EXPRESSIONS)
        done = subprocess.run(words, input=self.recording.read_bytes(), capture_output=True, check=False,
                              timeout=lab.DEADLINE_S)  # fmt: skip
        self.assertEqual(done.returncode, 0, done)
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    def test_without_local_both_ends_are(self) -> None:
        words = command("-r", str(self.recording), *COMMON, "--icmp")
        finished = run_to_end(self.network.host, words)
        blocks = summary(finished)
        self.assertEqual(blocks["RX"], blocks["TX"])
        self.assertNotIn("not local", blocks["pcap stats"])
        live = summary(self.live["icmp"])
        for label in ("Success", "Failure", "Pending"):
            # The other way counted: excluded attempts, one of each kind a position, and those of nobody.
            uncounted = {"Success": 2 + 1, "Failure": 2, "Pending": 0}[label]
            both = live["RX"][label] + live["TX"][label] + uncounted
            self.assertEqual(blocks["RX"][label], both, label)


if __name__ == "__main__":
    unittest.main()
