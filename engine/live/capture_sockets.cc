#include "engine/live/capture_sockets.h"

#include <algorithm>
#include <exception>
#include <iterator>
#include <limits>
#include <system_error>
#include <utility>

#include "engine/base/side_by_side.h"

namespace tcpeek::engine {
namespace {

constexpr std::size_t kMostSpareGroups = 8;
// Besides the groups: while one of them captures, the other is ready for the next recreation.
constexpr std::size_t kSingles = 2;
// So many are closed by each reader and the main thread within a second. An interface gets a group all
// the same.
constexpr std::size_t kMostSparesPerThread = 32;
constexpr std::size_t kMostSpares = 1024;

// `any` is never deleted.
bool can_be_deleted(const ring::CaptureTarget& target) noexcept {
  return target.index != 0;
}

}  // namespace

std::size_t spare_sockets(unsigned readers, std::size_t most) noexcept {
  if (most <= kSingles) return most;
  // A single reader needs no groups.
  const std::size_t groups =
      readers > 1 ? std::min((most - kSingles) / readers, kMostSpareGroups) : 0;
  return groups * readers + kSingles;
}

CaptureSockets::CaptureSockets(CaptureConfig config, std::span<const ring::CaptureTarget> targets,
                               const FilterFor& filter_for, SocketCloser& closer)
    : config_(std::move(config)), closer_(closer) {
  for (const ring::CaptureTarget& target : targets) {
    watched_.push_back({.target = target, .filter = {}, .capturing = {}, .spare = {}});
  }
  try {
    begin(filter_for);
  } catch (...) {
    close();
    throw;
  }
}

void CaptureSockets::begin(const FilterFor& filter_for) {
  for (Watched& watched : watched_) {
    watched.filter = filter_for(watched.target);
    watched.capturing = ring::open_sockets(watched.target, config_.readers);
  }
  map_rings();
  for (Watched& watched : watched_) start(watched, watched.target, watched.capturing);
}

// The kernel waits in each of these calls as it does when it closes a ring (live/socket_closer.h).
void CaptureSockets::map_rings() {
  std::vector<ring::PacketSocket*> sockets;
  for (Watched& watched : watched_) {
    for (ring::PacketSocket& socket : watched.capturing) sockets.push_back(&socket);
  }
  side_by_side(sockets.size(),
               [&](std::size_t i) { ring::prepare(*sockets[i], config_.geometry); });
}

std::size_t CaptureSockets::deletable() const noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(
      watched_, [](const Watched& watched) { return can_be_deleted(watched.target); }));
}

std::size_t CaptureSockets::spares_wanted() const noexcept {
  if (deletable() == 0) return 0;
  const std::size_t share =
      std::min(kMostSparesPerThread * (config_.readers + 1), kMostSpares) / deletable();
  return deletable() * spare_sockets(config_.readers, std::max(share, config_.readers + kSingles));
}

void CaptureSockets::open_spares(std::size_t most) noexcept {
  const std::size_t share = most / std::max<std::size_t>(deletable(), 1);
  for (Watched& watched : watched_) {
    if (!can_be_deleted(watched.target)) continue;
    try {
      watched.spare = ring::open_sockets(watched.target, spare_sockets(config_.readers, share));
    } catch (const std::exception&) {
      return;
    }
  }
}

void CaptureSockets::start(Watched& watched, const ring::CaptureTarget& target,
                           std::span<ring::PacketSocket> sockets) {
  const auto filter =
      std::visit([](const auto& its) { return ring::SocketFilter(its); }, watched.filter);
  ring::start_capture(sockets, target,
                      {.geometry = config_.geometry,
                       .promiscuous = config_.promiscuous,
                       .filter = filter,
                       .steering = config_.steering});
  watched.first = sockets.front().descriptor();
}

FramedSocket CaptureSockets::take(Watched& watched, ring::PacketSocket socket) {
  if (!socket.grouped()) ++watched.singles_taken;
  const bool with_header = watched.target.access == ring::Access::link_layer;
  return {std::move(socket),
          with_header ? flowtable::LinkFraming::ethernet : flowtable::LinkFraming::network};
}

std::vector<std::vector<FramedSocket>> CaptureSockets::take_sources() {
  std::vector<std::vector<FramedSocket>> sources(config_.readers);
  for (Watched& watched : watched_) {
    for (std::size_t i = 0; i < config_.readers; ++i) {
      sources[i].push_back(take(watched, std::move(watched.capturing[i])));
    }
    watched.capturing.clear();
  }
  return sources;
}

bool CaptureSockets::lost(std::size_t target) const noexcept {
  const Watched& watched = watched_[target];
  return can_be_deleted(watched.target) &&
         ring::bound_interface(watched.first) != watched.target.index;
}

// How many spare sockets to take: a group while there is one besides the singles.
std::size_t CaptureSockets::take_size(const Watched& watched) const noexcept {
  if (watched.spare.size() >= config_.readers + kSingles) return config_.readers;
  return std::min<std::size_t>(watched.spare.size(), 1);
}

std::vector<FramedSocket> CaptureSockets::reopen(std::size_t target, std::uint32_t index) {
  Watched& watched = watched_[target];
  const auto first = watched.spare.end() - static_cast<std::ptrdiff_t>(take_size(watched));
  std::vector<ring::PacketSocket> sockets(std::make_move_iterator(first),
                                          std::make_move_iterator(watched.spare.end()));
  watched.spare.erase(first, watched.spare.end());
  if (sockets.empty()) return {};

  ring::CaptureTarget recreated = watched.target;
  recreated.index = index;
  try {
    start(watched, recreated, sockets);
  } catch (const std::system_error&) {
    for (ring::PacketSocket& socket : sockets) keep(watched, std::move(socket));
    throw;
  }
  watched.target = std::move(recreated);
  std::vector<FramedSocket> sources;
  sources.reserve(sockets.size());
  for (ring::PacketSocket& socket : sockets) sources.push_back(take(watched, std::move(socket)));
  return sources;
}

// Of the singles that are taken the reader keeps the last one until it gets another.
bool CaptureSockets::used_up(std::size_t target) const noexcept {
  const Watched& watched = watched_[target];
  return watched.spare.empty() && watched.singles_taken <= 1;
}

void CaptureSockets::put_back(std::size_t target, FramedSocket source) {
  Watched& watched = watched_[target];
  if (!source.socket.grouped()) --watched.singles_taken;
  keep(watched, std::move(source.socket));
}

std::size_t CaptureSockets::waits_to_close() const noexcept {
  std::size_t waits = 0;
  for (const Watched& watched : watched_) waits += 2 * config_.readers + watched.spare.size();
  return waits;
}

void CaptureSockets::close() noexcept {
  for (Watched& watched : watched_) {
    for (std::vector<ring::PacketSocket>* sockets : {&watched.capturing, &watched.spare}) {
      for (ring::PacketSocket& socket : *sockets) closer_.add(std::move(socket));
      sockets->clear();
    }
  }
}

void CaptureSockets::keep(Watched& watched, ring::PacketSocket socket) {
  if (!socket.grouped()) watched.spare.push_back(std::move(socket));
}

}  // namespace tcpeek::engine
