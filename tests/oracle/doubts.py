"""Scenarios in which a segment may mean two things, or somebody wants it to.

DOUBTS says how often each is played among the SCENARIOS. AT_THE_END are those that the end of the
capture cuts off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from frames import ACK, FIN, PSH, RST, SYN
from scenarios import COPY_WINDOW, HALF_SPACE, Scenario, Step, any_of, success
from stage import US_NS
from talk import MS, SECOND, Talk

BOUND = 1 << 24
EARLY = (0, 1, 30, 200, COPY_WINDOW - 1, COPY_WINDOW, COPY_WINDOW + 1)
ABOUT_A_SECOND = (MS, 20 * MS, 400 * MS, 990 * MS, SECOND - 1, SECOND, SECOND + 1, 1100 * MS)
ABOUT_THREE_SECONDS = (SECOND, 3 * SECOND - 1, 3 * SECOND, 3 * SECOND + 1, 4 * SECOND)
ABOUT_THE_BOUND = (2, 500, BOUND - 1, BOUND, BOUND + 1, HALF_SPACE)


def other(t: Talk, isn: int | None = None, responder_isn: int = 0) -> Talk:
    """The same talk with other numbers, for what belongs to another attempt."""
    isn = t.rng.randrange(1000, HALF_SPACE) if isn is None else isn
    return replace(t, isn=t.isn + isn, responder_isn=t.responder_isn + responder_isn)


def at(t: Talk, forger: Talk, *steps: Step) -> None:
    """Steps of `forger`, now; the time they take passes for both."""
    forger.now_ns = t.now_ns
    for step in steps:
        step()
    t.now_ns = forger.now_ns


def handshake(t: Talk) -> None:
    t.synack()
    t.wait(t.rng.randrange(1, 50 * MS))
    t.ack()


# Copies and sendings.


def soon(t: Talk) -> None:
    """Within the copy window, and yet not always a copy."""
    t.tsval = t.rng.choice((None, 1000))
    steps: list[Step] = [t.syn, t.synack]
    for send in steps:
        send()
        for _ in range(t.rng.randrange(1, 3)):
            t.wait(t.rng.choice(EARLY))
            if t.rng.random() < 0.6:
                number = t.rng.randrange(1, 60)  # so near that eight bits made of them differ
                t.another_sending(*t.rng.choice(((0x4242 + number, None), (None, 1000 + number))))
            send()
        t.travel()
    t.ack()


def answered_anew(t: Talk) -> None:
    """The responder's own timer and a repeated SYN each call for a SYN/ACK, nearly at once."""
    t.syn()
    t.wait(SECOND)
    t.synack()
    t.wait(t.rng.randrange(50, 400))
    t.syn()
    t.wait(t.rng.randrange(20, 400))
    t.synack()
    if t.rng.random() < 0.5:
        t.wait(100)
        t.synack()
    t.travel()
    t.ack()


def clock_back(t: Talk) -> None:
    """The clock of the capture steps back while the handshake goes on."""
    back = (100, COPY_WINDOW, COPY_WINDOW + 1, 500 * MS, 2 * SECOND)
    steps: list[Step] = [t.syn, t.synack, t.ack]
    repeated = t.rng.randrange(2)
    for number, send in enumerate(steps):
        send()
        if number == repeated:
            t.wait(t.rng.choice((1, COPY_WINDOW, 10 * MS)))
            t.stage.behind_ns = t.rng.choice(back) * US_NS
            send()
        t.wait(t.rng.randrange(1, 100 * MS))
    t.stage.behind_ns = 0


# Candidates.


def candidate(t: Talk) -> None:
    """The initiator's SYN with another number; then one of them, both, or nothing is answered."""
    new = other(t)
    t.syn()
    if t.rng.random() < 0.3:
        t.travel()
        t.synack()
    t.wait(t.rng.choice((20 * MS, SECOND, 2 * SECOND)))
    at(t, new, new.syn)
    _again_or_a_third(t, new)
    t.wait(t.rng.choice(ABOUT_A_SECOND))
    ends: list[Step] = [
        lambda: at(t, new, lambda: handshake(new)),
        lambda: at(t, new, lambda: handshake(new)),
        lambda: handshake(t),
        lambda: handshake(t),
        t.ack, t.refuse, t.abort, t.syn,
        lambda: at(t, new, new.refuse),
        lambda: at(t, new, new.abort),
        lambda: t.unreachable(t.syn_packet(), code=1),
    ]  # fmt: skip
    for end in t.rng.sample(ends, t.rng.randrange(3)):
        end()
        t.wait(t.rng.choice((MS, 300 * MS, SECOND)))


def _again_or_a_third(t: Talk, new: Talk) -> None:
    for _ in range(t.rng.choice((0, 0, 1, 2))):
        t.wait(t.rng.choice((1, COPY_WINDOW, 10 * MS, 100 * MS)))
        third = other(t)
        at(t, *((new, new.syn) if t.rng.random() < 0.6 else (third, third.syn)))


