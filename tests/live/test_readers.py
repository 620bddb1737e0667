"""Several readers count exactly what one counts.

A random crowd of attempts with every outcome, in all positions and dressings, is interleaved at
random and watched by three tcpeeks at once: with one reader, two and four. Each must show exactly
what was played. The seed is in every failure message; TCPEEK_LIVE_SEED plays it again.
"""

import contextlib
import ipaddress
import os
import random
import unittest
from collections.abc import Callable

import frames
import lab
from conversation import POSITIONS, RX4, RX6, TX6, Conversation, Dressing, pause, positions
from frames import ACK, FIN, RST, SYN
from lab import Lab, Wire
from monitor import ICMP, Counts, Monitor, Stats, difference
from scenario import SUCCESS, plus

ATTEMPTS = 600
READERS = (1, 2, 4)

Step = Callable[[], object]
Play = Callable[[Conversation], list[Step]]

setUpModule = lab.require


def success(c: Conversation) -> list[Step]:
    return [c.syn, c.synack, c.ack, c.fin]


def half_seen(c: Conversation) -> list[Step]:
    return [c.syn, c.ack]


def late_proof(c: Conversation) -> list[Step]:
    return [c.syn, c.synack, lambda: c.reply(ack=50)]


def refused(c: Conversation) -> list[Step]:
    return [c.syn, c.refuse, c.syn, c.refuse]


def refused_after_answer(c: Conversation) -> list[Step]:
    return [c.syn, c.synack, lambda: c.from_responder(RST, seq=1)]


def aborted(c: Conversation) -> list[Step]:
    return [c.syn, c.synack, c.abort]


def blind_resets(c: Conversation) -> list[Step]:
    return [c.syn, lambda: c.refuse(ack=999), lambda: c.abort(seq=-9), c.synack, c.ack]


def unreachable(c: Conversation) -> list[Step]:
    packets: list[bytes] = []
    return [lambda: packets.append(c.syn()), lambda: c.unreachable(packets[0])]


def unreachable_from_router(c: Conversation) -> list[Step]:
    packets: list[bytes] = []
    router = "192.0.2.1" if c.position.host.version == 4 else "2001:db8::1"
    return [lambda: packets.append(c.syn()), lambda: c.unreachable(packets[0], router=router, quoted_bytes=68)]


def time_exceeded(c: Conversation) -> list[Step]:
    packets: list[bytes] = []
    kind = 11 if c.position.host.version == 4 else 3
    return [lambda: packets.append(c.syn()), lambda: c.unreachable(packets[0], kind=kind, code=0)]


def foreign_unreachable(c: Conversation) -> list[Step]:
    """It quotes a number that was never sent."""
    ends = (c.position.initiator, c.position.responder)
    segment = frames.tcp(*ends, c.initiator_port, c.responder_port, seq=c.isn + 5, flags=SYN)
    quoted = frames.ip(*ends, frames.PROTOCOL_TCP, segment)
    return [c.syn, lambda: c.unreachable(quoted), c.synack, c.ack]


def repeated(c: Conversation) -> list[Step]:
    return [c.syn, c.syn, c.syn, c.synack, c.synack, c.ack, c.synack]


def repeated_and_refused(c: Conversation) -> list[Step]:
    return [c.syn, c.syn, c.synack, c.synack, lambda: c.from_responder(RST | ACK, seq=1, ack=1)]


def given_up(c: Conversation) -> list[Step]:
    def new_number() -> None:
        c.isn += 77777

    return [c.syn, new_number, c.syn, c.synack, c.ack]


def simultaneous(c: Conversation) -> list[Step]:
    return [
        c.syn,
        lambda: c.from_responder(SYN),
        lambda: c.from_initiator(SYN | ACK, ack=1),
        lambda: c.from_responder(SYN | ACK, ack=1),
    ]


def fast_open(c: Conversation) -> list[Step]:
    return [lambda: c.syn(b"x" * 300), lambda: c.synack(ack=301), lambda: c.ack(seq=301, flags=ACK | FIN)]


def unanswered(c: Conversation) -> list[Step]:
    return [c.syn]


def unacknowledged(c: Conversation) -> list[Step]:
    return [c.syn, c.synack, c.synack]


