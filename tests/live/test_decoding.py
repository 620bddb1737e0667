"""What stands around a segment: tags, IP options, extension headers, fragments, padding, checksums."""

import unittest

import frames
import lab
from conversation import POSITIONS, Conversation, Dressing, Position
from frames import SYN, Tag
from monitor import ICMP
from scenario import SUCCESS, Scenario, ScenarioCase

V4 = [position for position in POSITIONS if position.host.version == 4]
V6 = [position for position in POSITIONS if position.host.version == 6]

setUpModule = lab.require


class Wrappings(ScenarioCase):
    """In the default capture mode: the kernel filter must see through all of it."""

    options = ("--timeout", "3600", *ICMP)

    def test_tags(self) -> None:
        errors: list[tuple[Scenario, Position]] = []
        for tags in (
            [Tag(7)],
            [Tag(0)],
            [Tag(4094), Tag(1)],
            [Tag(100, frames.TPID_QINQ)],
            [Tag(100, frames.TPID_QINQ), Tag(7)],
        ):

            def success(c: Conversation, tags: list[Tag] = tags) -> None:
                c.dressing.tags = tags
                c.succeed()

            def refusal(c: Conversation, tags: list[Tag] = tags) -> None:
                c.dressing.tags = tags
                c.syn()
                c.refuse()

            def unreachable(c: Conversation, tags: list[Tag] = tags) -> None:
                c.dressing.tags = tags
                c.unreachable(c.syn())

            with self.subTest(tags=[(hex(tag.tpid), tag.vid) for tag in tags]):
                self.play(success, SUCCESS, unused=0)
                self.play(refusal, {"attempts": 1, "refused": 1}, unused=0)
            errors += [(unreachable, position) for position in POSITIONS]
        # Together, as each takes three seconds until it is final.
        self.play_each(errors, {"attempts": 1, "unreachable": 1}, unused=0, wait_ended=True)

    def test_ip_options(self) -> None:
        for length in (4, 40):

            def scenario(c: Conversation, length: int = length) -> None:
                c.dressing.ip_options = b"\x01" * length
                c.succeed()

            with self.subTest(length=length):
                self.play(scenario, SUCCESS, unused=0, positions=V4)

    def test_extension_headers(self) -> None:
        hop, route, atomic = frames.hop_by_hop(), frames.routing(), frames.fragment()
        short, long = frames.destination_options(), frames.destination_options(128)
        for chain in (
            [hop],
            [route],
            [atomic],
            [short],
            [long],
            [hop, short, route, atomic, short],
            [short] * 8,
        ):

            def scenario(c: Conversation, chain: list[frames.Extension] = chain) -> None:
                c.dressing.extensions = chain
                c.succeed()

            with self.subTest(chain=[extension.number for extension in chain]):
                self.play(scenario, SUCCESS, unused=0, positions=V6)

    def test_first_fragment_with_the_whole_header(self) -> None:
        def scenario(c: Conversation) -> None:
            c.dressing.first_of_fragments = True
            c.dressing.extensions = [frames.fragment(more=True)]
            c.syn()
            c.dressing = Dressing()
            c.synack()
            c.ack()

        self.play(scenario, SUCCESS, unused=0)

    def test_padding_is_no_payload(self) -> None:
        """Short frames are padded to 60 bytes on real wires: the filter must let pure ACKs pass."""

        def scenario(c: Conversation) -> None:
            c.dressing.trailer = b"\0" * 6
            c.syn()
            c.synack(ack=4)  # as if padding had been data on the SYN
            c.synack()
            c.ack()

        self.play(scenario, SUCCESS, unused=1)

    def test_fragments_that_are_no_segment(self) -> None:
        """Later fragments that look like a SYN, and a first one cut inside the TCP header."""
        before = self.monitor.stats()
        for position in POSITIONS:
            c = self.conversation(position)
            ends = (position.initiator, position.responder)
            segment = frames.tcp(*ends, c.initiator_port, c.responder_port, seq=1, flags=SYN)
            if position.host.version == 4:
                packets = [
                    frames.ipv4(*ends, frames.PROTOCOL_TCP, segment, fragment_offset=1480),
                    frames.ipv4(*ends, frames.PROTOCOL_TCP, segment, fragment_offset=8, more_fragments=True),
                    frames.ipv4(*ends, frames.PROTOCOL_TCP, segment[:16], more_fragments=True),
                ]
            else:
                packets = [
                    frames.ipv6(*ends, frames.PROTOCOL_TCP, body, extensions=[extension])
                    for body, extension in (
                        (segment, frames.fragment(1480)),
                        (segment, frames.fragment(8, more=True)),
                        (segment[:16], frames.fragment(more=True)),
                    )
                ]
            for packet in packets:
                self.wire.from_peer(frames.ethernet(packet))
                self.wire.from_host(frames.ethernet(packet))
            c.succeed()
        after = self.monitor.wait_counts({"success": before.totals["success"] + len(POSITIONS)})
        self.assertEqual(after.totals["attempts"], before.totals["attempts"] + len(POSITIONS))
        self.assertEqual(after.totals["pending"], 0)
        # One of each family's three is let through: it might hide a SYN.
        cut = after.ignored["cut_first_fragment"] - before.ignored["cut_first_fragment"]
        self.assertEqual(cut, 2 * len(POSITIONS))
        self.assertEqual(after.ignored["later_fragment"], before.ignored["later_fragment"])
        after.check_accounting()

    def test_truncated_packets(self) -> None:
        """Cut at every byte: counted as ignored at most, and the next attempt works."""
        before = self.monitor.stats()
        for position in POSITIONS:
            c = self.conversation(position)
            whole = c.syn()
            for length in range(1, len(whole)):
                self.wire.from_peer(frames.ethernet(whole[:length]))
                self.wire.from_host(frames.ethernet(whole[:length]))
            c.synack()
            c.ack()
        after = self.monitor.wait_counts({"success": before.totals["success"] + len(POSITIONS)})
        self.assertEqual(after.totals["attempts"], before.totals["attempts"] + len(POSITIONS))
        after.check_accounting()


