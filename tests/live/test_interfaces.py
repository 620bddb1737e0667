"""Which interfaces are watched, what is local on them, and what happens when they change."""

import ipaddress
import unittest

import frames
import lab
from conversation import RX4, RX6, TX4, TX6, Conversation, Position, pause, positions
from lab import Lab, Namespace, Wire
from monitor import Monitor, difference

SECOND = positions("10.78.0.2", "10.78.0.1", "fd78::2", "fd78::1")

setUpModule = lab.require


def connect_and_reset(server: Namespace, client: Namespace, address: str) -> None:
    """A connection of exactly four packets: SYN, SYN/ACK, ACK, RST."""
    with server.listen(address) as listener:
        with client.connect(address, listener.getsockname()[1]) as connection:
            lab.reset_on_close(connection)


class SeveralInterfaces(unittest.TestCase):
    def test_each_counts(self) -> None:
        with Lab(links=2) as network, Monitor(network, interfaces=("veth0", "veth1")) as monitor:
            first, second = network.wire(0), network.wire(1)
            for position in (RX4, TX6):
                Conversation(first, position).succeed()
            for position in SECOND:
                Conversation(second, position).succeed()
            after = monitor.wait_delivered(18)
            self.assertEqual(after.filters["RX"]["success"], 3)
            self.assertEqual(after.filters["TX"]["success"], 3)
            packets = {entry["name"]: entry["packets"] for entry in after.json["interfaces"]}
            self.assertEqual(packets, {"veth0": 6, "veth1": 12})
            after.check_accounting()

    def test_only_what_is_named_is_watched(self) -> None:
        with Lab(links=2) as network, Monitor(network) as monitor:
            Conversation(network.wire(1), RX4).succeed()
            Conversation(network.wire(0), RX4).succeed()
            after = monitor.wait_delivered(3)
            self.assertEqual(after.totals["attempts"], 1)

    def test_in_by_one_and_out_by_the_other(self) -> None:
        with Lab(links=2) as network:
            for threads in ("1", "3"):
                with self.subTest(threads=threads), Monitor(
                    network, "--threads", threads, interfaces=("veth0", "veth1")
                ) as monitor:
                    wire = network.wire(peer_link=0, host_link=1)
                    for number in range(20):
                        talk = Conversation(wire, (RX4, RX6, TX4, TX6)[number % 4])
                        talk.syn()
                        monitor.wait_delivered(3 * number + 1)
                        talk.synack()
                        monitor.wait_delivered(3 * number + 2)
                        talk.ack()
                        monitor.wait_delivered(3 * number + 3)
                    after = monitor.stats()
                    self.assertEqual(after.totals["success"], 20)
                    self.assertEqual(after.totals["half_seen"], 0)
                    after.check_accounting()

    def test_repeats_seen_elsewhere_are_no_duplicates(self) -> None:
        """Only the interface that saw the first SYN counts duplicates."""
        with Lab(links=2) as network, Monitor(network, interfaces=("veth0", "veth1")) as monitor:
            here = Conversation(network.wire(0), RX4)
            there = Conversation(network.wire(1), RX4)
            there.initiator_port, there.responder_port = here.initiator_port, here.responder_port
            delivered = 0
            for talk, step in ((here, "syn"), (there, "syn"), (here, "synack"), (there, "synack"), (here, "syn")):
                getattr(talk, step)()
                delivered += 1
                monitor.wait_delivered(delivered)
                pause()
            here.ack()
            there.ack()
            after = monitor.wait_delivered(delivered + 2)
            expected = {"attempts": 1, "success": 1, "timed_handshakes": 1, "dup_syn": 1, "dup_syn_segments": 1}
            self.assertEqual(difference(after.totals, {}), expected)
            self.assertEqual(after.ignored["other_interface"], 2)
            after.check_accounting()


class Any(unittest.TestCase):
    def test_all_interfaces(self) -> None:
        with Lab(links=2) as network, Monitor(network, interfaces=("any",)) as monitor:
            Conversation(network.wire(0), RX4).succeed()
            Conversation(network.wire(1), SECOND[3]).succeed()
            connect_and_reset(network.host, network.host, "127.0.0.1")
            after = monitor.wait_delivered(10)
            self.assertEqual(after.totals["success"], 3)
            self.assertEqual(after.filters["RX"]["success"], 2)
            self.assertEqual(after.filters["TX"]["success"], 2)
            self.assertEqual(after.other(), dict.fromkeys(after.other(), 0))
            after.check_accounting()

    def test_one_attempt_seen_on_a_bridge_and_on_its_port(self) -> None:
        with Lab() as network:
            host = network.host
            try:
                host.ip("link", "add", "bridge0", "type", "bridge")
            except RuntimeError as error:
                self.skipTest(f"this kernel makes no bridges: {error}")
            host.ip("address", "flush", "dev", "veth0")
            host.ip("address", "add", "10.77.0.2/24", "dev", "bridge0")
            host.ip("link", "set", "veth0", "master", "bridge0")
            host.ip("link", "set", "bridge0", "up")
            with Monitor(network, interfaces=("any",)) as monitor:
                for server, client, address in (
                    (host, network.peer, lab.HOST_V4),
                    (network.peer, host, lab.PEER_V4),
                ):
                    connect_and_reset(server, client, address)
                after = monitor.wait_delivered(16)
                for direction in ("RX", "TX"):
                    expected = {"attempts": 1, "success": 1, "timed_handshakes": 1}
                    self.assertEqual(difference(after.filters[direction], {}), expected)
                after.check_accounting()


