// SYNs that may begin an attempt in the place of a pending one of the same 4-tuple: they have another
// ISN, or come from the other side. Anybody can send one, so the older attempt stays until the two ends
// have decided, or a second has passed (tcpeek(8), OUTCOMES).
//
// Kept beside the table, as an attempt has no room for a second SYN and few 4-tuples need it. Four places for each of
// 256 values of a keyed hash, so that nobody can aim at one; when all four are taken, the oldest is dropped.
//
// Thread contract: owned by one reader. Nothing here allocates after construction.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "flowtable/attempt.h"
#include "flowtable/outcome.h"

namespace tcpeek::flowtable {

struct Candidate {
  // How long the two ends have to decide.
  static constexpr std::chrono::seconds kPatience{1};

  bool taken = false;
  Attempt attempt;
  std::optional<Outcome> outcome;  // by what fits it alone: told once it opens

  [[nodiscard]] PacketTime decided_at() const noexcept { return attempt.first_syn + kPatience; }
};

class Candidates {
 public:
  static constexpr std::size_t kMost = 1024;

  Candidates() : places_(kMost) {}

  // nullptr if it was displaced.
  [[nodiscard]] Candidate* find(const FlowKey& key, std::uint64_t hash) noexcept {
    for (std::size_t i = first_place(hash), end = i + kWays; i < end; ++i) {
      if (places_[i].taken && places_[i].attempt.key == key) return &places_[i];
    }
    return nullptr;
  }

  // A place for a candidate that begins at `syn_time`; the caller sets its attempt and `taken`. If it is
  // taken, the one there is displaced.
  [[nodiscard]] Candidate& place(std::uint64_t hash, PacketTime syn_time) noexcept {
    earliest_ = std::min(earliest_, syn_time + Candidate::kPatience);
    const auto begin = places_.begin() + static_cast<std::ptrdiff_t>(first_place(hash));
    return *std::min_element(begin, begin + kWays, [](const Candidate& a, const Candidate& b) {
      if (a.taken != b.taken) return b.taken;
      return a.taken && a.attempt.first_syn < b.attempt.first_syn;
    });
  }

  // Calls fn(candidate) for each that is to be decided by `now`; fn gives its place back.
  template <class Fn>
  void for_each_due(PacketTime now, Fn&& fn) noexcept {
    if (now < earliest_) [[likely]]
      return;
    earliest_ = PacketTime::max();
    for (Candidate& c : places_) {
      if (c.taken && c.decided_at() <= now) fn(c);
      if (c.taken) earliest_ = std::min(earliest_, c.decided_at());
    }
  }

 private:
  static constexpr std::size_t kWays = 4;

  // The middle bits: those at both ends choose groups and tags of the table.
  static std::size_t first_place(std::uint64_t hash) noexcept {
    return (hash >> 20) % (kMost / kWays) * kWays;
  }

  std::vector<Candidate> places_;
  PacketTime earliest_ = PacketTime::max();
};

}  // namespace tcpeek::flowtable
