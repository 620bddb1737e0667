// The last failure of each filter for each reason, by name: what an exemplar on a failure counter shows.
//
// Bounded: one for each reason of kMostFilters filters. Where there is one more, as filters have been exchanged, the
// one that has not failed for longest is forgotten.
//
// Thread contract: one thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "ipc/outcome_event.h"

namespace tcpeek::ipc {

// As METRICS counts failures: what the members of STATS' `failure` are called.
enum class FailureReason : std::uint8_t { refused, aborted, timed_out, unreachable };
inline constexpr std::size_t kFailureReasons = 4;

[[nodiscard]] std::string_view word(FailureReason reason) noexcept;

struct FailureExample {
  std::string labels;  // client_address, server_address, server_port; 128 characters at most
  std::chrono::system_clock::time_point when;
};

class FailureExamples {
 public:
  static constexpr std::size_t kMostFilters = 1024;  // as many as are in force at most

  // An outcome; other than failures are nothing to keep.
  void note(const OutcomeEvent& event);
  // Null if there was none.
  [[nodiscard]] const FailureExample* find(std::string_view filter, FailureReason reason) const;

 private:
  using Examples = std::array<FailureExample, kFailureReasons>;

  [[nodiscard]] Examples& of(const std::string& filter);

  std::map<std::string, Examples, std::less<>> by_filter_;
};

}  // namespace tcpeek::ipc