def candidate_back(t: Talk) -> None:
    """The responder's SYN once it has answered."""
    t.syn()
    t.travel()
    t.synack()
    t.travel()
    number = t.rng.choice((0, 5, 70_000))
    t.from_responder(SYN, number)
    t.wait(t.rng.choice(ABOUT_A_SECOND))
    any_of(
        t,
        t.ack,
        t.synack,
        lambda: t.from_initiator(SYN | ACK, 77, number + 1),
        lambda: t.from_initiator(RST | ACK, 0, number + 1),
        lambda: t.from_responder(SYN, number),
        lambda: t.from_responder(RST, number + 1),
    )
    t.wait(t.rng.choice(ABOUT_A_SECOND))
    t.from_responder(ACK, number + 1, 78)


def knocking(t: Talk) -> None:
    """From a fixed port, with a new number every few seconds or sooner."""
    for _ in range(t.rng.randrange(2, 6)):
        t.syn()
        t.wait(t.rng.choice((MS, 10 * MS)))
        any_of(t, t.refuse, lambda: None)
        t.wait(t.rng.choice((300 * MS, SECOND, 3 * SECOND)))
        t.isn += t.rng.randrange(1000, 1_000_000)


# Errors.


def error_and_after(t: Talk) -> None:
    t.syn()
    for _ in range(t.rng.choice((0, 0, 0, 1, 1, 2, 2))):
        t.wait(10 * MS)
        t.synack()
        t.responder_isn += t.rng.choice((0, 0, 5000))
    t.wait(t.rng.choice((MS, 10 * MS)))
    quoted = t.syn_packet() if t.rng.random() < 0.8 else t.synack_packet()
    for _ in range(t.rng.choice((1, 1, 2))):
        t.unreachable(quoted, code=t.rng.choice((0, 1, 3)))
        t.wait(t.rng.choice((1, MS, 500 * MS)))
    any_of(t, t.syn, t.synack, t.ack, t.refuse, t.abort, lambda: handshake(t), lambda: at(t, new := other(t), new.syn))
    t.wait(t.rng.choice(ABOUT_THREE_SECONDS))
    any_of(t, t.syn, t.synack, t.ack, t.refuse, lambda: handshake(t), lambda: t.reply(data=3))
    t.wait(SECOND)
    any_of(t, t.syn, lambda: handshake(t))


# Out of order, and after a failure.


def early(t: Talk) -> None:
    """The answer was captured before its SYN, which may find a pending attempt."""
    if t.rng.random() < 0.3:
        t.syn()
        t.wait(SECOND)
        t.isn += 1000
    for _ in range(t.rng.choice((1, 1, 1, 2))):
        any_of(t, t.synack, t.refuse, t.refuse, lambda: t.from_responder(RST, 1))
        t.wait(t.rng.choice(EARLY))
    t.syn(t.rng.choice((0, 0, 10)))
    t.travel()
    any_of(t, t.ack, t.synack, t.syn)


def tries_again(t: Talk) -> None:
    """The same SYN after a failure, and it is answered."""
    t.syn()
    t.wait(t.rng.choice((MS, 10 * MS)))
    any_of(t, t.refuse, t.refuse, t.abort)
    for _ in range(t.rng.randrange(1, 3)):
        t.wait(t.rng.choice((MS, 500 * MS, SECOND)))
        t.syn()
    t.travel()
    any_of(t, lambda: success(t), lambda: handshake(t), t.refuse, lambda: t.synack(2))


def self_connect(t: Talk) -> None:
    """Both ends are one, so that its SYN crosses itself."""
    one = replace(t, responder=t.initiator, responder_isn=t.isn, elsewhere=0.0)
    for _ in range(one.rng.choice((1, 1, 2))):
        one.syn()
        one.wait(20 * MS)
    any_of(one, one.synack, one.synack, one.synack, lambda: one.synack(2), lambda: None)
    one.wait(one.rng.randrange(20, 500))
    one.ack()


# What proves something, and what nearly does.


def bounds(t: Talk) -> None:
    data = t.rng.choice((0, 0, 10))
    t.syn(data)
    t.travel()
    spoken = t.rng.choice((0, 0, 7))
    t.from_responder(SYN | ACK, 0, t.rng.choice((1, 1 + data)), spoken)
    for _ in range(t.rng.choice((0, 0, 1, 3, 4, 5))):
        t.wait(MS)
        odd = RST | ACK
        any_of(t, lambda: t.ack(HALF_SPACE, 5), lambda: t.reply(9, HALF_SPACE), lambda: t.from_responder(odd, 0, 0))
    t.travel()
    seq, acked = t.rng.choice((1, 1 + spoken, *ABOUT_THE_BOUND)), t.rng.choice((1, 1 + data, *ABOUT_THE_BOUND))
    flags = t.rng.choice((ACK, PSH | ACK, FIN | ACK, RST | ACK, RST | ACK, RST))
    any_of(t, lambda: t.from_initiator(flags, acked, seq), lambda: t.from_responder(flags, seq, acked))
    t.travel()
    t.ack(1 + data, t.rng.choice((1, 1 + spoken, 1 << 16, (1 << 16) + 1 + spoken, (1 << 16) + 2 + spoken)))