PLAYS: list[tuple[Play, Counts]] = [
    (success, SUCCESS),
    (half_seen, {"attempts": 1, "success": 1, "half_seen": 1}),
    (late_proof, {"attempts": 1, "success": 1, "late_proof": 1}),
    (refused, {"attempts": 1, "refused": 1}),
    (refused_after_answer, {"attempts": 1, "refused": 1}),
    (aborted, {"attempts": 1, "aborted": 1}),
    (blind_resets, SUCCESS),
    (unreachable, {"attempts": 1, "unreachable": 1}),
    (unreachable_from_router, {"attempts": 1, "unreachable": 1}),
    (time_exceeded, {"attempts": 1, "unreachable": 1}),
    (foreign_unreachable, SUCCESS),
    (
        repeated,
        plus(SUCCESS, dup_syn=1, dup_syn_segments=2, dup_synack=1, dup_synack_segments=1, late_synack=1),
    ),
    (
        repeated_and_refused,
        {
            "attempts": 1,
            "refused": 1,
            "failed_dup_syn": 1,
            "failed_dup_syn_segments": 1,
            "failed_dup_synack": 1,
            "failed_dup_synack_segments": 1,
        },
    ),
    (given_up, plus(SUCCESS, attempts=1, superseded=1)),
    (simultaneous, SUCCESS),
    (fast_open, SUCCESS),
    (unanswered, {"attempts": 1, "no_answer": 1}),
    (
        unacknowledged,
        {"attempts": 1, "no_ack": 1, "failed_dup_synack": 1, "failed_dup_synack_segments": 1},
    ),
]


class Crowd:
    """The attempts, their steps in random order, and what must come of them."""

    def __init__(self, wire: Wire, seed: int) -> None:
        self._random = random.Random(seed)
        self._wire = wire
        self.expected: dict[str, Counts] = {"RX": {}, "TX": {}}
        self._waiting: list[list[Step]] = []
        for _ in range(ATTEMPTS):
            self._add()

    def _add(self) -> None:
        chance = self._random
        last = chance.randrange(100, 120)
        places = positions(peer_v4=f"10.77.0.{last}", peer_v6=f"fd77::{last}")
        play, counts = chance.choice(PLAYS)
        # Answers of this host are seen, so what it did not answer it did not complete.
        position = chance.choice([each for each in places if play is not half_seen or each.direction == "TX"])
        talk = Conversation(
            self._wire,
            position,
            isn=chance.choice((0xFFFFFFFF, 0xFFFFFFF0, 0, chance.getrandbits(32))),
            responder_isn=chance.choice((0xFFFFFFFF, 0, chance.getrandbits(32))),
            dressing=self._dressing(),
        )
        self._waiting.append(play(talk))
        target = self.expected[position.direction]
        for word, count in counts.items():
            target[word] = target.get(word, 0) + count

    def _dressing(self) -> Dressing:
        """Mostly plain; else something a steering program may or may not see through."""
        kind = self._random.randrange(12)
        hop, options, atomic = frames.hop_by_hop(), frames.destination_options(), frames.fragment()
        if kind == 0:
            return Dressing(extensions=(hop,), ip_options=b"\x01" * 4)
        if kind == 1:
            return Dressing(extensions=(options, frames.routing()), ip_options=b"\x01" * 40)
        if kind == 2:
            return Dressing(extensions=(atomic,), first_of_fragments=True)
        if kind == 3:
            return Dressing(trailer=b"\0" * 6)
        return Dressing()

    def play(self) -> None:
        while self._waiting:
            number = self._random.randrange(len(self._waiting))
            self._waiting[number].pop(0)()
            if not self._waiting[number]:
                self._waiting[number] = self._waiting[-1]
                self._waiting.pop()


def source_routed(talk: Conversation, flags: int) -> None:
    """A segment of the initiator's on its way to a hop."""
    ends = (talk.position.initiator, talk.position.responder)
    past = int(flags == ACK)
    segment = frames.tcp(
        *ends,
        talk.initiator_port,
        talk.responder_port,
        seq=talk.isn + past,
        ack=(talk.responder_isn + 1) * past,
        flags=flags,
    )
    route = bytes((131, 7, 4)) + ends[1].packed
    hop = ipaddress.ip_address("192.0.2.77")
    talk.wire.from_peer(frames.ethernet(frames.ipv4(ends[0], hop, frames.PROTOCOL_TCP, segment, options=route)))


