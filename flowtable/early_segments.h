// Answers that came before the SYN they answer: taps and queues reorder the two directions by
// microseconds, and a SYN may come by another reader's mail. Kept by 4-tuple and the number they
// acknowledge, so a forger would have to know the ISN before it is sent. Four places for each of 256
// values of a keyed hash; the oldest of them is displaced.
//
// Thread contract: owned by one reader. Nothing here allocates after construction.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "flowtable/segment.h"

namespace tcpeek::flowtable {

class EarlySegments {
 public:
  // How long before its SYN an answer may be captured, and how much later than a SYN that comes by mail.
  static constexpr std::chrono::milliseconds kAhead{2};
  static constexpr std::chrono::milliseconds kBehind{100};
  static constexpr std::size_t kMost = 1024;

  EarlySegments() : places_(kMost, never()) {}

  // Whether it is an answer to a SYN.
  [[nodiscard]] static bool answers(const Segment& s) noexcept {
    return s.kind == SegmentKind::tcp && (s.flags & tcp_flag::ack) != 0 &&
           (s.flags & (tcp_flag::syn | tcp_flag::rst)) != 0;
  }

  void keep(const Segment& answer, std::uint64_t hash) noexcept {
    newest_ = std::max(newest_, answer.time);
    const std::size_t first = first_place(hash, answer.acknowledgment);
    std::size_t oldest = first;
    for (std::size_t i = first; i < first + kWays; ++i) {
      if (is_about(places_[i], answer.key, answer.acknowledgment)) {
        places_[i] = answer;
        return;
      }
      if (places_[i].time < places_[oldest].time) oldest = i;
    }
    places_[oldest] = answer;
  }

  // Whether any may answer a SYN of that time.
  [[nodiscard]] bool may_hold(PacketTime syn_time) const noexcept {
    return newest_ + kAhead >= syn_time;
  }

  // Takes out the answer to `syn` that came before it, or nullptr: valid until the next call.
  [[nodiscard]] const Segment* take(const Segment& syn, std::uint64_t hash) noexcept {
    if (!may_hold(syn.time)) return nullptr;
    const std::uint32_t next = syn.sequence + 1;
    if (const Segment* answer = take(syn, hash, next); answer != nullptr) return answer;
    return syn.payload != 0 ? take(syn, hash, next + syn.payload) : nullptr;
  }

 private:
  static constexpr std::size_t kWays = 4;

  // Older than all others.
  static Segment never() noexcept {
    Segment s;
    s.time = PacketTime::min();
    return s;
  }

  static std::size_t first_place(std::uint64_t hash, std::uint32_t acknowledgment) noexcept {
    return static_cast<std::uint32_t>((hash >> 16) ^ acknowledgment) % (kMost / kWays) * kWays;
  }
  static bool is_about(const Segment& kept, const FlowKey& key,
                       std::uint32_t acknowledgment) noexcept {
    return kept.acknowledgment == acknowledgment && kept.flags != 0 && kept.key == key;
  }

  [[nodiscard]] const Segment* take(const Segment& syn, std::uint64_t hash,
                                    std::uint32_t acknowledgment) noexcept {
    const std::size_t first = first_place(hash, acknowledgment);
    for (std::size_t i = first; i < first + kWays; ++i) {
      const Segment& kept = places_[i];
      if (!is_about(kept, syn.key, acknowledgment)) continue;
      const auto ahead = syn.time - kept.time;
      if (kept.sender == syn.sender || ahead < -kBehind || ahead > kAhead) return nullptr;
      taken_ = kept;
      places_[i] = never();
      return &taken_;
    }
    return nullptr;
  }

  std::vector<Segment> places_;
  Segment taken_;
  PacketTime newest_ = PacketTime::min();  // nothing is kept that is newer
};

}  // namespace tcpeek::flowtable
