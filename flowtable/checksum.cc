#include "flowtable/checksum.h"

namespace tcpeek::flowtable {

void ChecksumSum::add(Bytes bytes) noexcept {
  std::size_t at = 0;
  for (; at + 2 <= bytes.size(); at += 2) sum_ += u16_at(bytes, at);
  if (at < bytes.size()) sum_ += static_cast<std::uint32_t>(byte_at(bytes, at)) << 8;
}

std::uint16_t ChecksumSum::folded() const noexcept {
  std::uint64_t sum = sum_;
  while ((sum >> 16) != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

}  // namespace tcpeek::flowtable
