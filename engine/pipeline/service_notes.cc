#include "engine/pipeline/service_notes.h"

#include <algorithm>

namespace tcpeek::engine {

using flowtable::Cause;
using flowtable::Outcome;

namespace {

// Whoever sends one is up, unless it seems to be a device on the way.
bool is_refusal(const Outcome& outcome) noexcept {
  return (outcome.cause == Cause::refused || outcome.cause == Cause::reset) &&
         outcome.rst_sender != flowtable::RstSender::suspect;
}

}  // namespace

void ServiceNotes::ended(ServiceTable::Number number, std::int64_t counting_since,
                         const Outcome& outcome, Repeated repeated, bool own_responder) noexcept {
  const bool success = outcome.cause == Cause::none;
  const bool noted = outcome.cause != Cause::evicted && (!success || repeated.syn);
  if (!noted && !repeated.synack) return;
  Note& note = current(number, counting_since);
  if (repeated.synack) --note.answered_retrying;
  if (!noted) return;
  note.own_responder = own_responder;
  if (success) {
    ++note.present.repeated_successes;
    note.present.answered_twice += repeated.synack ? 1 : 0;
    return;
  }
  ++note.present.causes[static_cast<std::size_t>(outcome.cause)];
  if (outcome.uncertain) ++note.present.uncertain;
  if (outcome.rst_sender == flowtable::RstSender::suspect) ++note.present.rst_suspect;
  if (is_refusal(outcome))
    note.last_refusal = std::max(note.last_refusal, outcome.at.time_since_epoch().count());
  if (outcome.error == nullptr) return;
  note.error = *outcome.error;
  note.error_at = outcome.at.time_since_epoch().count();
}

void ServiceNotes::answered_again(ServiceTable::Number number,
                                  std::int64_t counting_since) noexcept {
  ++current(number, counting_since).answered_retrying;
}

void ServiceNotes::matched(ServiceTable::Number number, std::int64_t counting_since,
                           Pattern pattern) noexcept {
  switch (pattern) {
    case Pattern::none:
      return;
    case Pattern::stuck_tuple:
      ++current(number, counting_since).present.stuck_tuples;
      return;
    case Pattern::ecn_black_hole:
    case Pattern::fast_open_black_hole:
      ++current(number, counting_since).present.option_black_holes;
      return;
  }
}

// The note, of this row and of this window.
ServiceNotes::Note& ServiceNotes::current(ServiceTable::Number number,
                                          std::int64_t counting_since) noexcept {
  Note& note = notes_[number];
  if (note.counting_since != counting_since) {
    note = Note();
    note.counting_since = counting_since;
    note.window = window_;
  }
  if (note.window == window_) return note;
  note.former = note.window + 1 == window_ ? note.present : Window();
  note.present = Window();
  note.window = window_;
  return note;
}

NotedOfService ServiceNotes::of(ServiceTable::Number number,
                                std::int64_t counting_since) const noexcept {
  const Note& note = notes_[number];
  if (note.counting_since != counting_since) return {};
  NotedOfService sum;
  sum.own_responder = note.own_responder;
  sum.answered_retrying = note.answered_retrying;
  sum.error = note.error;
  sum.error_at = note.error_at;
  sum.last_refusal = note.last_refusal;
  const std::uint32_t ago = window_ - note.window;
  if (ago <= 1) add(sum, note.present);
  if (ago == 0) add(sum, note.former);
  return sum;
}

void ServiceNotes::add(NotedOfService& sum, const Window& window) noexcept {
  for (std::size_t i = 0; i < window.causes.size(); ++i) {
    std::uint64_t* const count = failure_count(sum.causes, static_cast<Cause>(i));
    if (count != nullptr) *count += window.causes[i];
  }
  sum.repeated_successes += window.repeated_successes;
  sum.uncertain += window.uncertain;
  sum.rst_suspect += window.rst_suspect;
  sum.stuck_tuples += window.stuck_tuples;
  sum.option_black_holes += window.option_black_holes;
  sum.answered_twice += window.answered_twice;
}

}  // namespace tcpeek::engine
