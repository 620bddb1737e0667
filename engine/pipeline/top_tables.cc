#include "engine/pipeline/top_tables.h"

namespace tcpeek::engine {

using flowtable::Attempt;
using flowtable::Outcome;

// Of a repeated segment nobody knows which one was answered, so a leg is only told where it began and ended
// once.
void TopTables::ended_otherwise(const Attempt& attempt, const Outcome& outcome,
                                ServiceTable::Number service, std::uint8_t directions) noexcept {
  if (service == kUncounted) return;
  if (service != ServiceTable::kOthers) {
    notes_.ended(service, services_[service].counting_since, outcome,
                 attempt.handshake.dup_syns != 0, attempt.has_own_responder());
  }
  services_.repeated(service, attempt.handshake.dup_syns, attempt.handshake.dup_synacks);
  switch (flowtable::result_of(outcome.cause)) {
    case flowtable::Result::success:
      return services_.succeeded_unseen(service, outcome.at);
    case flowtable::Result::evicted:
      return services_.evicted(service);
    case flowtable::Result::pending:  // is no end
      return;
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
