// The rings of one reader as one stream of packets, in the order of their time.
//
// How it works: of several interfaces, a packet waits until every ring has shown something later, or
// has been silent for longer than blocks take to retire. A single ring is read block by block.
//
// Thread contract: replace() and collect() are the reactor's thread's, the rest the reader's.
// Bounds: kMostSources interfaces.
#pragma once

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <vector>

#include "engine/live/reader_source.h"
#include "engine/pipeline/packet_timeline.h"
#include "ring/packet_socket.h"

namespace tcpeek::engine {

class RingMerger {
 public:
  static constexpr std::size_t kMostSources = 64;

  // Blocks that are not full are handed over after `retire`.
  RingMerger(std::vector<FramedSocket> sources, std::chrono::milliseconds retire);

  // Another socket for an interface that was recreated. Returns one that was offered before and not
  // taken, if any.
  std::unique_ptr<FramedSocket> replace(std::size_t source, FramedSocket next) {
    return sources_[source].offer(std::move(next));
  }
  // The socket that was replaced, once the reader is done with it.
  [[nodiscard]] std::unique_ptr<FramedSocket> collect(std::size_t source) {
    return sources_[source].collect();
  }

  // Switches to sockets that were offered.
  void go_over() noexcept {
    for (ReaderSource& source : sources_) source.go_over();
  }

  // Calls take(const RingPacket&, LinkFraming) for the next packets, `most` of them and what is left of
  // a block. Returns how many there were.
  template <class Take>
  std::size_t read(const PacketTimeline& timeline, std::size_t most, Take&& take) noexcept {
    return sources_.size() == 1 ? read_alone(most, take) : read_merged(timeline, most, take);
  }

  // All packets stamped before this have been read, if read() returned few and none is held.
  [[nodiscard]] flowtable::PacketTime settled(const PacketTimeline& timeline) const noexcept {
    return timeline.now() - settling_;
  }
  // Packets in hand that wait for those of other rings.
  [[nodiscard]] bool holding_packets() const noexcept;

  // A socket is about to be exchanged, for which go_over() has to be called again.
  [[nodiscard]] bool exchanging() const noexcept {
    return std::ranges::any_of(sources_, &ReaderSource::exchanging);
  }

  // Packets that were captured and could not be read.
  [[nodiscard]] std::uint64_t lost() noexcept;
  // Whether all that was captured has been read.
  [[nodiscard]] bool drained() noexcept;
  void reject_all() noexcept;
  // Gives all sockets away, the offered and the replaced ones too: no more packets.
  template <class Take>
  void release(Take&& take) noexcept {
    for (ReaderSource& source : sources_) source.release(take);
    sources_.clear();
  }

  [[nodiscard]] std::size_t size() const noexcept { return sources_.size(); }
  [[nodiscard]] ring::SocketStatistics statistics(std::size_t source) noexcept {
    return sources_[source].statistics();
  }
  [[nodiscard]] std::uint64_t delivered() const noexcept;
  [[nodiscard]] std::uint64_t unreadable() const noexcept;

  // What poll() is to wait for, as many entries as there are sources; and what it found.
  std::size_t poll_entries(std::span<pollfd> entries) noexcept;
  void take_errors(std::span<const pollfd> entries) noexcept;

 private:
  template <class Take>
  std::size_t read_alone(std::size_t most, Take&& take) noexcept {
    ReaderSource& source = sources_.front();
    std::size_t packets = 0;
    while (packets < most) {
      const flowtable::LinkFraming framing = source.framing();
      const std::size_t taken = source.cursor().take_block(
          source.socket().ring(), [&](const ring::RingPacket& packet) { take(packet, framing); });
      if (taken == 0) break;
      packets += taken;
    }
    return packets;
  }

  template <class Take>
  std::size_t read_merged(const PacketTimeline& timeline, std::size_t most, Take&& take) noexcept {
    std::size_t packets = 0;
    for (; packets < most; ++packets) {
      ReaderSource* const source = earliest(timeline);
      if (source == nullptr) break;
      take(source->cursor().packet(), source->framing());
      source->cursor().consume();
    }
    return packets;
  }

  [[nodiscard]] ReaderSource* earliest(const PacketTimeline& timeline) noexcept;

  std::deque<ReaderSource> sources_;  // one for each interface
  // A block reaches us this much later than its first packet at most.
  const std::chrono::milliseconds settling_;
};

}  // namespace tcpeek::engine
