// The last so many samples of a number of series, which are all taken at the same moments: a ring of
// rows, each with the moment at which its interval ended.
//
// How it works: a row is begun when one is due, with no sample in it; each series may put one there.
// An interval that no row ended is covered by the next row, which says how long it is.
//
// Thread contract: one thread. All memory is set aside by the constructor, and used row by row.
// Units: uptimes, a steady clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "ipc/history.h"

namespace tcpeek::engine {

class SampleRing {
 public:
  using Uptime = std::chrono::milliseconds;

  struct Row {
    Uptime end{0};
    Uptime span{0};
  };

  // How much earlier than after an interval a row may end: timers are late, now and then, and the next
  // one is early by as much.
  static constexpr Uptime kEarly{500};

  SampleRing(std::size_t series, std::size_t rows, Uptime interval)
      : series_(series), interval_(interval), rows_(rows) {
    samples_.reserve(series * rows);
  }

  [[nodiscard]] bool due(Uptime now) const noexcept { return now - last_ >= interval_ - kEarly; }

  // The oldest row gives way. `now` is not before the row before.
  void begin_row(Uptime now) noexcept {
    newest_ = used_ == 0 ? 0 : (newest_ + 1) % rows_.size();
    used_ = std::min(used_ + 1, rows_.size());
    samples_.resize(used_ * series_);
    rows_[newest_] = {.end = now, .span = now - last_};
    last_ = now;
    std::ranges::fill(std::span(samples_).subspan(newest_ * series_, series_),
                      ipc::HistorySample{});
  }

  // Into the row begun last.
  void put(std::size_t series, const ipc::HistorySample& sample) noexcept {
    samples_[newest_ * series_ + series] = sample;
  }
  void forget(std::size_t series) noexcept {
    for (std::size_t row = 0; row < used_; ++row) {
      samples_[row * series_ + series] = {};
    }
  }

  // Places of the rows that ended after `from`, the oldest first; all if there is no `from`.
  [[nodiscard]] std::vector<std::size_t> places_after(std::optional<Uptime> from) const {
    std::vector<std::size_t> places;
    for (std::size_t age = used_; age-- > 0;) {
      const std::size_t place = (newest_ + rows_.size() - age) % rows_.size();
      if (!from || rows_[place].end > *from) places.push_back(place);
    }
    return places;
  }
  // The one begun last. Precondition: there is one.
  [[nodiscard]] const Row& latest() const noexcept { return rows_[newest_]; }
  [[nodiscard]] const Row& row(std::size_t place) const noexcept { return rows_[place]; }
  [[nodiscard]] const ipc::HistorySample& sample(std::size_t place,
                                                 std::size_t series) const noexcept {
    return samples_[place * series_ + series];
  }

  [[nodiscard]] std::size_t memory_bytes() const noexcept {
    return rows_.capacity() * sizeof(Row) + samples_.capacity() * sizeof(ipc::HistorySample);
  }

 private:
  std::size_t series_;
  Uptime interval_;
  std::vector<Row> rows_;
  std::vector<ipc::HistorySample> samples_;  // row by row
  std::size_t newest_ = 0;
  std::size_t used_ = 0;
  Uptime last_{0};  // counting began at 0
};

}  // namespace tcpeek::engine
