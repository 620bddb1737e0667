// The last failures of a run, as JSON lines, for a page that shows them afterwards.
//
// Thread contract: a plain value.
// Bounds: kMost lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

namespace tcpeek::engine {

class RecentFailures {
 public:
  static constexpr std::size_t kMost = 200;

  void add(std::string line) {
    if (lines_.size() == kMost) lines_.pop_front();
    lines_.push_back(std::move(line));
    ++total_;
  }
  // The oldest first.
  [[nodiscard]] const std::deque<std::string>& lines() const noexcept { return lines_; }
  [[nodiscard]] std::uint64_t left_out() const noexcept { return total_ - lines_.size(); }

 private:
  std::deque<std::string> lines_;
  std::uint64_t total_ = 0;
};

}  // namespace tcpeek::engine