class ManyTags(ScenarioCase):
    """Further in than the kernel filter looks. One reader, as no program steers these."""

    options = ("--timeout", "3600", "--threads", "1")

    def test_up_to_eight_are_read(self) -> None:
        for count in range(3, 9):

            def scenario(c: Conversation, count: int = count) -> None:
                c.dressing.tags = [Tag(7)] * count
                c.succeed()

            with self.subTest(tags=count):
                self.play(scenario, SUCCESS, unused=0)

    def test_more_are_counted(self) -> None:
        def scenario(c: Conversation) -> None:
            c.dressing.tags = [Tag(7)] * 10
            c.syn()

        before = self.monitor.stats()
        after = self.play(scenario, {}, unused=1)
        self.assertEqual(after.ignored["not_ip"] - before.ignored["not_ip"], len(POSITIONS))


class ManyTagsNarrowed(ScenarioCase):
    options = ("--timeout", "3600", "--bpf", "tcp")

    def test_an_expression_is_matched_behind_two_tags_in_the_bytes(self) -> None:
        def scenario(c: Conversation) -> None:
            c.dressing.tags = [Tag(7)] * 2
            c.succeed()
            c.dressing.tags = [Tag(7)] * 4
            c.abort()

        self.play(scenario, SUCCESS, unused=0, not_captured=1)


class OtherLinkHeaders(ScenarioCase):
    def test_they_are_read_from_files_alone(self) -> None:
        def scenario(c: Conversation) -> None:
            plain = frames.ethernet(
                frames.ip(c.position.peer, c.position.host, frames.PROTOCOL_TCP, b"\0" * 13 + b"\x02" + b"\0" * 6)
            )
            for header in (
                bytes.fromhex("8847 00001140"),  # MPLS
                bytes.fromhex("8864 11000001002a0021"),  # PPPoE
                bytes.fromhex("0030 aaaa030000000800"),  # LLC and SNAP
                bytes.fromhex("8926 000000000800"),  # VN-Tag
                bytes.fromhex("893f 0000000000000800"),  # E-Tag
            ):
                c.wire.from_peer(plain[:12] + header + plain[14:])

        self.play(scenario, {}, unused=0, not_captured=5, positions=V4)


