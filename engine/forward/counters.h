// What tcpeek-forward counts of itself.
//
// Thread contract: written by the forwarding thread, read by any.
#pragma once

#include <atomic>
#include <cstdint>

namespace tcpeek::forward {

struct Counters {
  using Count = std::atomic<std::uint64_t>;

  Count events_read;  // lines of WATCH that are events
  Count lines_malformed;
  Count events_skipped;     // the stream had them already
  Count events_aggregated;  // successes that were counted instead of sent
  Count events_lost;        // told in gaps
  Count gaps;
  Count messages_published;  // sent, also again
  Count messages_stored;
  Count messages_duplicate;  // the stream knew the id
  Count messages_rejected;
  Count connections;  // to the broker, made
  Count read_backs;
  Count watches;  // connections to tcpeek, made
  Count state_writes;
  Count in_window;
  Count in_flight;
  Count newest_stored;  // stream sequence
  std::atomic<bool> connected;
  std::atomic<bool> watching;
  std::atomic<std::int64_t> last_stored_ms;  // since 1970; 0: nothing yet
};

}  // namespace tcpeek::forward
