#include "engine/pipeline/top_tables.h"

namespace tcpeek::engine {

using flowtable::Attempt;
using flowtable::Cause;
using flowtable::Handshake;
using flowtable::Outcome;

namespace {

constexpr unsigned kIncoming = 1;  // Direction::rx
constexpr unsigned kDead = 8;      // failures in a row

}  // namespace

// Of a repeated segment nobody knows which one was answered, so a leg is only told where it began and ended
// once.
Pattern TopTables::ended_otherwise(const Attempt& attempt, const Outcome& outcome,
                                   ServiceTable::Number service, std::uint8_t directions) noexcept {
  if (service == kUncounted) return Pattern::none;
  const Handshake& h = attempt.handshake;
  if (service != ServiceTable::kOthers) {
    notes_.ended(service, services_[service].counting_since, outcome,
                 {.syn = h.dup_syns != 0, .synack = h.dup_synacks != 0},
                 attempt.has_own_responder());
  }
  const bool repeated = (h.dup_syns | h.dup_synacks) != 0;
  const Pattern pattern = repeated ? stopped_retrying(attempt, outcome, service) : Pattern::none;
  if (pattern != Pattern::none) [[unlikely]]
    notes_.matched(service, services_[service].counting_since, pattern);
  switch (flowtable::result_of(outcome.cause)) {
    case flowtable::Result::success:
      services_.succeeded_unseen(service, outcome.at);
      return pattern;
    case flowtable::Result::evicted:
      services_.evicted(service);
      return pattern;
    case flowtable::Result::pending:  // is no end
      return pattern;
    case flowtable::Result::reject:
    case flowtable::Result::timeout:
    case flowtable::Result::unreach:
      break;
  }
  advance(outcome.at);
  // Who only probes would be first of all initiators.
  if (outcome.cause != flowtable::Cause::probe)
    peers_.failed(ends_of(attempt, directions), outcome.cause, outcome.at);
  services_.failed(service, outcome.cause, outcome.at);
  if (outcome.rst_sender == flowtable::RstSender::suspect) services_.suspect_rst(service);
  // The initiator gave up before it repeated its SYN. Of a service that never answers nothing is learned.
  const bool gave_up = outcome.cause == Cause::no_answer && !outcome.uncertain && h.dup_syns == 0;
  if (gave_up && services_[service].success != 0) note_unanswered(attempt, service, outcome.at);
  return pattern;
}

void TopTables::retrying(const Attempt& attempt, ServiceTable::Number service) noexcept {
  if (service == kUncounted) return;
  services_.retrying(service);
  const bool unanswered = !attempt.handshake.responder_was_seen();
  if (!unanswered || service == ServiceTable::kOthers) return;
  const Service& row = services_[service];
  // Where nobody is answered no one is stuck, and all would wait.
  if (row.success != 0 && row.failed_in_a_row < kDead)
    waiting_.waits(attempt, peers_of(attempt, service));
  note_unanswered(attempt, service, attempt.last_segment());
}

void TopTables::answered_again(ServiceTable::Number service) noexcept {
  if (service == kUncounted || service == ServiceTable::kOthers) return;
  notes_.answered_again(service, services_[service].counting_since);
}

void TopTables::sent_again(ServiceTable::Number service, unsigned syns, unsigned synacks) noexcept {
  if (service != kUncounted) services_.sent_again(service, syns, synacks);
}

// Where the responder is on this side.
void TopTables::note_unanswered(const Attempt& attempt, ServiceTable::Number service,
                                flowtable::PacketTime at) noexcept {
  const Service& row = services_[service];
  if (service == ServiceTable::kOthers || (row.key.directions & kIncoming) == 0) return;
  queue_signs_.unanswered({.address = row.key.address,
                           .port = row.key.port,
                           .own = attempt.has_own_responder(),
                           .answered_ever = row.success != 0},
                          at);
}

void TopTables::late_synack(const Attempt& attempt) noexcept {
  const auto& address = attempt.responder_address();
  queue_signs_.late_synack(flowtable::AddressWords::of(address.data()),
                           attempt.responder_end().port);
}

void TopTables::succeeded_watched(const Attempt& attempt, ServiceTable::Number service) noexcept {
  services_.succeeded_watched(service, attempt.handshake);
  const Service& row = services_[service];
  if (row.retrying == 0 || service == ServiceTable::kOthers) return;
  waiting_.succeeded(attempt, peers_of(attempt, service));
  if ((row.key.directions & kIncoming) != 0)
    queue_signs_.answered_meanwhile(row.key.address, row.key.port);
}

Pattern TopTables::stopped_retrying(const Attempt& attempt, const Outcome& outcome,
                                    ServiceTable::Number service) noexcept {
  const Handshake& h = attempt.handshake;
  services_.repeated(service, h.dup_syns, h.dup_synacks);
  if (service == ServiceTable::kOthers) return Pattern::none;
  const Service& row = services_[service];
  // Where many succeed only after a repetition, one that never does is no riddle.
  const bool steady = row.legs_left_out <= row.success / WaitingTuples::kTroubleIn;
  const bool unanswered = outcome.cause == Cause::no_answer && !outcome.uncertain;
  if (waiting_.ended(attempt, peers_of(attempt, service), unanswered && steady)) {
    services_.stuck(service);
    return Pattern::stuck_tuple;
  }
  const bool success = outcome.cause == Cause::none && !outcome.half_seen && !h.two_responders;
  return success ? services_.succeeded_by_repetition(service, h) : Pattern::none;
}

std::uint64_t TopTables::peers_of(const Attempt& attempt,
                                  ServiceTable::Number service) const noexcept {
  return hash_.of_numbered(hash_(attempt.initiator_end().address), service);
}

// A gap in time ends both windows.
void TopTables::begin_window(flowtable::PacketTime now) noexcept {
  const bool first = window_ends_ == flowtable::PacketTime::min();
  const int windows = first ? 0 : now - window_ends_ < kWindow ? 1 : 2;
  for (int i = 0; i < windows; ++i) {
    services_.begin_window();
    notes_.begin_window();
    peers_.begin_window();
  }
  window_ends_ = now + kWindow;
}

}  // namespace tcpeek::engine
