// Why there is no prefilter: what its program would need, or the kernel's verdict on it.
//
// Thread contract: a value.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace tcpeek::ring {

class PrefilterRefused : public std::runtime_error {
 public:
  explicit PrefilterRefused(const std::string& reason, std::string log = {})
      : std::runtime_error(reason), log_(std::move(log)) {}
  // All that the verifier said; empty if it was not asked.
  [[nodiscard]] const std::string& log() const noexcept { return log_; }

 private:
  std::string log_;
};

}  // namespace tcpeek::ring
