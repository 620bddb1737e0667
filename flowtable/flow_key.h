// The 4-tuple of a connection, the same for both directions.
//
// Endpoints are kept in order (by address, then port), so that a segment and its answer have one
// key; which end sent a segment is told apart as `Sender`. IPv4 addresses are held as IPv4-mapped
// IPv6 addresses (RFC 4291 section 2.5.5.2): one table and one hash serve both families. The
// decoder refuses mapped addresses on the wire, so the families never meet.
//
// Thread contract: plain values.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

namespace tcpeek::flowtable {

using IpAddress = std::array<std::uint8_t, 16>;

inline constexpr std::array<std::uint8_t, 12> kMappedPrefix{0, 0, 0, 0, 0,    0,
                                                            0, 0, 0, 0, 0xff, 0xff};

[[nodiscard]] inline bool is_v4(const IpAddress& address) noexcept {
  return std::memcmp(address.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0;
}

struct Endpoint {
  IpAddress address{};
  std::uint16_t port = 0;
  auto operator<=>(const Endpoint&) const = default;
};

enum class Sender : std::uint8_t { low, high };

[[nodiscard]] constexpr Sender other(Sender s) noexcept {
  return s == Sender::low ? Sender::high : Sender::low;
}

struct FlowKey {
  IpAddress low_address{};
  IpAddress high_address{};
  std::uint16_t low_port = 0;
  std::uint16_t high_port = 0;

  // Word by word: compilers leave a memcmp() of 36 bytes to the library, and this is asked for
  // every packet.
  bool operator==(const FlowKey& o) const noexcept {
    std::array<std::uint64_t, 4> mine;
    std::array<std::uint64_t, 4> theirs;
    std::memcpy(mine.data(), this, sizeof mine);
    std::memcpy(theirs.data(), &o, sizeof theirs);
    std::uint64_t different = (low_port ^ o.low_port) | (high_port ^ o.high_port);
    for (std::size_t i = 0; i < mine.size(); ++i) different |= mine[i] ^ theirs[i];
    return different == 0;
  }

  [[nodiscard]] Endpoint end(Sender s) const noexcept {
    return s == Sender::low ? Endpoint{low_address, low_port} : Endpoint{high_address, high_port};
  }
};

static_assert(sizeof(FlowKey) == 36 && std::has_unique_object_representations_v<FlowKey>,
              "a key is compared and hashed as 36 plain bytes");

struct DirectedKey {
  FlowKey key;
  Sender sender = Sender::low;
};

// Whether a <= b, by address, then port; in words, for the same reason as above.
[[nodiscard]] inline bool is_ordered(const Endpoint& a, const Endpoint& b) noexcept {
  const auto word = [](const IpAddress& address, std::size_t at) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, address.data() + at, sizeof bytes);
    return std::endian::native == std::endian::little ? __builtin_bswap64(bytes) : bytes;
  };
  for (const std::size_t at : {std::size_t{0}, std::size_t{8}}) {
    const std::uint64_t x = word(a.address, at);
    const std::uint64_t y = word(b.address, at);
    if (x != y) return x < y;
  }
  return a.port <= b.port;
}

[[nodiscard]] inline DirectedKey make_key(const Endpoint& source,
                                          const Endpoint& destination) noexcept {
  const bool source_is_low = is_ordered(source, destination);
  const Endpoint& low = source_is_low ? source : destination;
  const Endpoint& high = source_is_low ? destination : source;
  return {{low.address, high.address, low.port, high.port},
          source_is_low ? Sender::low : Sender::high};
}

}  // namespace tcpeek::flowtable
