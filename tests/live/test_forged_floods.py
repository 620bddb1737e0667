"""Forgers in numbers: what they may not push out of a full table, nor keep in it, nor win from a real server."""

import select
import time
import unittest
from itertools import count

import frames
import lab
from conversation import RX4, Conversation
from forgery import ATTEMPTS, READERS, SEED, SPACE, Forger, ForgerCase, full_or_tenth, monitors
from frames import ACK, SYN
from lab import HOST_V4, Lab
from monitor import Monitor, Stats

setUpModule = lab.require

# Of the flood and of what it may not displace, in the proportions in which it did.
TABLE = full_or_tenth(20_000)
GENUINE = full_or_tenth(2000)
AFTERWARDS = full_or_tenth(2500)
GENUINE_PORT = 7777
FLOOD_PORT = 80

HALF = SPACE // 2
FORGED_CLIENTS = "198.18.0.0/16"  # RFC 2544


class Flood:
    """Attempts from addresses without end, each frame made out of a template in a few microseconds."""

    def __init__(self, wire: lab.Wire, answer: int | None) -> None:
        """`answer`: the flags of what seems to come back at each SYN, if anything."""
        self._wire = wire
        self._answer = answer
        self._serial = count()
        self._syn, self._back = (
            bytearray(frames.ethernet(frames.ipv4(RX4.peer, RX4.host, frames.PROTOCOL_TCP, body)))
            for body in (
                frames.tcp(RX4.peer, RX4.host, 1, FLOOD_PORT, seq=1000, flags=SYN),
                frames.tcp(RX4.host, RX4.peer, FLOOD_PORT, 1, seq=9000, ack=1001, flags=answer or 0),
            )
        )

    def send(self, attempts: int) -> None:
        for _ in range(attempts):
            serial = next(self._serial)
            client = bytes((198, 18)) + (serial // 40_000).to_bytes(2, "big")
            port = (10_000 + serial % 40_000).to_bytes(2, "big")
            self._syn[26:36] = client + RX4.host.packed + port
            self._wire.from_peer(bytes(self._syn))
            if self._answer is not None:
                self._back[26:34] = RX4.host.packed + client
                self._back[36:38] = port
                self._wire.from_host(bytes(self._back))


class FullTable(unittest.TestCase):
    """Which attempts give way to a flood's: those that wait longest, whatever seems to come back at them."""

    def evicted(self, answer: int | None) -> list[tuple[int, int]]:
        """Of the genuine attempts, and of all, by monitor."""
        options = ("--max-sessions", str(TABLE), f"genuine:RX@%:{GENUINE_PORT}")
        with Lab() as network, monitors(network, *options) as both:
            wire = network.wire()
            flood = Flood(wire, answer)
            flood.send(TABLE + TABLE // 4)
            for _ in range(GENUINE):
                Conversation(wire, RX4, responder_port=GENUINE_PORT).syn()
            flood.send(AFTERWARDS)
            return [self._evicted(monitor, wire.sent) for monitor in both]

    def _evicted(self, monitor: Monitor, sent: int) -> tuple[int, int]:
        after = monitor.wait_delivered(sent)
        after.check_accounting()
        self.assertEqual(after.filters["genuine"]["attempts"], GENUINE)
        return after.filters["genuine"]["evicted"], after.totals["evicted"]

    def test_no_flood_displaces_more_than_a_plain_one(self) -> None:
        """Pairs of SYNs, one each way, passed for answered and evicted nine of ten genuine attempts. So would
        a flood at a port that answers, whose SYN/ACKs nobody acknowledges."""
        plain = self.evicted(None)
        for name, answer in (("SYN pairs", SYN), ("answered, never acknowledged", SYN | ACK)):
            for readers, (genuine, _), (of_plain, all_of_plain) in zip(
                READERS, self.evicted(answer), plain, strict=True
            ):
                with self.subTest(flood=name, readers=readers):
                    self.assertGreaterEqual(all_of_plain, AFTERWARDS // 2, "the table is full")
                    # Sets of the table fill unevenly, so a few may go by either.
                    self.assertLessEqual(genuine, of_plain + GENUINE // 100)


class KeptAlive(unittest.TestCase):
    """Forged SYNs every 1.5 s kept dead attempts for ever, where the timeout is 2 s."""

    ROUNDS = 4
    TRIES = 10  # at looking before the first of them could time out if the last forgery had kept it
    KINDS = (("crossing", 1001), ("answered", 1002), ("renumbered", 1003))

    def test_dead_attempts_time_out_on_time(self) -> None:
        for _ in range(self.TRIES):
            if (told := self.played(ATTEMPTS // 2)) is not None:
                break
        else:
            self.fail("the machine is too slow to tell")
        for readers, after in zip(READERS, told, strict=True):
            with self.subTest(readers=readers):
                seen = {name: after.filters[name] for name, _ in self.KINDS}
                self.assertGreaterEqual(seen["crossing"]["no_answer"], ATTEMPTS // 2, seen["crossing"])
                self.assertGreaterEqual(seen["answered"]["no_ack"], ATTEMPTS // 2, seen["answered"])
                self.assertGreaterEqual(seen["renumbered"]["no_answer"], ATTEMPTS // 2, seen["renumbered"])
                after.check_accounting()

    def played(self, attempts: int) -> list[Stats] | None:
        """What the monitors say just after the last forgery; None if that was not in time."""
        filters = [f"{name}:RX@%:{port}" for name, port in self.KINDS]
        with Lab() as network, monitors(network, "--timeout", "2", *filters) as both:
            wire = network.wire()
            talks = {name: [Conversation(wire, RX4, responder_port=port) for _ in range(attempts)]
                     for name, port in self.KINDS}  # fmt: skip
            for each in talks.values():
                for talk in each:
                    talk.syn()
            for talk in talks["answered"]:
                talk.synack()
            began = time.monotonic()
            for turn in range(1, self.ROUNDS):
                time.sleep(max(0.0, began + 1.5 * turn - time.monotonic()))
                self._forge(talks, turn)
                if time.monotonic() > began + 1.5 * turn + 0.4:
                    return None
            told = [monitor.stats() for monitor in both]
            return told if time.monotonic() < began + 1.5 * self.ROUNDS else None

    @staticmethod
    def _forge(talks: dict[str, list[Conversation]], turn: int) -> None:
        for name, each in talks.items():
            for talk in each:
                forger = Forger(talk, talk.isn + 0x01010101 * turn)
                if name == "renumbered":
                    forger.syn_as_initiator()
                else:
                    forger.syn_as_responder()


class RealServer(ForgerCase):
    def test_acknowledging_an_answer_that_one_cannot_see(self) -> None:
        """Forged SYNs at an open port, and two ACKs half a space apart: each was a success. An ACK fits by
        chance once in 256 now."""
        attempts = full_or_tenth(1000)
        host = self.network.host
        host.sysctl("net.ipv4.tcp_max_syn_backlog", 4096)
        host.ip("route", "add", FORGED_CLIENTS, "via", lab.PEER_V4)
        # The answers go to nobody.
        host.ip("neighbour", "replace", lab.PEER_V4, "lladdr", frames.FOREIGN_MAC.hex(":"), "dev", "veth0")
        mac = bytes.fromhex(host.run("cat", "/sys/class/net/veth0/address").strip().replace(":", ""))
        before = [monitor.stats() for monitor in self.monitors]
        with host.listen(HOST_V4, backlog=4096) as listener:
            server_port = listener.getsockname()[1]
            for number in range(attempts):
                self._forge(mac, number, server_port, SYN, 0)
            for monitor, earlier in zip(self.monitors, before, strict=True):
                # A SYN is one packet, its answer another.
                wait_seen(monitor, earlier.packets("seen") + 2 * attempts)
            for ack in (0, HALF):
                for number in range(attempts):
                    self._forge(mac, number, server_port, ACK, ack)
            accepted, _, _ = select.select([listener], [], [], 0)
            self.assertEqual(accepted, [], "the server is not deceived")
        for readers, monitor, earlier in zip(READERS, self.monitors, before, strict=True):
            with self.subTest(readers=readers):
                after = wait_seen(monitor, earlier.packets("seen") + 4 * attempts)
                successes = after.totals["success"] - earlier.totals["success"]
                expected = 2 * attempts / 256
                # Eight standard deviations: the server's numbers are its own.
                self.assertLessEqual(successes, expected + 8 * expected**0.5)
                self.assertEqual(after.totals["attempts"] - earlier.totals["attempts"], attempts)

    def _forge(self, mac: bytes, number: int, server_port: int, flags: int, ack: int) -> None:
        client = lab.address(f"198.18.{number // 250}.{1 + number % 250}")
        isn = SEED + number * 7919 + (flags != SYN)
        body = frames.tcp(client, RX4.host, 10_000 + number, server_port, seq=isn, ack=ack, flags=flags)
        packet = frames.ipv4(client, RX4.host, frames.PROTOCOL_TCP, body)
        self.wire.from_peer(mac + frames.ethernet(packet)[6:])


def wait_seen(monitor: Monitor, packets: int) -> Stats:
    """Waits until at least so many packets were captured since the start, and all of them are counted."""
    latest = monitor.stats()

    def seen() -> bool:
        nonlocal latest
        latest = monitor.stats()
        return latest.packets("seen") >= packets and latest.settled()

    lab.wait_for(seen, f"{packets} packets")
    return latest


if __name__ == "__main__":
    unittest.main()
