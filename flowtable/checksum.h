// The Internet checksum (RFC 1071) over bytes as captured.
//
// Thread contract: pure functions.
#pragma once

#include <cstdint>

#include "flowtable/bytes.h"

namespace tcpeek::flowtable {

// A one's complement sum in progress; bytes are added in order, a run of odd length only as the last.
class ChecksumSum {
 public:
  void add(Bytes bytes) noexcept;
  void add(std::uint32_t word) noexcept { sum_ += word; }

  // Whether the sum is right, if it included the checksum field itself.
  [[nodiscard]] bool valid() const noexcept { return folded() == 0xffff; }
  // The sum in 16 bits.
  [[nodiscard]] std::uint16_t folded() const noexcept;

 private:
  std::uint64_t sum_ = 0;
};

}  // namespace tcpeek::flowtable