class Loopback(unittest.TestCase):
    def test_each_packet_once_and_each_attempt_both_ways(self) -> None:
        with Lab() as network, Monitor(network, interfaces=("lo",)) as monitor:
            for number, address in enumerate(("127.0.0.1", "::1", lab.HOST_V4, lab.HOST_V6), 1):
                connect_and_reset(network.host, network.host, address)
                after = monitor.wait_delivered(4 * number)
                expected = {"attempts": number, "success": number, "timed_handshakes": number}
                for direction in ("RX", "TX"):
                    self.assertEqual(difference(after.filters[direction], {}), expected)
                self.assertEqual(difference(after.totals, {}), expected)
                self.assertEqual(after.other(), dict.fromkeys(after.other(), 0))
            after.check_accounting()

    def test_refused(self) -> None:
        with Lab() as network, Monitor(network, interfaces=("lo",)) as monitor:
            with self.assertRaises(ConnectionRefusedError):
                network.host.connect("127.0.0.1", 9)
            after = monitor.wait_delivered(2)
            self.assertEqual(difference(after.filters["RX"], {}), {"attempts": 1, "refused": 1})


class Addresses(unittest.TestCase):
    def test_interface_without_address(self) -> None:
        with Lab() as network:
            network.host.ip("address", "flush", "dev", "veth0")
            with Monitor(network) as monitor:
                wire = network.wire()
                Conversation(wire, RX4).succeed()
                Conversation(wire, TX6).succeed()
                after = monitor.wait_delivered(6)
                self.assertEqual(after.other()["not_local"], 2)
                self.assertEqual(after.totals["success"], 2)
                for counts in after.filters.values():
                    self.assertEqual(difference(counts, {}), {})
                after.check_accounting()
            # On a mirror port direction is known by --local.
            with Monitor(network, "--local", "10.77.0.2", "--local", "fd77::2/128") as monitor:
                Conversation(wire, RX4).succeed()
                Conversation(wire, TX6).succeed()
                after = monitor.wait_delivered(6)
                self.assertEqual(after.filters["RX"]["success"], 1)
                self.assertEqual(after.filters["TX"]["success"], 1)

    def test_second_address_is_local_too(self) -> None:
        with Lab() as network:
            network.host.ip("address", "add", "10.77.0.22/24", "dev", "veth0")
            second = Position("second", "RX", ipaddress.ip_address("10.77.0.22"), RX4.peer)
            with Monitor(network) as monitor:
                wire = network.wire()
                Conversation(wire, second).succeed()
                Conversation(wire, RX4).succeed()
                self.assertEqual(monitor.wait_delivered(6).filters["RX"]["success"], 2)

    def test_address_comes_and_goes_while_running(self) -> None:
        with Lab() as network, Monitor(network) as monitor:
            wire = network.wire()
            for address, length in (("10.77.0.200", 24), ("fd77::200", 64)):
                late = Position("late", "RX", ipaddress.ip_address(address), RX4.peer if length == 24 else RX6.peer)

                def is_local(position: Position = late) -> bool:
                    before = monitor.stats()
                    Conversation(wire, position).succeed()
                    after = monitor.wait_delivered(before.packets("delivered") + 3)
                    after.check_accounting()
                    local = after.filters["RX"]["success"] - before.filters["RX"]["success"]
                    foreign = after.other()["not_local"] - before.other()["not_local"]
                    self.assertEqual(local + foreign, 1)
                    return local == 1

                self.assertFalse(is_local())
                network.host.ip("address", "add", f"{address}/{length}", "dev", "veth0", *lab.NODAD[length])
                lab.wait_for(is_local, f"{address} becomes local")
                network.host.ip("address", "del", f"{address}/{length}", "dev", "veth0")
                lab.wait_for(lambda: not is_local(), f"{address} is local no more")

    def test_address_of_an_interface_not_watched(self) -> None:
        with Lab(links=2) as network, Monitor(network) as monitor:
            Conversation(network.wire(0), SECOND[0]).succeed()
            after = monitor.wait_delivered(3)
            self.assertEqual(after.other()["not_local"], 1)
            self.assertEqual(after.filters["RX"]["attempts"], 0)


