"""What may happen between two ends: plausible stories, and segments at random.

Each scenario is a function of a `Talk`; SCENARIOS says how often each is played. Random waits keep
clear of the 60 s after which an outcome is forgotten, as that moment is not promised to the
millisecond.
"""

from __future__ import annotations

from collections.abc import Callable

import frames
from frames import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG
from talk import MS, SECOND, Talk

COPY_WINDOW = 2 * MS
SHORT_OF_TIMEOUT, BEYOND_TIMEOUT = 59_700 * MS, 60_400 * MS
HALF_SPACE = 1 << 31

Scenario = Callable[[Talk], None]
Step = Callable[[], object]


def any_of(t: Talk, *steps: Step) -> None:
    t.rng.choice(steps)()


def success(t: Talk) -> None:
    t.syn()
    t.travel()
    t.synack()
    t.travel()
    t.ack(data=t.rng.choice((0, 0, 100)))
    for _ in range(t.rng.randrange(3)):
        t.travel()
        t.reply(ack=1 + t.rng.randrange(50), data=t.rng.randrange(50))
    if t.rng.random() < 0.4:
        t.close()


def retransmitted(t: Talk) -> None:
    for _ in range(t.rng.randrange(1, 4)):
        t.syn()
        t.patience()
    for _ in range(t.rng.randrange(1, 4)):
        t.synack()
        t.patience()
    if t.rng.random() < 0.7:
        t.ack()


def copies(t: Talk) -> None:
    """Around the window within which a repetition is the capture's."""
    gaps = (0, 1, 100, COPY_WINDOW - 1, COPY_WINDOW, COPY_WINDOW + 1)
    steps: list[Step] = [t.syn, t.synack, t.ack]
    for send in steps:
        send()
        for _ in range(t.rng.randrange(3)):
            t.wait(t.rng.choice(gaps))
            send()
        t.travel()


def no_answer(t: Talk) -> None:
    for _ in range(t.rng.randrange(1, 5)):
        t.syn()
        t.wait(t.rng.choice((SECOND, 3 * SECOND, SHORT_OF_TIMEOUT, BEYOND_TIMEOUT)))


def no_ack(t: Talk) -> None:
    t.syn()
    for _ in range(t.rng.randrange(1, 5)):
        t.travel()
        t.synack(t.rng.choice((1, 1, 1, 2)))
        t.wait(t.rng.choice((SECOND, 30 * SECOND, SHORT_OF_TIMEOUT, BEYOND_TIMEOUT)))


def refused(t: Talk) -> None:
    for _ in range(t.rng.randrange(1, 4)):  # some clients try the same SYN again
        t.syn()
        t.travel()
        t.refuse()
        t.travel()


def aborted(t: Talk) -> None:
    t.syn()
    t.travel()
    if t.rng.random() < 0.7:
        t.synack()
        t.travel()
    t.abort()
    t.travel()
    t.synack()


def challenged(t: Talk) -> None:
    """The responder still knows an older connection: its challenge ACK is answered by a foreign RST."""
    t.syn()
    t.travel()
    t.reply(seq=5000, ack=70_000)
    t.travel()
    t.abort(seq=70_000)
    t.patience()
    success(t)


def blind(t: Talk) -> None:
    """Segments of someone who guesses."""
    t.syn()
    t.travel()
    t.refuse(ack=t.rng.randrange(2, 1 << 32))
    t.from_responder(RST, seq=t.rng.randrange(2, 1 << 32))
    t.abort(seq=t.rng.randrange(2, 1 << 32))
    t.synack(ack=t.rng.choice((0, 2, HALF_SPACE)))
    t.travel()
    if t.rng.random() < 0.5:
        t.synack()
        t.travel()
        t.ack(seq=t.rng.choice((1, HALF_SPACE, HALF_SPACE + 1)), ack=t.rng.choice((0, 1, HALF_SPACE + 1)))


