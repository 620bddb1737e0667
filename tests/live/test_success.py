"""What completes a handshake, and what looks like it but does not."""

import unittest

import lab
from conversation import Conversation, pause
from frames import ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG
from scenario import SUCCESS, ScenarioCase, counts, plus

LATE = counts(attempts=1, success=1, late_proof=1)  # and no time taken from it
TOP = 0xFFFFFFFF
FARTHEST = 1 << 24  # what a late proof may lie beyond the SYNs, which take one number themselves

setUpModule = lab.require


class Success(ScenarioCase):
    def test_three_way_handshake(self) -> None:
        self.play(Conversation.succeed, SUCCESS, unused=0)

    def test_every_kind_of_syn(self) -> None:
        for extra in (ECE | CWR, AE | ECE | CWR, PSH, URG, ECE, CWR, PSH | URG | ECE | CWR):

            def scenario(c: Conversation, flags: int = SYN | extra) -> None:
                c.syn(flags=flags)
                c.synack(flags=SYN | ACK | ECE)
                c.ack()

            with self.subTest(flags=f"{SYN | extra:#x}"):
                self.play(scenario, SUCCESS, unused=0)

    def test_segments_with_options(self) -> None:
        def scenario(c: Conversation) -> None:
            everything = bytes.fromhex("020405b4" "0402" "080a0000000100000000" "01" "030307") + b"\x01" * 20
            c.from_initiator(SYN, options=everything)
            c.from_responder(SYN | ACK, ack=1, options=everything)
            c.from_initiator(ACK, seq=1, ack=1, options=bytes.fromhex("0101080a0000000200000001"))

        self.play(scenario, SUCCESS, unused=0)

    def test_fast_open_payload_acknowledged_in_any_part(self) -> None:
        for acknowledged in (1, 2, 51, 101):

            def scenario(c: Conversation, ack: int = acknowledged) -> None:
                c.syn(b"x" * 100)
                c.synack(ack=ack)
                c.ack(seq=ack)

            with self.subTest(acknowledged=acknowledged):
                self.play(scenario, SUCCESS, unused=0)

    def test_completing_ack_with_payload_or_fin(self) -> None:
        for flags, payload in ((ACK | PSH, b"GET /"), (ACK | FIN, b""), (ACK | FIN | PSH, b"bye")):

            def scenario(c: Conversation, flags: int = flags, payload: bytes = payload) -> None:
                c.syn()
                c.synack()
                c.ack(flags=flags, payload=payload)

            with self.subTest(flags=f"{flags:#x}", payload=payload):
                self.play(scenario, SUCCESS, unused=0)

    def test_later_segment_when_the_completing_ack_was_lost(self) -> None:
        """Its time is no handshake time, so it is a late proof like the responder's."""
        for seq, ack in ((1001, 1), (1, 501), (FARTHEST, 1), (1, FARTHEST), (FARTHEST, FARTHEST)):

            def scenario(c: Conversation, seq: int = seq, ack: int = ack) -> None:
                c.syn()
                c.synack()
                c.ack(seq=seq, ack=ack)

            with self.subTest(seq=seq, ack=ack):
                self.play(scenario, LATE, unused=0)

    def test_initial_sequence_numbers_wrap(self) -> None:
        for isn, responder_isn in ((TOP, TOP), (TOP - 1, 0), (0, TOP), (TOP - 50, TOP - 50)):

            def scenario(c: Conversation, isn: int = isn, responder_isn: int = responder_isn) -> None:
                c.isn, c.responder_isn = isn, responder_isn
                c.syn(b"x" * 100)
                c.synack(ack=101)
                c.ack(seq=201, ack=301)

            with self.subTest(isn=isn, responder_isn=responder_isn):
                self.play(scenario, LATE, unused=0)

    def test_segments_of_the_initiator_that_do_not_fit(self) -> None:
        """Each is one beyond an edge of the two windows; the attempt goes on and succeeds."""
        for seq, ack in ((0, 1), (1, 0), (FARTHEST + 1, 1), (1, FARTHEST + 1), (0x7FFFFFFF, 1), (-1000, 1)):

            def scenario(c: Conversation, seq: int = seq, ack: int = ack) -> None:
                c.syn()
                c.synack()
                c.ack(seq=seq, ack=ack)
                c.ack()

            with self.subTest(seq=seq, ack=ack):
                self.play(scenario, SUCCESS, unused=1)

    def test_synack_that_acknowledges_something_else(self) -> None:
        """Outside (ISN, ISN + 1 + payload] it is no answer; the right one still is."""
        for payload, ack in ((b"", 0), (b"", 2), (b"", -5), (b"x" * 100, 102), (b"x" * 100, 0)):

            def scenario(c: Conversation, payload: bytes = payload, ack: int = ack) -> None:
                c.syn(payload)
                c.synack(ack=ack)
                c.synack()
                c.ack()

            with self.subTest(payload=len(payload), ack=ack):
                self.play(scenario, SUCCESS, unused=1)

    def test_without_synack_only_the_very_next_byte_proves(self) -> None:
        for seq in (0, 2, 1000):

            def scenario(c: Conversation, seq: int = seq) -> None:
                c.syn()
                c.ack(seq=seq)
                c.synack()
                c.ack()

            with self.subTest(seq=seq):
                self.play(scenario, SUCCESS, unused=1)

    def test_segments_after_success_change_nothing(self) -> None:
        def scenario(c: Conversation) -> None:
            c.succeed()
            c.ack(payload=b"request")
            c.reply(ack=8, payload=b"response")
            c.fin(seq=8, ack=9)
            c.reply(seq=9, ack=9, flags=ACK | FIN)
            c.ack(seq=9, ack=10)
            c.abort(seq=9)

        self.play(scenario, SUCCESS)


