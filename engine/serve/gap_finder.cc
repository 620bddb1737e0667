#include "engine/serve/gap_finder.h"

#include <algorithm>
#include <utility>

namespace tcpeek::engine {
namespace {

std::uint64_t outcomes_lost(const ipc::Snapshot& snapshot) noexcept {
  std::uint64_t sum = 0;
  for (const ipc::ReaderStats& reader : snapshot.readers) sum += reader.events_lost;
  return sum;
}

std::uint64_t packets_lost(const ipc::Snapshot& snapshot) noexcept {
  std::uint64_t sum = snapshot.packets.dropped;
  for (const ipc::NamedCount& reason : snapshot.packets.ignored) {
    if (reason.name == "mailbox_full") sum += reason.count;
  }
  return sum;
}

}  // namespace

std::vector<ipc::GapEvent> GapFinder::on_second(const ipc::Snapshot& snapshot) {
  std::vector<ipc::GapEvent> gaps;
  const auto find = [&](std::uint64_t& told, std::uint64_t lost, ipc::GapReason reason) {
    const std::uint64_t before = std::exchange(told, std::max(told, lost));
    if (lost <= before) return;
    gaps.push_back({.time = snapshot.taken, .reason = reason, .count = lost - before});
  };
  find(packets_, packets_lost(snapshot), ipc::GapReason::capture);
  find(outcomes_, outcomes_lost(snapshot), ipc::GapReason::queue_full);
  return gaps;
}

}  // namespace tcpeek::engine
