// Sums over the counts of a snapshot.
#include "ipc/snapshot.h"

namespace tcpeek::ipc {

Tallies& Tallies::operator+=(const Tallies& other) noexcept {
  for (std::size_t i = 0; i < kTallies; ++i) values[i] += other.values[i];
  return *this;
}

Counts& Counts::operator+=(const Counts& other) noexcept {
  Tallies::operator+=(other);
  latency += other.latency;
  responder_leg += other.responder_leg;
  initiator_leg += other.initiator_leg;
  return *this;
}

std::uint64_t PacketStats::ignored_total() const noexcept {
  std::uint64_t sum = 0;
  for (const NamedCount& reason : ignored) sum += reason.count;
  return sum;
}

}  // namespace tcpeek::ipc