def half_seen(t: Talk) -> None:
    data = t.rng.choice((0, 0, 200))
    t.syn(data)
    t.travel()
    t.ack(seq=t.rng.choice((1, 1 + data, 2 + data)))
    if t.rng.random() < 0.3:
        t.travel()
        t.synack()


def proved_late(t: Talk) -> None:
    t.syn()
    t.travel()
    t.synack()
    t.travel()
    t.reply()  # proves nothing yet
    t.travel()
    any_of(
        t,
        lambda: t.reply(ack=100),
        lambda: t.reply(data=10),
        lambda: t.reply(seq=20),
        lambda: t.from_responder(FIN | ACK, 1, 1),
        lambda: t.ack(seq=300, ack=400),
    )


def fast_open(t: Talk) -> None:
    data = t.rng.randrange(1, 1000)
    t.syn(data)
    if t.rng.random() < 0.3:
        t.patience()
        t.syn(t.rng.choice((0, data)))
    t.travel()
    t.synack(ack=t.rng.choice((1, 1 + data, 1 + data // 2, 2 + data)))
    t.travel()
    t.reply(ack=t.rng.choice((1, 1 + data)), data=t.rng.choice((0, 500)))
    t.travel()
    if t.rng.random() < 0.5:
        t.ack(seq=t.rng.choice((1, 1 + data)), ack=t.rng.choice((1, 501)))
    else:
        t.reply(ack=2 + data)


def simultaneous(t: Talk) -> None:
    t.syn()
    t.travel()
    t.from_responder(SYN)
    steps: list[Step] = [
        lambda: t.from_initiator(SYN | ACK, 0, 1),
        t.synack,
        t.ack,
        t.syn,
        lambda: t.from_responder(SYN),
    ]
    t.rng.shuffle(steps)
    for step in steps[: t.rng.randrange(1, 6)]:
        t.travel()
        step()


def reused(t: Talk) -> None:
    """The same ports again, with the same or another initial number."""
    first, again = (t.rng.choice((success, refused, no_answer, no_ack, proved_late)) for _ in range(2))
    first(t)
    t.wait(t.rng.choice((0, MS, SECOND, 20 * SECOND, SHORT_OF_TIMEOUT, BEYOND_TIMEOUT, 130 * SECOND)))
    if t.rng.random() < 0.7:
        t.isn += t.rng.choice((1, 64_000, HALF_SPACE, -1))
        t.responder_isn += 99_999
    again(t.swapped(t.responder_isn + 7, t.isn) if t.rng.random() < 0.2 else t)


def repeated_late(t: Talk) -> None:
    """A full accept queue: the SYN/ACK comes again after the completing ACK."""
    success(t)
    for _ in range(t.rng.randrange(1, 4)):
        t.wait(t.rng.choice((MS, SECOND, 3 * SECOND, BEYOND_TIMEOUT)))
        t.synack()
        t.travel()
        t.ack()


def other_answer(t: Talk) -> None:
    """SYN/ACKs of several responders; one of their numbers is used then."""
    answers = [t.responder_isn + n for n in (0, t.rng.choice((1, 5_000_000)), 7_777_777)]
    t.syn()
    for answer in answers[: t.rng.randrange(2, 4)]:
        t.responder_isn = answer
        t.travel()
        t.synack()
    t.travel()
    t.responder_isn = t.rng.choice(answers)
    any_of(t, t.ack, t.synack, lambda: t.reply(data=3), lambda: t.from_responder(RST, 1))


def unreachable(t: Talk) -> None:
    syn = t.syn()
    header = 40 if t.initiator[0].version == 6 else 20
    for _ in range(t.rng.randrange(1, 3)):
        t.travel()
        quoted_packet = syn if t.rng.random() < 0.7 else t.ack()
        kind = t.rng.choice((None, None, None, 11, 1, 3, 4, 12))
        # Less than 16 bytes of TCP behind an IPv6 header, tshark does not read.
        least = len(syn) - 4 if header == 40 else header + 4
        quoted = t.rng.choice((576, 576, t.rng.randrange(least, len(syn) + 1)))
        t.unreachable(quoted_packet, code=t.rng.choice((0, 1, 3, 4, 9, 13)), kind=kind, quoted=quoted)
    if t.rng.random() < 0.3:
        t.patience()
        success(t)


def out_of_order(t: Talk) -> None:
    """Captured in another order than sent."""
    sends: list[Step] = [t.syn, t.synack, t.ack]
    t.rng.shuffle(sends)
    for send in sends:
        send()
        t.wait(t.rng.randrange(MS))


def odd_flags(t: Talk) -> None:
    t.from_initiator(SYN | t.rng.choice((ECE | CWR, PSH, URG, frames.AE)))
    t.travel()
    t.from_initiator(t.rng.choice((SYN | FIN, SYN | RST, 0, PSH, FIN, SYN | FIN | ACK)), t.rng.randrange(2))
    t.travel()
    t.from_responder(t.rng.choice((SYN | FIN | ACK, FIN, SYN | ACK | ECE, SYN | RST | ACK)), 0, 1)
    t.travel()
    t.ack()


def stubborn(t: Talk) -> None:
    """Repeats itself longer than an attempt may last."""
    for _ in range(t.rng.randrange(125, 150)):
        t.syn()
        t.wait(29 * SECOND + t.rng.randrange(SECOND))


def middle(t: Talk) -> None:
    """Of a connection that began before the capture."""
    for _ in range(t.rng.randrange(1, 5)):
        any_of(t, t.ack, t.reply, t.synack, t.abort, t.refuse, t.close)
        t.travel()


_GAPS = (0, 1, 500, COPY_WINDOW, COPY_WINDOW + 1, 5 * MS, 5 * MS, SECOND, SECOND, SHORT_OF_TIMEOUT, BEYOND_TIMEOUT)
_FLAGS = (
    SYN, SYN, SYN, SYN | ACK, SYN | ACK, SYN | ACK, ACK, ACK, ACK, PSH | ACK, FIN | ACK, RST, RST | ACK,
    SYN | FIN, SYN | RST, 0, SYN | ECE | CWR,
)  # fmt: skip


def chaos(t: Talk) -> None:
    """Any segments, of numbers that nearly fit."""
    data = t.rng.choice((0, 0, 0, 1, 100))
    offsets = (0, 0, 1, 1, 1, 1, 1 + data, 1 + data, 2 + data, 2, 50, -1, HALF_SPACE, HALF_SPACE + 1)
    isns = (t.isn, t.isn, t.isn, t.isn + 1000)
    responder_isns = (t.responder_isn, t.responder_isn, t.responder_isn + 1, t.responder_isn - 77)
    t.syn(data)
    for _ in range(t.rng.randrange(2, 14)):
        gap = t.rng.choice(_GAPS)
        t.wait(gap if gap <= COPY_WINDOW + 1 else gap + t.rng.randrange(MS))
        t.isn, t.responder_isn = t.rng.choice(isns), t.rng.choice(responder_isns)
        flags = t.rng.choice(_FLAGS)
        seq = 0 if flags & SYN and t.rng.random() < 0.9 else t.rng.choice(offsets)
        carried = t.rng.choice((0, 0, data, 30)) if flags & ACK else t.rng.choice((0, data))
        send = t.from_initiator if t.rng.random() < 0.5 else t.from_responder
        packet = send(flags, seq, t.rng.choice(offsets), carried)
        if t.rng.random() < 0.05:
            t.unreachable(packet, code=1)


SCENARIOS: dict[Scenario, int] = {
    success: 10, retransmitted: 6, copies: 6, no_answer: 5, no_ack: 5, refused: 5, aborted: 4,
    challenged: 3, blind: 5, half_seen: 4, proved_late: 5, fast_open: 6, simultaneous: 8, reused: 8,
    repeated_late: 4, other_answer: 6, unreachable: 8, out_of_order: 4, odd_flags: 4, middle: 3, chaos: 60,
}  # fmt: skip
