#include "engine/capture.h"

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

#include "engine/descriptor_limit.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMostSpareGroups = 8;
// Besides the groups: while one of them captures, the other is ready for the next time.
constexpr std::size_t kSingles = 2;
// Where not even these may be open, they are for clients.
constexpr std::uint64_t kFewDescriptors = 128;

}  // namespace

std::size_t spare_groups(unsigned readers, std::size_t interfaces,
                         std::uint64_t descriptor_limit) noexcept {
  const std::uint64_t sockets = std::uint64_t{readers} * interfaces;
  // A quarter of what is allowed; a single reader needs no groups.
  if (readers <= 1 || sockets == 0) return 0;
  return std::min<std::uint64_t>(kMostSpareGroups, descriptor_limit / 4 / sockets);
}

Capture::Capture(CaptureConfig config, std::span<const ring::CaptureTarget> targets,
                 const FilterFor& filter_for)
    : config_(std::move(config)) {
  for (const ring::CaptureTarget& target : targets) {
    Watched& watched = watched_.emplace_back(Watched{
        .target = target, .filter = filter_for(target), .capturing = {}, .spare = {}, .first = -1});
    watched.capturing = ring::open_sockets(target, config_.readers);
    start(watched, watched.capturing);
  }
  open_spares();
}

void Capture::open_spares() {
  const std::uint64_t limit = descriptor_limit();
  if (limit < kFewDescriptors) return;
  const std::size_t groups = spare_groups(config_.readers, watched_.size(), limit);
  for (Watched& watched : watched_) {
    if (watched.target.index == 0) continue;  // `any` is never deleted
    try {
      watched.spare = ring::open_sockets(watched.target, groups * config_.readers + kSingles);
    } catch (const std::system_error&) {
      // What captures now is worth more: without spare ones a new interface needs a restart.
      return;
    }
  }
}

void Capture::start(Watched& watched, std::span<ring::PacketSocket> sockets) {
  ring::start_capture(sockets, watched.target,
                      {.geometry = config_.geometry,
                       .promiscuous = config_.promiscuous,
                       .filter = watched.filter,
                       .steering = config_.steering});
  watched.first = sockets.front().descriptor();
}

ShardSource Capture::to_source(const Watched& watched, ring::PacketSocket socket) {
  const bool with_header = watched.target.access == ring::Access::link_layer;
  return {std::move(socket), with_header ? flowtable::Link::ethernet : flowtable::Link::network};
}

std::vector<std::vector<ShardSource>> Capture::take_sources() {
  std::vector<std::vector<ShardSource>> sources(config_.readers);
  for (Watched& watched : watched_) {
    for (std::size_t i = 0; i < config_.readers; ++i) {
      sources[i].push_back(to_source(watched, std::move(watched.capturing[i])));
    }
    watched.capturing.clear();
  }
  return sources;
}

bool Capture::lost(std::size_t target) const noexcept {
  const Watched& watched = watched_[target];
  return watched.target.index != 0 && ring::bound_interface(watched.first) != watched.target.index;
}

// How many spare sockets to take: a group while there is one besides the singles.
std::size_t Capture::take_size(const Watched& watched) const noexcept {
  if (watched.spare.size() >= config_.readers + kSingles) return config_.readers;
  return std::min<std::size_t>(watched.spare.size(), 1);
}

std::vector<ShardSource> Capture::reopen(std::size_t target, std::uint32_t index) {
  Watched& watched = watched_[target];
  const auto first = watched.spare.end() - static_cast<std::ptrdiff_t>(take_size(watched));
  std::vector<ring::PacketSocket> sockets(std::make_move_iterator(first),
                                          std::make_move_iterator(watched.spare.end()));
  watched.spare.erase(first, watched.spare.end());
  if (sockets.empty()) return {};

  watched.target.index = index;
  try {
    start(watched, sockets);
  } catch (const std::system_error&) {
    for (ring::PacketSocket& socket : sockets) keep(watched, std::move(socket));
    throw;
  }
  std::vector<ShardSource> sources;
  sources.reserve(sockets.size());
  for (ring::PacketSocket& socket : sockets) {
    sources.push_back(to_source(watched, std::move(socket)));
  }
  return sources;
}

void Capture::put_back(std::size_t target, ShardSource source) {
  keep(watched_[target], std::move(source.socket));
}

void Capture::keep(Watched& watched, ring::PacketSocket socket) {
  if (!socket.grouped()) watched.spare.push_back(std::move(socket));
}

}  // namespace tcpeek::engine