class Changes(unittest.TestCase):
    def test_down_and_up_again(self) -> None:
        with Lab() as network, Monitor(network) as monitor:
            wire = network.wire()
            Conversation(wire, RX4).succeed()
            monitor.wait_delivered(3)
            for round_number in (1, 2):
                network.host.ip("link", "set", "veth0", "down")
                lab.wait_for(lambda: not self._is_up(monitor), "STATS shows the interface down")
                network.host.ip("link", "set", "veth0", "up")
                lab.wait_for(lambda: self._is_up(monitor), "STATS shows the interface up")
                self._count_again(monitor, wire)
                self.assertEqual(monitor.stats().totals["success"], 1 + round_number)
            monitor.stats().check_accounting()

    @staticmethod
    def _is_up(monitor: Monitor) -> bool:
        return bool(monitor.stats().json["interfaces"][0]["up"])

    def _count_again(self, monitor: Monitor, wire: Wire) -> None:
        before = monitor.stats()
        Conversation(wire, RX4).succeed()
        after = monitor.wait_delivered(before.packets("delivered") + 3)
        self.assertEqual(difference(after.filters["RX"], before.filters["RX"]),
                         {"attempts": 1, "success": 1, "timed_handshakes": 1})  # fmt: skip

    def test_the_other_end_goes_down(self) -> None:
        """As when the cable of a mirror port is pulled: the interface itself stays up."""

        def state(monitor: Monitor) -> str:
            return str(monitor.stats().json["interfaces"][0]["state"])

        with Lab() as network, Monitor(network) as monitor:
            self.assertEqual(state(monitor), "up")
            network.peer.ip("link", "set", "veth0", "down")
            lab.wait_for(lambda: state(monitor) == "no_carrier", "STATS shows that there is no carrier")
            self.assertFalse(self._is_up(monitor))
            self.assertIn("veth0 has no carrier: nothing to capture there until its other end is up", monitor.stderr())
            network.peer.ip("link", "set", "veth0", "up")
            lab.wait_for(lambda: state(monitor) == "up", "STATS shows that it has one again")
            self._count_again(monitor, network.wire())
            self.assertIn("veth0 is up: capturing goes on", monitor.stderr())

    def test_down_at_the_start(self) -> None:
        with Lab() as network:
            network.host.ip("link", "set", "veth0", "down")
            with Monitor(network) as monitor:
                self.assertIn("veth0 is down: nothing to capture there until it is up", monitor.stderr())
                network.host.ip("link", "set", "veth0", "up")
                lab.wait_for(lambda: "LOWER_UP" in network.host.ip("link", "show", "veth0"), "veth0 is up")
                self._count_again(monitor, network.wire())
                lab.wait_for(lambda: "veth0 is up: capturing goes on" in monitor.stderr(), "a message about it")

    def test_one_of_two_is_deleted(self) -> None:
        with Lab(links=2) as network, Monitor(network, interfaces=("veth0", "veth1")) as monitor:
            wire = network.wire(0)
            Conversation(wire, RX4).succeed()
            monitor.wait_delivered(3)
            network.host.ip("link", "del", "veth1")
            for _ in range(3):
                self._count_again(monitor, wire)
            monitor.stats().check_accounting()

    def test_promiscuous_only_on_demand(self) -> None:
        with Lab() as network:
            for options, wanted in (((), "promiscuity 0 "), (("--promisc",), r"promiscuity [1-9]")):
                with self.subTest(options=options), Monitor(network, *options):
                    self.assertRegex(network.host.ip("-d", "link", "show", "veth0"), wanted)
            self.assertIn("promiscuity 0", network.host.ip("-d", "link", "show", "veth0"))


class VlanInterface(unittest.TestCase):
    def test_on_the_sub_interface_and_on_its_parent(self) -> None:
        with Lab() as network:
            for last, namespace in ((1, network.peer), (2, network.host)):
                try:
                    namespace.ip("link", "add", "link", "veth0", "name", "vlan5", "type", "vlan", "id", "5")
                except RuntimeError as error:
                    self.skipTest(f"this kernel makes no VLAN interfaces: {error}")
                namespace.ip("address", "add", f"10.79.0.{last}/24", "dev", "vlan5")
                namespace.ip("link", "set", "vlan5", "up")
            for interface, options in (("vlan5", ()), ("veth0", ("--local", "10.79.0.2"))):
                with self.subTest(interface=interface), Monitor(
                    network, *options, interfaces=(interface,)
                ) as monitor:
                    connect_and_reset(network.host, network.peer, "10.79.0.2")
                    connect_and_reset(network.peer, network.host, "10.79.0.1")
                    after = monitor.wait_delivered(8)
                    self.assertEqual(after.filters["RX"]["success"], 1)
                    self.assertEqual(after.filters["TX"]["success"], 1)

    def test_tagged_frames_with_two_readers(self) -> None:
        with Lab() as network, Monitor(network, "--threads", "2") as monitor:
            wire = network.wire()
            for number in range(40):
                talk = Conversation(wire, (RX4, RX6)[number % 2])
                talk.dressing.tags = [frames.Tag(number + 1)]
                talk.syn()
                monitor.wait_delivered(3 * number + 1)
                talk.synack()
                monitor.wait_delivered(3 * number + 2)
                talk.ack()
                monitor.wait_delivered(3 * number + 3)
            self.assertEqual(monitor.stats().totals["success"], 40)


if __name__ == "__main__":
    unittest.main()
