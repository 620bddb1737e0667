#include "engine/replay/replay_clock.h"

#include <algorithm>

namespace tcpeek::engine {
namespace {

using flowtable::PacketTime;
using ring::SavedPacket;

PacketTime time_of(const SavedPacket& packet) noexcept {
  return PacketTime(std::chrono::nanoseconds(packet.time_ns));
}

}  // namespace

ReplayClock::Stretch ReplayClock::advance(std::span<const SavedPacket> packets) noexcept {
  if (!started_) start(time_of(packets.front()));
  const auto leap = std::find_if(packets.begin(), packets.end(), [this](const SavedPacket& packet) {
    const PacketTime time = time_of(packet);
    if (time > now_ + kLeap || time < now_ - kLeap) return true;
    go_to(time);
    return false;
  });
  Stretch stretch{.packets = static_cast<std::size_t>(leap - packets.begin()), .sweep_by = {}};
  packets_ += stretch.packets;
  if (leap == packets.end()) return stretch;
  const PacketTime behind = time_of(*leap);
  if (behind > now_) stretch.sweep_by = now_ + kAllEnded;
  now_ = swept_at_ = behind;
  return stretch;
}

void ReplayClock::start(PacketTime time) noexcept {
  started_ = true;
  now_ = earliest_ = latest_ = swept_at_ = time;
}

void ReplayClock::go_to(PacketTime time) noexcept {
  earliest_ = std::min(earliest_, time);
  latest_ = std::max(latest_, time);
  if (time >= now_ - kStepBack) {
    now_ = std::max(now_, time);
  } else {
    now_ = time;
    swept_at_ = std::min(swept_at_, now_);
  }
}

bool ReplayClock::sweep_is_due(std::uint64_t pending, std::uint64_t capacity,
                               WallTime now) const noexcept {
  if (now_ - swept_at_ < kSweepInterval) return false;
  // Before the table's clock wraps, even with nothing pending: it still remembers ended attempts.
  if (now_ - swept_at_ > kLeap) return true;
  if (pending == 0) return false;
  const bool nearly_full = pending > capacity / 5 * 4;
  // A pipe may deliver packets as they are captured, with somebody watching.
  const bool slow = now - swept_on_ > kSweepInterval;
  return packets_ - packets_at_sweep_ >= kPacketsPerSweep || nearly_full || slow;
}

void ReplayClock::swept(WallTime now) noexcept {
  swept_at_ = now_;
  packets_at_sweep_ = packets_;
  swept_on_ = now;
}

}  // namespace tcpeek::engine
