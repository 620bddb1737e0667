"""The rows of the rules that concern a pending attempt, a function for each.

Each takes the attempt and a segment of the kind that its name says, and tells whether the segment was
part of the handshake. What it was is noted in the attempt's `rows`. A SYN that may be another attempt's
is no business of these: see candidate.py.
"""

from __future__ import annotations

import copy

from attempt import MOST_MISFITS, Attempt, Cause, Result, Row
from dissect import ACK, FIN, RST, SYN, Segment
from sequence import Opening

FAST_OPEN_DATA = 1 << 16  # that a server may send at once to a client that it knows


def same_syn_again(a: Attempt, s: Segment) -> bool:
    """One more DUP SYN, or a copy of the one before it; takes an ICMP error back."""
    if s.interface != a.syn_interface:
        return False
    a.syn = a.syn.grown(s.data)
    if not _syn_is_copy(a, s):
        a.dup_syns += 1
        a.rows.append(Row.SYN_AGAIN)
        if a.error_ns is not None:
            a.error_ns = None
            a.rows.append(Row.ERROR_TAKEN_BACK)
    return True


def _syn_is_copy(a: Attempt, s: Segment) -> bool:
    before, a.last_syn = a.last_syn, s
    if a.rules.is_copy(before, s):
        a.rows.append(Row.SYN_COPY)
        return True
    _note_near(a, before, s, Row.SYN_SOON)
    a.syn_repeated = True
    return False


def _note_near(a: Attempt, before: Segment, s: Segment, row: Row) -> None:
    if a.rules.is_soon(before, s):
        a.rows.append(row)
    elif s.time_ns < before.time_ns:
        a.rows.append(Row.CLOCK_BACK)


def crossing_syn(a: Attempt, s: Segment) -> bool:
    """The responder's SYN before it acknowledged the initiator's: anybody's word, only remembered."""
    if a.crossing is not None and a.crossing.isn == s.seq:
        a.crossing = a.crossing.grown(s.data)
        return True
    if a.crossing_acknowledged:  # the initiator has said which of them it takes
        return False
    a.rows.append(Row.CROSSED if a.crossing is None else Row.CROSSING_REPLACED)
    a.crossing, a.crossing_acknowledged = Opening(s.seq, s.data), False
    a.crossing_syn = s
    a.answer_interface = s.interface
    return True


def synack(a: Attempt, s: Segment) -> bool:
    """From the responder: an answer if it acknowledges the SYN and any part of its data."""
    if not a.syn.exactly(s.ack):
        return False
    a.data_acknowledged |= a.syn.beyond(s.ack) > 0
    if s.seq in [answer.isn for answer in a.answers]:
        return _same_synack_again(a, s)
    if not a.answered:
        a.answer_interface = s.interface
        a.rows.append(Row.ANSWERED)
    else:
        a.rows.append(Row.OTHER_SYNACK)
        a.error_ns = None  # of one of two that may answer
    a.last_synack, a.syn_repeated = s, False
    a.moved(s)
    if a.crossing is None or a.crossing.isn != s.seq:
        return _ordinary_answer(a, s)
    return _crossing_answered(a, s, a.crossing)


def _take_answers(a: Attempt, answers: list[Opening]) -> None:
    """Of two, the most data that either carried counts for both."""
    most = max(each.data for each in answers)
    a.answers = [each.grown(most) for each in answers]


def _ordinary_answer(a: Attempt, s: Segment) -> bool:
    _take_answers(a, [*a.answers[:1], Opening(s.seq, s.data)])
    if a.crossing is not None:
        a.crossing, a.crossing_acknowledged = None, False
        a.rows.append(Row.CROSSING_FORGOTTEN)
    return True


def _crossing_answered(a: Attempt, s: Segment, crossing: Opening) -> bool:
    _take_answers(a, [*a.answers[:1], crossing.grown(s.data)])
    a.rows.append(Row.CROSSING_ANSWERED)
    return a.succeed(s, Row.CROSSED_SUCCESS) if a.crossing_acknowledged else True


def _same_synack_again(a: Attempt, s: Segment) -> bool:
    if s.interface != a.answer_interface:
        return False
    _take_answers(a, [each.grown(s.data) for each in a.answers])
    if not synack_is_copy(a, s):
        a.dup_synacks += 1
        a.rows.append(Row.SYNACK_AGAIN)
    a.moved(s)
    return True


def synack_is_copy(a: Attempt, s: Segment) -> bool:
    """Of the one before it, whichever number that had; after a repeated SYN it is an answer to that."""
    before, a.last_synack = a.last_synack, s
    repeated, a.syn_repeated = a.syn_repeated, False
    if before is None:
        return False
    if a.rules.is_copy(before, s) and not repeated:
        a.rows.append(Row.SYNACK_COPY)
        return True
    _note_near(a, before, s, Row.SYNACK_SOON)
    return False


