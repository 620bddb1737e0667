#include "engine/live/ring_merger.h"

#include <algorithm>

namespace tcpeek::engine {

using flowtable::PacketTime;

// Twice, for kernels that count the retire timeout in jiffies.
RingMerger::RingMerger(std::vector<FramedSocket> sources, std::chrono::milliseconds retire)
    : settling_(2 * retire) {
  for (FramedSocket& source : sources) sources_.emplace_back(std::move(source));
}

// The source whose packet is next in time, if it is certain that no other will show an earlier one.
ReaderSource* RingMerger::earliest(const PacketTimeline& timeline) noexcept {
  ReaderSource* first = nullptr;
  bool silent = false;
  for (ReaderSource& source : sources_) {
    if (!source.cursor().fill(source.socket().ring())) {
      silent = true;
      continue;
    }
    if (first == nullptr || source.cursor().packet().time_ns < first->cursor().packet().time_ns) {
      first = &source;
    }
  }
  if (first == nullptr || !silent) return first;
  const PacketTime at = timeline.at(std::chrono::nanoseconds(first->cursor().packet().time_ns));
  return at <= settled(timeline) ? first : nullptr;
}

bool RingMerger::holding_packets() const noexcept {
  return std::ranges::any_of(sources_,
                             [](const ReaderSource& source) { return source.cursor().filled(); });
}

std::uint64_t RingMerger::lost() noexcept {
  std::uint64_t lost = unreadable();
  for (ReaderSource& source : sources_) lost += source.statistics().dropped;
  return lost;
}

bool RingMerger::drained() noexcept {
  return std::ranges::all_of(sources_, [](ReaderSource& source) { return source.drained(); });
}

void RingMerger::reject_all() noexcept {
  for (ReaderSource& source : sources_) source.reject_all();
}

std::uint64_t RingMerger::delivered() const noexcept {
  std::uint64_t sum = 0;
  for (const ReaderSource& source : sources_) sum += source.delivered();
  return sum;
}

std::uint64_t RingMerger::unreadable() const noexcept {
  std::uint64_t sum = 0;
  for (const ReaderSource& source : sources_) sum += source.cursor().unreadable();
  return sum;
}

std::size_t RingMerger::poll_entries(std::span<pollfd> entries) noexcept {
  const std::size_t count = std::min(sources_.size(), entries.size());
  for (std::size_t i = 0; i < count; ++i) {
    // A ring whose block we hold stays readable: it is left out.
    const short wanted = sources_[i].cursor().filled() ? 0 : POLLIN;
    entries[i] = {sources_[i].socket().descriptor(), wanted, 0};
  }
  return count;
}

void RingMerger::take_errors(std::span<const pollfd> entries) noexcept {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if ((entries[i].revents & POLLERR) != 0) {
      static_cast<void>(sources_[i].socket().take_error());
    }
  }
}

}  // namespace tcpeek::engine