def crossing_bounds(t: Talk) -> None:
    data, theirs = t.rng.choice((0, 0, 10)), t.rng.choice((0, 0, 5))
    t.syn(data)
    t.travel()
    t.from_responder(SYN, 0, data=theirs)
    steps: list[Step] = [
        lambda: t.from_initiator(SYN | ACK, 0, t.rng.choice((0, 1, 1 + theirs, 2 + theirs))),
        lambda: t.synack(1 + data),
        lambda: t.ack(1 + data, t.rng.choice((1, 1 + theirs, 900))),
        lambda: t.reply(t.rng.choice((0, 1, 1 + theirs, 2 + theirs)), 1 + data),
        lambda: t.from_responder(RST, 1),
        lambda: at(t, new := other(t, 0, 5000), new.synack),
        lambda: t.from_responder(SYN, 9),
    ]
    for step in t.rng.sample(steps, t.rng.randrange(1, 5)):
        t.travel()
        step()


# Forgers.


def forged_crossing(t: Talk) -> None:
    """A SYN "from the responder", then what fits it, before the true handshake; or before its SYN."""
    if t.rng.random() < 0.5:
        t.from_responder(SYN, t.rng.randrange(2, HALF_SPACE))
        t.wait(t.rng.randrange(1, 5 * MS))
        handshake(t)
        return
    t.syn()
    t.wait(t.rng.randrange(1, 5 * MS))
    number = t.rng.randrange(2, HALF_SPACE)
    t.from_responder(SYN, number)
    t.wait(100)
    if t.rng.random() < 0.5:
        t.from_responder(t.rng.choice((RST, RST | ACK)), number + 1, 99)
    else:
        t.from_initiator(ACK, 555, 0)
        t.from_initiator(ACK, 555, HALF_SPACE)
    t.travel()
    handshake(t)


def forged_syns(t: Talk) -> None:
    """One or two with other numbers, of either side, and perhaps a RST that fits."""
    guess = other(t)
    t.syn()
    t.wait(t.rng.randrange(1, 5 * MS))
    for _ in range(t.rng.choice((1, 1, 1, 2))):
        any_of(t, lambda: at(t, guess, guess.syn), lambda: t.from_responder(SYN, 12_345))
        guess.isn += t.rng.choice((0, 4321))
    t.wait(t.rng.choice(ABOUT_A_SECOND))
    t.synack()
    if t.rng.random() < 0.5:
        at(t, guess, t.rng.choice((guess.abort, guess.refuse)))
    t.wait(t.rng.randrange(1, 20 * MS))
    t.ack()


def syn_flood(t: Talk) -> None:
    """Every one and a half seconds a SYN that is to keep the attempt waiting."""
    t.syn()
    side = t.rng.choice((t.from_initiator, t.from_responder))
    for number in range(t.rng.randrange(2, 6)):
        t.wait(1500 * MS)
        side(SYN, 1000 * number + 1000)
    if t.rng.random() < 0.5:
        t.synack()


def acks_everywhere(t: Talk) -> None:
    """One of them is within the bound."""
    t.syn()
    t.travel()
    t.synack()
    first = t.rng.randrange(1 << 32)
    for number in range(t.rng.choice((3, 5, 257))):
        t.wait(10)
        t.ack(1, first + number * BOUND)
    t.travel()
    any_of(t, t.ack, lambda: t.ack(1, 900))


DOUBTS: dict[Scenario, int] = {
    soon: 4, answered_anew: 3, clock_back: 7, candidate: 15, candidate_back: 5, knocking: 4, error_and_after: 13,
    early: 6, tries_again: 4, self_connect: 3, bounds: 10, crossing_bounds: 6, forged_crossing: 8, forged_syns: 5,
    syn_flood: 3, acks_everywhere: 1,
}  # fmt: skip


def _pending(t: Talk) -> None:
    t.syn()
    if t.rng.random() < 0.5:
        t.wait(10 * MS)
        t.synack()


def _undecided(t: Talk) -> None:
    _pending(t)
    new = other(t)
    t.wait(10 * MS)
    at(t, new, new.syn)
    if t.rng.random() < 0.5:
        at(t, new, new.refuse)


def _error_undecided(t: Talk) -> None:
    _pending(t)
    t.wait(10 * MS)
    t.unreachable(t.syn_packet(), code=1)


AT_THE_END: Sequence[Scenario] = (_pending, _undecided, _error_undecided)
