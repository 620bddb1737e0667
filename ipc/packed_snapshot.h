// The counters of a snapshot in few bytes, to be subtracted from a later one: 1 to 2 KiB for a filter that sees
// traffic instead of 10, so that many clients may have one.
//
// How it works: all counters in one row, in groups of seven bits; a row of zeros, as histograms mostly are, is
// one zero and its length.
//
// Thread contract: a plain value.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/snapshot.h"

namespace tcpeek::ipc {

class PackedSnapshot {
 public:
  explicit PackedSnapshot(const Snapshot& snapshot);

  // Counters, and the names that they go by; all else is empty.
  [[nodiscard]] Snapshot unpacked() const;

  [[nodiscard]] std::chrono::system_clock::time_point taken() const noexcept { return taken_; }
  [[nodiscard]] std::chrono::milliseconds uptime() const noexcept { return uptime_; }
  [[nodiscard]] std::size_t bytes() const noexcept;

 private:
  struct Filter {
    std::string name;
    std::string expression;
    std::uint32_t since = 0;
    bool removed = false;
  };

  std::chrono::system_clock::time_point taken_;
  std::chrono::milliseconds uptime_{0};
  std::vector<std::string> interfaces_;
  std::vector<unsigned> readers_;
  std::vector<Filter> filters_;
  std::vector<std::string_view> ignored_;  // words that outlive every snapshot
  bool http_ = false;
  std::string counters_;
};

}  // namespace tcpeek::ipc
