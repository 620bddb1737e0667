// Bytes in network order for tests, and the Internet checksum over them in its plainest form.
//
// It depends on nothing of the project, so that its reading of the RFCs is its own.
#pragma once

#include <arpa/inet.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace tcpeek::test {

using Octets = std::vector<std::byte>;

inline void put8(Octets& out, std::size_t value) {
  out.push_back(static_cast<std::byte>(value));
}
inline void put16(Octets& out, std::size_t value) {
  put8(out, value >> 8 & 0xff);
  put8(out, value & 0xff);
}
inline void put32(Octets& out, std::size_t value) {
  put16(out, value >> 16 & 0xffff);
  put16(out, value & 0xffff);
}
inline void append(Octets& out, const Octets& more) {
  out.insert(out.end(), more.begin(), more.end());
}
inline void set16(Octets& out, std::size_t at, std::size_t value) {
  out.at(at) = static_cast<std::byte>(value >> 8 & 0xff);
  out.at(at + 1) = static_cast<std::byte>(value & 0xff);
}

// RFC 1071 word by word, the carry brought round at every step.
inline std::uint16_t internet_checksum(const Octets& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    const auto high = std::to_integer<std::uint32_t>(bytes[i]);
    const auto low = i + 1 < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i + 1]) : 0U;
    sum += high << 8 | low;
    if (sum > 0xffff) sum -= 0xffff;
  }
  return static_cast<std::uint16_t>(0xffffU - sum);
}

struct Address {
  std::array<std::uint8_t, 16> bytes{};  // the first four, for IPv4
  bool v6 = false;

  Address() = default;
  Address(const std::array<std::uint8_t, 16>& b, bool is_v6) : bytes(b), v6(is_v6) {}
  Address(const char* text) : v6(std::strchr(text, ':') != nullptr) {
    if (inet_pton(v6 ? AF_INET6 : AF_INET, text, bytes.data()) != 1) {
      throw std::invalid_argument(std::string("no address: ") + text);
    }
  }
  void put(Octets& out) const {
    for (std::size_t i = 0; i < (v6 ? 16U : 4U); ++i) put8(out, bytes[i]);
  }
};

}  // namespace tcpeek::test