class LateProof(ScenarioCase):
    def test_responder_proves_that_it_saw_the_completing_ack(self) -> None:
        proofs: dict[str, tuple[int, int, bytes, int]] = {
            "acknowledges data": (1, 11, b"", ACK),
            "carries data": (1, 1, b"220 ready", ACK | PSH),
            "carries a FIN": (1, 1, b"", ACK | FIN),
            "starts past its first byte": (6, 1, b"", ACK),
        }
        for what, (seq, ack, payload, flags) in proofs.items():

            def scenario(
                c: Conversation, seq: int = seq, ack: int = ack, payload: bytes = payload, flags: int = flags
            ) -> None:
                c.syn()
                c.synack()
                c.reply(seq=seq, ack=ack, payload=payload, flags=flags)

            with self.subTest(what):
                self.play(scenario, LATE, unused=0)

    def test_bare_repeat_proves_nothing(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.synack()
            c.reply()
            c.ack()

        self.play(scenario, SUCCESS, unused=1)

    def test_segments_of_the_responder_that_do_not_fit(self) -> None:
        for seq, ack in ((1, 0), (0, 11), (1, FARTHEST + 1), (FARTHEST + 1, 1), (0x7FFFFFFF, 11)):

            def scenario(c: Conversation, seq: int = seq, ack: int = ack) -> None:
                c.syn()
                c.synack()
                c.reply(seq=seq, ack=ack, payload=b"data")
                c.ack()

            with self.subTest(seq=seq, ack=ack):
                self.play(scenario, SUCCESS, unused=1)


class HalfSeen(ScenarioCase):
    def test_half_seen(self) -> None:
        """No SYN/ACK of the responder was ever seen, so this one may have gone another way, too."""

        def scenario(c: Conversation) -> None:
            c.syn()
            c.ack()

        self.play(scenario, counts(attempts=1, success=1, half_seen=1), unused=0)


class SimultaneousOpen(ScenarioCase):
    def test_syns_cross(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.from_responder(SYN)
            c.from_initiator(SYN | ACK, seq=0, ack=1)
            c.from_responder(SYN | ACK, seq=0, ack=1)

        self.play(scenario, SUCCESS)

    def test_answers_in_the_other_order(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.from_responder(SYN)
            c.from_responder(SYN | ACK, seq=0, ack=1)
            c.from_initiator(SYN | ACK, seq=0, ack=1)

        self.play(scenario, SUCCESS)

    def test_retransmitted_syn_of_the_initiator(self) -> None:
        def scenario(c: Conversation) -> None:
            c.syn()
            c.from_responder(SYN)
            pause()
            c.syn()
            c.from_responder(SYN | ACK, seq=0, ack=1)
            c.from_initiator(SYN | ACK, seq=0, ack=1)

        self.play(scenario, plus(SUCCESS, dup_syn=1, dup_syn_segments=1))

    def test_one_acknowledged_only(self) -> None:
        """The attempt stays open, until a reset ends it."""

        def scenario(c: Conversation) -> None:
            c.syn()
            c.from_responder(SYN)
            c.from_responder(SYN | ACK, seq=0, ack=1)
            c.refuse()

        self.play(scenario, counts(attempts=1, refused=1))


class NoAttempt(ScenarioCase):
    def test_segments_out_of_nowhere(self) -> None:
        def scenario(c: Conversation) -> None:
            c.synack()
            c.ack()
            c.ack(payload=b"data")
            c.reply(payload=b"data")
            c.fin()
            c.refuse()
            c.abort()

        self.play(scenario, {}, unused=7)

    def test_flags_that_make_no_syn(self) -> None:
        def scenario(c: Conversation) -> None:
            for flags in (0, SYN | FIN, SYN | RST, SYN | FIN | RST, FIN, PSH | URG | FIN, 0xFF):
                c.from_initiator(flags)

        self.play(scenario, {}, unused=7)


if __name__ == "__main__":
    unittest.main()