class NoVerification(ScenarioCase):
    def test_wrong_checksums_do_not_matter(self) -> None:
        def scenario(c: Conversation) -> None:
            c.dressing.wrong_tcp_checksum = c.dressing.wrong_ip_checksum = True
            c.succeed()

        self.play(scenario, SUCCESS, unused=0)


class HeaderVerification(ScenarioCase):
    options = ("--timeout", "3600", "-c", "1")

    def test_wrong_header_checksum(self) -> None:
        def scenario(c: Conversation) -> None:
            c.dressing.wrong_ip_checksum = True
            c.syn()
            c.dressing.wrong_ip_checksum = False
            c.succeed()
            c.dressing.wrong_ip_checksum = True
            c.abort()

        after = self.play(scenario, SUCCESS, unused=2, positions=V4)
        self.assertEqual(after.ignored["ip_checksum"], 2 * len(V4))

    def test_wrong_tcp_checksum_does_not_matter(self) -> None:
        def scenario(c: Conversation) -> None:
            c.dressing.wrong_tcp_checksum = True
            c.succeed()

        self.play(scenario, SUCCESS, unused=0)


class FullVerification(ScenarioCase):
    options = ("--timeout", "3600", "-c", "2")

    def test_wrong_tcp_checksum(self) -> None:
        def scenario(c: Conversation) -> None:
            c.dressing.wrong_tcp_checksum = True
            c.syn()
            c.dressing.wrong_tcp_checksum = False
            c.succeed()

        before = self.monitor.stats()
        after = self.play(scenario, SUCCESS, unused=1)
        wrong = after.ignored["transport_checksum"] - before.ignored["transport_checksum"]
        self.assertEqual(wrong, len(POSITIONS))

    def test_wrong_header_checksum(self) -> None:
        def scenario(c: Conversation) -> None:
            c.dressing.wrong_ip_checksum = True
            c.syn()
            c.dressing.wrong_ip_checksum = False
            c.succeed()

        self.play(scenario, SUCCESS, unused=1, positions=V4)

    def test_right_checksums_with_everything_around(self) -> None:
        def scenario(c: Conversation) -> None:
            c.dressing.tags = [Tag(7)]
            c.dressing.ip_options = b"\x01" * 8
            c.dressing.extensions = [frames.hop_by_hop(), frames.routing()]
            c.dressing.trailer = b"\xaa" * 7
            c.syn(b"odd")
            c.synack(ack=4)
            c.ack(seq=4)

        self.play(scenario, SUCCESS, unused=0)

    def test_segments_cut_by_the_snap_length_are_accepted(self) -> None:
        def scenario(c: Conversation) -> None:
            c.dressing.wrong_tcp_checksum = True
            c.syn(b"x" * 1200)
            c.dressing.wrong_tcp_checksum = False
            c.synack()
            c.ack()

        self.play(scenario, SUCCESS, unused=0)

    def test_checksums_left_to_the_device(self) -> None:
        """Real segments cross a veth with their TCP checksum not yet computed."""
        before = self.monitor.stats()
        for host_listens, address in ((True, lab.HOST_V4), (True, lab.HOST_V6), (False, lab.PEER_V4)):
            server, client = self.network.host, self.network.peer
            if not host_listens:
                server, client = client, server
            with server.listen(address) as listener, client.connect(address, listener.getsockname()[1]):
                pass
        after = self.monitor.wait_counts({"success": before.totals["success"] + 3})
        for reason in ("ip_checksum", "transport_checksum"):
            self.assertEqual(after.ignored[reason], before.ignored[reason])


class QuotedInside(ScenarioCase):
    options = ("--timeout", "3600", *ICMP, "-c", "2")

    def test_unreachable_with_right_checksums(self) -> None:
        def scenario(c: Conversation) -> None:
            c.unreachable(c.syn())

        plays = [(scenario, position) for position in POSITIONS]
        self.play_each(plays, {"attempts": 1, "unreachable": 1}, unused=0, wait_ended=True)


if __name__ == "__main__":
    unittest.main()
