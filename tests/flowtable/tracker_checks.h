// The tracker's counts held against the model's, and what a failure shows of the packets before it.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "flowtable/tracker_types.h"
#include "tests/flowtable/handshake_model.h"
#include "tests/support/segments.h"

namespace tcpeek::flowtable::test {

inline PacketTime packet_time(std::int64_t us) {
  return time_of(std::chrono::microseconds(us));
}

inline void expect_same_counts(const HandshakeModel& model, const TrackerCounts& counts) {
  EXPECT_EQ(counts.used, static_cast<std::uint64_t>(model.used));
  EXPECT_EQ(counts.syn_copies, static_cast<std::uint64_t>(model.syn_copies));
  EXPECT_EQ(counts.synack_copies, static_cast<std::uint64_t>(model.synack_copies));
  EXPECT_EQ(counts.late_syns, static_cast<std::uint64_t>(model.late_syns));
  EXPECT_EQ(counts.stray_syns, static_cast<std::uint64_t>(model.stray_syns));
  for (std::size_t i = 0; i < kIgnoredReasons; ++i) {
    const auto it = model.ignored.find(static_cast<Ignored>(i));
    const std::int64_t expected = it == model.ignored.end() ? 0 : it->second;
    EXPECT_EQ(counts.ignored.counts[i], static_cast<std::uint64_t>(expected)) << kIgnoredNames[i];
  }
}

inline std::uint64_t total(const IgnoredCounts& ignored) {
  return std::accumulate(ignored.counts.begin(), ignored.counts.end(), std::uint64_t{0});
}

inline bool same_counts(const HandshakeModel& model, const TrackerCounts& counts) {
  std::int64_t ignored = 0;
  for (const auto& [reason, count] : model.ignored) {
    if (counts.ignored[reason] != static_cast<std::uint64_t>(count)) return false;
    ignored += count;
  }
  return total(counts.ignored) == static_cast<std::uint64_t>(ignored) &&
         counts.used == static_cast<std::uint64_t>(model.used) &&
         counts.syn_copies == static_cast<std::uint64_t>(model.syn_copies) &&
         counts.synack_copies == static_cast<std::uint64_t>(model.synack_copies) &&
         counts.late_syns == static_cast<std::uint64_t>(model.late_syns) &&
         counts.stray_syns == static_cast<std::uint64_t>(model.stray_syns);
}

// The packets of one connection so far, for the message of a failure.
inline std::string history(const std::vector<Packet>& packets, const Pair& pair) {
  std::ostringstream out;
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (pair_of(packets[i]) == pair) out << "\n  " << i << ": " << packets[i];
  }
  return out.str();
}

}  // namespace tcpeek::flowtable::test