def turns_round(a: Attempt, s: Segment) -> bool:
    """It answers the SYN that crossed as if its own had not been: that was forged."""
    unproved = a.crossing is not None and not a.crossing_acknowledged and not a.answered
    return unproved and s.seq != a.syn.isn and a.crossing is not None and a.crossing.exactly(s.ack)


def initiators_synack(a: Attempt, s: Segment) -> bool:
    """Only where SYNs crossed does the initiator send one: its SYN, with an acknowledgment."""
    if s.seq != a.syn.isn:
        return False
    if any(answer.exactly(s.ack) for answer in a.answers):  # the SYN that crossed was not captured
        return a.succeed(s, Row.CROSSED_SUCCESS)
    if a.crossing is None or not a.crossing.exactly(s.ack):
        return False
    return _crossing_acknowledged(a, s)


def _crossing_acknowledged(a: Attempt, s: Segment) -> bool:
    a.crossing_acknowledged = True
    a.rows.append(Row.CROSSING_ACKNOWLEDGED)
    if a.answered:
        return a.succeed(s, Row.CROSSED_SUCCESS)
    a.moved(s)
    return True


def self_connect(a: Attempt, s: Segment) -> bool:
    """Both ends are one: success on the SYN/ACK that acknowledges its SYN."""
    return a.syn.exactly(s.ack) and a.succeed(s, Row.SELF_CONNECT)


def initiators_ack(a: Attempt, s: Segment) -> bool:
    """ACK, no SYN, no RST; data and FIN change nothing."""
    if a.syn.exactly(s.seq):
        if a.crossing is not None and a.crossing.exactly(s.ack):
            return _crossing_acknowledged(a, s)
        if _acknowledges_an_answer(a, s):
            return a.succeed(s, Row.COMPLETED)
    if not a.answered:
        return _half_seen(a, s)
    if a.syn.near(s.seq) and any(answer.near(s.ack) for answer in a.answers):
        return _late_proof(a, s, Row.LATE_INITIATOR)
    return misfit(a)


def _acknowledges_an_answer(a: Attempt, s: Segment) -> bool:
    if any(answer.exactly(s.ack) for answer in a.answers):
        return True
    more = FAST_OPEN_DATA if a.data_acknowledged else 0
    fast_open = any(answer.exactly(s.ack, more) for answer in a.answers)
    a.rows += [Row.FAST_OPEN] if fast_open else []
    return fast_open


def _half_seen(a: Attempt, s: Segment) -> bool:
    """No SYN/ACK was captured: then the segment must begin where the SYN or its data ended."""
    if a.syn.beyond(s.seq) not in (0, a.syn.data):
        return misfit(a)
    return a.succeed(s, Row.HALF_SEEN, half_seen=True)


def _late_proof(a: Attempt, s: Segment, row: Row) -> bool:
    if a.only_exact:
        a.rows.append(Row.ONLY_EXACT)
        return False
    return a.succeed(s, row, late=True)


def responders_ack(a: Attempt, s: Segment) -> bool:
    """ACK, no SYN, no RST."""
    if a.crossing is not None and a.crossing_acknowledged and not a.answered:
        fits = a.syn.exactly(s.ack) and (s.seq == a.crossing.isn or a.crossing.exactly(s.seq))
        return a.succeed(s, Row.CROSSED_SUCCESS) if fits else misfit(a)
    if not a.syn.near(s.ack) or not any(answer.near(s.seq) for answer in a.answers):
        return misfit(a)
    if _proves_completion(a, s):
        return _late_proof(a, s, Row.LATE_RESPONDER)
    a.rows.append(Row.PROVES_NOTHING)
    return False


def _proves_completion(a: Attempt, s: Segment) -> bool:
    """It would not send this before it saw the completing ACK."""
    if a.syn.past_data(s.ack):
        return True
    if a.syn.data:  # it may answer the data at once (RFC 7413)
        return False
    past = all(answer.beyond(s.seq) != 0 for answer in a.answers)
    return s.data > 0 or bool(s.flags & FIN) or past


def reset(a: Attempt, s: Segment) -> bool:
    """A RST, with ACK or without, of either side, to a pending attempt."""
    from_initiator = s.source == a.initiator
    if s.flags & ACK and _proves_by_reset(a, s, from_initiator) and not a.only_exact:
        return a.succeed(s, Row.LATE_RESET, late=True)
    if not reset_fits(a, s):
        _note_foreign_reset(a, s, from_initiator)
        return False
    return a.reset(s, _cause_of_reset(a, s, from_initiator))


