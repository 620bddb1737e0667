// How many attempts each of any number of peers made, roughly, in fixed memory: a count-min sketch.
//
// How it works: a key's hash chooses a line of memory and in it a counter of each of two rows of eight; the
// smaller of both is the estimate. So an attempt costs one line whatever there is, and it is fetched ahead.
//
// The error: an estimate is never too low. On the average over keys it is too high by total()/kWidth at
// most, so by error() = 8 total()/kWidth or more for fewer than one key in eight, by Markov's inequality
// for one row alone; the second row makes it fewer.
//
// Thread contract: a plain object of one thread. Nothing here allocates once it is made.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "flowtable/page_array.h"

namespace tcpeek::engine {

class AttemptSketch {
 public:
  static constexpr unsigned kLineBits = 15;
  static constexpr std::size_t kRow = 8;
  static constexpr std::uint64_t kWidth = kRow << kLineBits;

  // Errors: std::system_error when there is no memory.
  AttemptSketch() = default;

  void prefetch(std::uint64_t hash) const noexcept {
    __builtin_prefetch(&lines_[line_of(hash)], 1);
  }
  template <std::size_t kCount>
  void add(const std::array<std::uint64_t, kCount>& hashes) noexcept {
    for (const std::uint64_t hash : hashes) {
      Line& line = lines_[line_of(hash)];
      ++line.cells[first_of(hash)];
      ++line.cells[second_of(hash)];
    }
    total_ += kCount;
  }
  [[nodiscard]] std::uint64_t estimate(std::uint64_t hash) const noexcept {
    const Line& line = lines_[line_of(hash)];
    return std::min(line.cells[first_of(hash)], line.cells[second_of(hash)]);
  }
  // Keys that were added, each as often as it was.
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t error() const noexcept { return 8 * total_ / kWidth; }

  // Takes a fifth of a millisecond.
  void clear() noexcept {
    for (std::size_t i = 0; i < lines_.size(); ++i) lines_[i] = Line();
    total_ = 0;
  }

  [[nodiscard]] static constexpr std::size_t memory_bytes() noexcept {
    return sizeof(Line) << kLineBits;
  }

 private:
  struct alignas(64) Line {
    std::array<std::uint32_t, 2 * kRow> cells{};
  };

  [[nodiscard]] static std::size_t line_of(std::uint64_t hash) noexcept {
    return static_cast<std::size_t>(hash >> (64 - kLineBits));
  }
  [[nodiscard]] static std::size_t first_of(std::uint64_t hash) noexcept { return hash % kRow; }
  [[nodiscard]] static std::size_t second_of(std::uint64_t hash) noexcept {
    return kRow + hash / kRow % kRow;
  }

  flowtable::PageArray<Line> lines_{std::size_t{1} << kLineBits,
                                    flowtable::PageArray<Line>::Untouched()};
  std::uint64_t total_ = 0;
};

}  // namespace tcpeek::engine
