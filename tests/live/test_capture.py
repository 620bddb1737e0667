"""What the kernel filter lets through, and that nothing more is needed to count."""

import unittest

import frames
import lab
from conversation import POSITIONS, Conversation
from frames import ACK, FIN, PSH
from lab import Lab
from monitor import Monitor
from scenario import SUCCESS, ScenarioCase, counts

setUpModule = lab.require


class Handshakes(ScenarioCase):
    """The default mode."""

    options = ("--timeout", "3600")

    def test_data_segments_are_not_delivered(self) -> None:
        bulk = 200

        def scenario(c: Conversation) -> None:
            c.succeed()
            timestamps = bytes.fromhex("0101080a0000000200000001")
            for number in range(bulk // 2):
                c.from_initiator(ACK | PSH, seq=1 + number, ack=1, payload=b"x", options=timestamps)
                c.reply(seq=1 + 1400 * number, payload=b"y" * 1400)

        self.play(scenario, SUCCESS, unused=0, not_captured=bulk)

    def test_segments_without_payload_are(self) -> None:
        def scenario(c: Conversation) -> None:
            c.succeed()
            c.from_initiator(ACK, seq=1, ack=1, options=bytes.fromhex("0101080a0000000200000001"))
            c.reply()
            c.fin()

        self.play(scenario, SUCCESS, unused=3)

    def test_completing_segment_with_data_is_proved_later(self) -> None:
        """The data segment stays in the kernel; the responder's acknowledgment of it is seen."""

        def scenario(c: Conversation) -> None:
            c.syn()
            c.synack()
            c.ack(payload=b"GET / HTTP/1.0\r\n\r\n")
            c.reply(ack=19)

        self.play(scenario, counts(attempts=1, success=1, late_proof=1), not_captured=1)

    def test_completing_fin(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.synack()
            c.ack(flags=ACK | FIN)

        self.play(scenario, SUCCESS, unused=0)

    def test_fin_with_payload(self) -> None:
        """A whole request in the completing segment, or a last answer: both are seen."""

        def scenario(c: Conversation) -> None:
            c.syn()
            c.synack()
            c.ack(flags=ACK | PSH | FIN, payload=b"GET / HTTP/1.0\r\n\r\n")
            c.reply(ack=20, flags=ACK | FIN, payload=b"y" * 1400)

        self.play(scenario, SUCCESS, unused=1)

    def test_fast_open_syn_with_payload(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn(b"x" * 500)
            c.synack(ack=501)
            c.ack(seq=501)

        self.play(scenario, SUCCESS, unused=0)

    def test_reset_with_payload(self) -> None:
        """Some stacks say in words why they reset (RFC 9293 3.5.2)."""

        def scenario(c: Conversation) -> None:
            c.syn()
            c.from_responder(frames.RST | ACK, seq=-c.responder_isn, ack=1, payload=b"No listener")

        self.play(scenario, counts(attempts=1, refused=1), unused=0)

    def test_unreachable_is_not_delivered_unless_asked_for(self) -> None:
        def scenario(c: Conversation) -> None:
            syn = c.syn()
            c.unreachable(syn)
            c.synack()
            c.ack()

        self.play(scenario, SUCCESS, unused=0, not_captured=1)

    def test_other_protocols(self) -> None:
        def scenario(c: Conversation) -> None:
            ends = (c.position.peer, c.position.host)
            udp = bytes.fromhex("0035003500080000") + bytes.fromhex("0000000050020000") + b"\0" * 20
            c.wire.from_peer(frames.ethernet(frames.ip(*ends, 17, udp)))
            c.wire.from_peer(frames.ethernet(frames.ip(*ends, 132, udp)))

        self.play(scenario, {}, unused=0, not_captured=2)


class WholeTcp(ScenarioCase):
    def test_data_segments_are_delivered(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.synack()
            c.ack(payload=b"x" * 1400)
            for number in range(1, 20):
                c.ack(seq=1 + 1400 * number, payload=b"x" * 1400)

        self.play(scenario, SUCCESS, unused=19)


class Narrowed(unittest.TestCase):
    def test_bpf_expression(self) -> None:
        cases = (
            ("port 80", 80, 81),
            ("tcp port 80 or tcp port 8080", 8080, 81),
            ("not port 80", 81, 80),
            ("dst port 80 or src port 80", 80, 443),
        )
        with Lab() as network:
            wire = network.wire()
            for expression, inside, outside in cases:
                for mode in ("handshake", "tcp"):
                    with self.subTest(expression=expression, mode=mode), Monitor(
                        network, "--bpf", expression, "--capture", mode
                    ) as monitor:
                        for position in POSITIONS:
                            Conversation(wire, position, responder_port=outside).succeed()
                            Conversation(wire, position, responder_port=inside).succeed()
                        after = monitor.wait_delivered(3 * len(POSITIONS))
                        self.assertEqual(after.totals["success"], len(POSITIONS))
                        self.assertEqual(after.packets("seen"), 3 * len(POSITIONS))
                        after.check_accounting()


if __name__ == "__main__":
    unittest.main()