def _cause_of_reset(a: Attempt, s: Segment, from_initiator: bool) -> Cause:
    if not from_initiator:
        return Cause.RESET if a.answered else Cause.REFUSED
    if not a.answered:
        return Cause.ABORTED
    if not s.flags & ACK:  # its host knows nothing of what the SYN/ACK answers
        return Cause.HALF_OPEN
    exact = any(answer.exactly(s.ack) for answer in a.answers)
    return Cause.PROBE if exact else Cause.ABORTED


def _proves_by_reset(a: Attempt, s: Segment, from_initiator: bool) -> bool:
    """Its numbers fit both sides, and lie past the SYN and its data on one: the handshake was over."""
    for_initiator, for_responder = (s.seq, s.ack) if from_initiator else (s.ack, s.seq)
    if not a.answered or not a.syn.near(for_initiator):
        return False
    nearest = min(a.answers, key=lambda answer: answer.beyond(for_responder))
    past = a.syn.past_data(for_initiator) or nearest.past_data(for_responder)
    return past and nearest.near(for_responder)


def ack_counts(a: Attempt, s: Segment) -> bool:
    """It is a success of this attempt."""
    trial = copy.deepcopy(a)
    used = initiators_ack(trial, s) if s.source == a.initiator else responders_ack(trial, s)
    return used and not trial.pending


def reset_counts(a: Attempt, s: Segment) -> bool:
    """It ends the attempt in one way or the other."""
    proves = bool(s.flags & ACK) and _proves_by_reset(a, s, s.source == a.initiator)
    return reset_fits(a, s) or (proves and not a.only_exact)


def reset_fits(a: Attempt, s: Segment) -> bool:
    """RFC 9293 3.10.7.3: by its ack or its seq."""
    if s.source == a.initiator:
        return a.syn.exactly(s.seq)
    by_ack = bool(s.flags & ACK) and a.syn.exactly(s.ack)
    return by_ack or any(answer.exactly(s.seq) for answer in a.answers)


def _note_foreign_reset(a: Attempt, s: Segment, from_initiator: bool) -> None:
    if not from_initiator and a.crossing is not None and a.crossing.exactly(s.seq):
        a.rows.append(Row.CROSSING_RESET)
    if s.flags & ACK:
        misfit(a)
    else:
        a.rows.append(Row.BLIND_RESET)


def misfit(a: Attempt) -> bool:
    """No SYN, and an acknowledgment of nothing: the fourth such segment makes all proof exact."""
    a.misfits = min(a.misfits + 1, MOST_MISFITS)
    a.rows.append(Row.MISFIT)
    return False


def icmp_error(a: Attempt, s: Segment) -> bool:
    """Noted if it quotes the initiator's SYN: the attempt ends on it unless that is repeated in time."""
    if s.source != a.initiator or s.seq != a.syn.isn:
        return icmp_error_about_another(a, s)
    if len(a.answers) > 1:
        a.rows.append(Row.ERROR_OF_TWO)
        return False
    a.error_ns = s.time_ns
    a.rows.append(Row.ERROR)
    return True


def icmp_error_about_another(a: Attempt, s: Segment) -> bool:
    """No outcome; one that quotes the SYN/ACK is evidence for the way back."""
    about_synack = s.source == a.responder and s.seq in [answer.isn for answer in a.answers]
    a.rows.append(Row.ERROR_ABOUT_SYNACK if about_synack else Row.ERROR_FOREIGN)
    return False


def late_syn(a: Attempt, s: Segment) -> bool:
    """The same SYN after the outcome opens nothing; after a failure it may be answered yet."""
    a.rows.append(Row.LATE_SYN)
    if s.interface == a.syn_interface:
        a.syn = a.syn.grown(s.data)
        if not _syn_is_copy(a, s) and a.failed:
            a.again = s
    return True


def late_responders_syn(a: Attempt, s: Segment) -> bool:
    """A copy of one that crossed, or of what the SYN/ACK said, opens nothing either."""
    return s.source == a.responder and s.seq in a.responder_isns


def late_synack(a: Attempt, s: Segment) -> bool:
    """The responder drops completing ACKs, or defers its accept."""
    whole = a.result is Result.SUCCESS and not a.half_seen
    if not whole or s.seq not in a.responder_isns or s.interface != a.answer_interface:
        return False
    if not synack_is_copy(a, s):
        a.late_synacks += 1
        a.rows.append(Row.LATE_SYNACK)
    return True


def is_plain_ack(s: Segment) -> bool:
    return s.flags & (SYN | RST | ACK) == ACK
