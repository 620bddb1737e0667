// What one reader has counted, as it hands it to the reactor.
//
// Written by the reader when asked, read by the reactor until it asks again; the vectors keep their
// size, so that writing allocates nothing.
//
// Invariant, per reader: delivered + mailed_in = tracker.used + tracker.ignored + decoder.ignored +
// unreadable + mailed_out + mailbox_full.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/pipeline/queue_signs.h"
#include "flowtable/ignored.h"
#include "flowtable/tracker.h"
#include "ipc/snapshot.h"
#include "ring/packet_socket.h"

namespace tcpeek::engine {

// Counted by outcome.
struct OutcomeCounts {
  ipc::Counts totals;
  std::vector<ipc::Counts> filters;  // by filter number
  std::uint64_t excluded = 0;
  std::uint64_t not_local = 0;
  std::uint64_t events_lost = 0;
  // Attempts counted under RX or TX only, because too many sets of filters were in use.
  std::uint64_t filter_sets_overflowed = 0;
};

struct ReaderReport {
  OutcomeCounts outcomes;
  flowtable::TrackerCounts tracker;
  flowtable::IgnoredCounts undecoded;
  std::vector<ring::SocketStatistics> sockets;  // one per interface
  QueueSigns::List queue_signs;
  std::uint64_t delivered = 0;
  std::uint64_t unreadable = 0;  // of those: announced by a block, but not found there
  std::uint64_t mailed_out = 0;
  std::uint64_t mailed_in = 0;
  std::uint64_t mailbox_full = 0;
  std::uint32_t generation = 0;  // of the rules in use
  std::uint64_t pending = 0;
  std::uint64_t remembered = 0;
  std::uint64_t capacity = 0;
};

}  // namespace tcpeek::engine
