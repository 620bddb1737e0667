// How many attempts each of any number of peers made, roughly, in fixed memory: a count-min sketch of one
// row, as an attempt has three peers to be counted for and may not cost more than three cells.
//
// The error: an estimate is never too low. On the average over keys it is too high by total()/kCells at
// most, so by error() = 8 total()/kCells or more for fewer than one key in eight (Markov's inequality).
//
// Thread contract: a plain object of one thread. Nothing here allocates once it is made.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flowtable/page_array.h"

namespace tcpeek::engine {

class AttemptSketch {
 public:
  static constexpr unsigned kCellBits = 19;
  static constexpr std::size_t kCells = std::size_t{1} << kCellBits;

  // Where a key is counted; kNowhere counts nothing.
  using Cell = std::uint32_t;
  static constexpr Cell kNowhere = kCells;

  [[nodiscard]] static Cell cell_of(std::uint64_t hash) noexcept {
    return static_cast<Cell>(hash >> (64 - kCellBits));
  }
  void prefetch(Cell cell) const noexcept { __builtin_prefetch(&cells_[cell], 1); }
  void add(Cell cell) noexcept { ++cells_[cell]; }
  // Keys that are added, sooner or later; those of an attempt at once.
  void expect(std::size_t keys) noexcept { total_ += keys; }

  // Errors: std::system_error when there is no memory.
  AttemptSketch() = default;

  [[nodiscard]] std::uint64_t estimate(std::uint64_t hash) const noexcept {
    return cells_[cell_of(hash)];
  }
  // Keys that were added, each as often as it was.
  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t error() const noexcept { return 8 * total_ / kCells; }

  // Takes a fifth of a millisecond.
  void clear() noexcept {
    if (total_ == 0) return;
    for (std::size_t i = 0; i < cells_.size(); ++i) cells_[i] = 0;
    total_ = 0;
  }

  [[nodiscard]] static constexpr std::size_t memory_bytes() noexcept {
    return (kCells + 1) * sizeof(std::uint32_t);
  }

 private:
  flowtable::PageArray<std::uint32_t> cells_{kCells + 1,
                                             flowtable::PageArray<std::uint32_t>::Untouched()};
  std::uint64_t total_ = 0;
};

}  // namespace tcpeek::engine