class Readers(unittest.TestCase):
    maxDiff = None

    def test_same_counts_with_any_number(self) -> None:
        seed = int(os.environ.get("TCPEEK_LIVE_SEED", random.randrange(1 << 32)))
        with Lab() as network, contextlib.ExitStack() as stack:
            monitors = [
                stack.enter_context(
                    Monitor(
                        network,
                        "--threads", str(readers), "--icmp", "--timeout", "15", "--copy-window", "0", "-q",
                        name=f"readers{readers}",
                        ring_mib=64,
                    )  # fmt: skip
                )
                for readers in READERS
            ]
            crowd = Crowd(network.wire(), seed)
            crowd.play()
            for readers, monitor in zip(READERS, monitors, strict=True):
                with self.subTest(seed=seed, readers=readers):
                    self._check(monitor, readers, crowd)

    def _check(self, monitor: Monitor, readers: int, crowd: Crowd) -> None:
        def all_ended() -> Stats | None:
            stats = monitor.stats()
            ended = stats.settled() and stats.packets("delivered") > 0 and stats.totals["pending"] == 0
            return stats if ended else None

        after = lab.wait_for(all_ended, "every attempt has an outcome")
        after.check_accounting()
        self.assertEqual(after.packets("dropped"), 0)
        self.assertEqual(len(after.json["readers"]), readers)
        seen = {name: difference(counts, {}) for name, counts in after.filters.items()}
        self.assertEqual(seen, crowd.expected, after.json["packets"])
        if readers > 1:
            shares = [reader["packets"] for reader in after.json["readers"]]
            self.assertGreater(min(shares), 0, "some reader had nothing to do")

    def test_plain_connections_reach_their_owner_at_once(self) -> None:
        """Steering sees TCP over IPv4 and IPv6, and the errors that quote it: nothing goes by mailbox."""
        with Lab() as network, Monitor(network, "--threads", "4", *ICMP, "-q") as monitor:
            wire = network.wire()
            sent = 0
            for number in range(200):
                talk = Conversation(wire, positions()[number % 4])
                for step in (success if number % 8 < 4 else unreachable)(talk):
                    step()
                    sent += 1
            after = monitor.wait_delivered(sent)
            self.assertEqual(after.packets("misrouted"), 0)
            self.assertEqual(after.totals["success"], 100)
            after = monitor.wait_counts({"unreachable": 100})
            after.check_accounting()

    def test_source_routes_find_the_owner(self) -> None:
        """Steering goes by the next hop, the decoder by the end of the route: by mailbox, each in its time."""
        with Lab() as network, Monitor(network, "--threads", "4", "-c", "2", "-q") as monitor:
            wire = network.wire()
            talks = [Conversation(wire, RX4) for _ in range(40)]
            steps: list[Callable[[Conversation], object]] = [
                lambda c: source_routed(c, SYN), Conversation.synack, lambda c: source_routed(c, ACK)
            ]  # fmt: skip
            for step in steps:
                for talk in talks:
                    step(talk)
                pause()
            after = monitor.wait_delivered(3 * len(talks))
            self.assertEqual(after.totals["attempts"], len(talks))
            self.assertEqual(after.totals["success"], len(talks))
            self.assertEqual(after.totals["timed_handshakes"], len(talks))
            self.assertGreater(after.packets("misrouted"), 0)
            after.check_accounting()

    def test_what_steering_cannot_see_keeps_its_place(self) -> None:
        """One end's segments may go by mailbox and the other's do not: still in the order they came."""
        dressed = {
            "extension header": (Dressing(extensions=(frames.hop_by_hop(),)), (RX6, TX6)),
            "chain of headers": (Dressing(extensions=[frames.destination_options()] * 8), (RX6, TX6)),
            "tag": (Dressing(tags=(frames.Tag(7),)), POSITIONS),
            "two tags": (Dressing(tags=(frames.Tag(8, frames.TPID_QINQ), frames.Tag(7))), POSITIONS),
        }
        with Lab() as network, Monitor(network, "--threads", "4", "-q") as monitor:
            wire = network.wire()
            for what, (dressing, places) in dressed.items():
                for from_initiator in (True, False):
                    with self.subTest(what, from_initiator=from_initiator):
                        before = monitor.stats()
                        for number in range(100):
                            talk = Conversation(wire, places[number % len(places)])
                            halves = (dressing, Dressing()) if from_initiator else (Dressing(), dressing)
                            for number_of_step, step in enumerate(success(talk)[:3]):
                                talk.dressing = halves[number_of_step % 2]
                                step()
                        after = monitor.wait_delivered(before.packets("delivered") + 300)
                        grown = difference(after.totals, before.totals)
                        self.assertEqual(grown, {"attempts": 100, "success": 100, "timed_handshakes": 100})


if __name__ == "__main__":
    unittest.main()
